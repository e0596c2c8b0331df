"""Files, folders and commands that say how the cabinet lives, and those that do not answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from contract import strict_yaml
from contract.clock import ManualClock
from contract.errors import ConfigError, DecodeError
from contract.lifelines import Modem, Supply
from edge.health import Health
from edge.lifelines import Fresh, Lifelines, Reader, modem_reader, supply_reader
from edge.options import ModemOptions, SupplyOptions

CLOCK = ManualClock()


@asynccontextmanager
async def watched(
    health: Health, supply: SupplyOptions | None, modem: ModemOptions | None = None
) -> AsyncIterator[None]:
    lifelines = Lifelines(supply, modem, clock=CLOCK, health=health)
    task = asyncio.create_task(lifelines.run())
    yield
    task.cancel()
    await asyncio.wait([task])


async def until(so: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if so():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never comes")


def put(file: Path, text: str) -> None:
    """Write a file whole, so that nobody reads half of it."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


async def test_mains_that_go_are_told_at_once(tmp_path: Path) -> None:
    file, health = tmp_path / "value", Health(CLOCK)
    put(file, "1\n")
    async with watched(health, SupplyOptions(file=file, every_s=0.01)):
        assert health.figures()["supply.known"] == 0
        await until(lambda: health.supply == Supply(mains=True))
        health.urgent.clear()
        put(file, "0\n")
        await health.urgent.wait()
        assert health.figures()["supply.mains"] == 0


async def test_what_cannot_be_read_is_unknown_and_a_problem(tmp_path: Path) -> None:
    file, health = tmp_path / "value", Health(CLOCK)
    async with watched(health, SupplyOptions(file=file, every_s=0.01)):
        await until(lambda: bool(health.told()))
        assert "No such file" in health.told()[0]
        put(file, "on")
        await until(lambda: "says 'on'" in health.told()[0])
        assert "supply.mains" not in health.figures()
        put(file, "1")
        await until(lambda: not health.told())
        assert health.lifelines() == {"supply.known": 1, "supply.mains": 1}


async def test_a_file_that_never_answers_is_asked_once_and_stops_nothing(tmp_path: Path) -> None:
    """A named pipe without a writer blocks whoever opens it."""
    pipe, health = tmp_path / "pipe", Health(CLOCK)
    os.mkfifo(pipe)
    options = SupplyOptions(file=pipe, every_s=0.01, timeout_s=0.02)
    async with watched(health, options):
        await until(lambda: health.told() == ("supply: unknown: it does not answer",))
    reader = supply_reader(options, CLOCK)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await reader.ask()
    thread = reader._thread
    assert thread is not None

    def let_go() -> bool:
        """A writer that comes and goes ends both reads: ours, and that of the agent above."""
        os.close(os.open(pipe, os.O_RDWR))  # to write only would wait for a reader
        return not thread.is_alive()

    await until(let_go)


async def test_a_folder_of_power_supplies_or_one_of_them(tmp_path: Path) -> None:
    for name, attributes in {
        "AC": {"type": "Mains", "online": "0"},
        "BAT0": {"type": "Battery", "status": "Discharging", "capacity": "41"},
    }.items():
        (tmp_path / name).mkdir()
        for attribute, value in attributes.items():
            (tmp_path / name / attribute).write_text(value + "\n")
    every = await supply_reader(SupplyOptions(power_supply=tmp_path), CLOCK).ask()
    assert every == Supply(mains=False, battery_percent=41)
    one = await supply_reader(SupplyOptions(power_supply=tmp_path / "AC"), CLOCK).ask()
    assert one == Supply(mains=False)


async def test_mmcli_is_asked_and_may_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "mmcli"
    command.write_text(
        '#!/bin/sh\n[ "$2" = any ] || { echo "no modem $2" >&2; exit 1; }\n'
        'echo \'{"modem": {"3gpp": {"registration-state": "denied"}}}\'\n'
    )
    command.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert await modem_reader(ModemOptions(mmcli="any"), CLOCK).ask() == Modem(registered=False)
    with pytest.raises(DecodeError, match="no modem 7"):
        await modem_reader(ModemOptions(mmcli="7"), CLOCK).ask()
    command.write_text("#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(TimeoutError):
        await modem_reader(ModemOptions(mmcli="any", timeout_s=0.05), CLOCK).ask()


async def test_a_modem_that_loses_its_network_is_told_at_once(tmp_path: Path) -> None:
    file, health = tmp_path / "modem.json", Health(CLOCK)
    put(file, '{"registered": true, "signal_percent": 60}')
    async with watched(health, None, ModemOptions(file=file, every_s=0.01)):
        await until(lambda: health.modem == Modem(registered=True, signal_percent=60))
        health.urgent.clear()
        put(file, '{"registered": true, "signal_percent": 9}')
        await until(lambda: health.modem == Modem(registered=True, signal_percent=9))
        assert not health.urgent.is_set()
        put(file, '{"registered": false}')
        await health.urgent.wait()


def test_a_file_that_nobody_writes_says_nothing_any_more(tmp_path: Path) -> None:
    """By the monotonic clock: that of a machine which has just booted may say 1970."""
    clock, file = ManualClock(), tmp_path / "status"
    put(file, "1")
    fresh = Fresh(file, 60, clock)
    fresh.check()
    clock.advance_ms(60_000)
    fresh.check()
    clock.advance_ms(1)
    with pytest.raises(DecodeError, match="not written for over 60 s"):
        fresh.check()
    os.utime(file, (1, 1))
    fresh.check()


async def test_a_reader_passes_errors_on() -> None:
    def fails() -> int:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await Reader(fails, 1).ask()


@pytest.mark.parametrize(
    ("section", "said", "wrong"),
    [
        (SupplyOptions, "{}", "either power_supply or file"),
        (SupplyOptions, "{power_supply: /a, file: /b}", "either power_supply or file"),
        (SupplyOptions, "{file: /b, battery: 1}", "must differ"),
        (SupplyOptions, "{file: /b, mains: ''}", "mains"),
        (ModemOptions, "{}", "either mmcli or file"),
        (ModemOptions, "{mmcli: '--all'}", "mmcli"),
    ],
)
def test_a_source_is_one_thing(
    section: type[SupplyOptions | ModemOptions], said: str, wrong: str, tmp_path: Path
) -> None:
    path = tmp_path / "edge.yaml"
    path.write_text(said)
    with pytest.raises(ConfigError, match=wrong):
        strict_yaml.check(strict_yaml.read(path), section)
