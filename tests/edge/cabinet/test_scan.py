"""`edge scan`: who is there, at which baud rate; refusals are devices; Ctrl-C keeps them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from edge import lock
from simulators.modbus_frames import Framing
from tests.edge.cabinet.kit import Done, Part, bus_of, edge, interrupted, start, tcp, write_config
from tests.edge.drivers.fronts import SerialPair
from tests.edge.kit import ScriptedPeer, free_port

NOISE, GAS = (
    Part(profile="noise/rs485-sound", unit_id=3),
    Part(profile="gas/pressure-transmitter-b", unit_id=9),
)


def found(done: Done) -> list[dict[str, Any]]:
    """Return who was found."""
    rows = done.told["found"]
    assert isinstance(rows, list)
    return rows


@pytest.mark.parametrize(
    ("framing", "driver"),
    [(Framing.TCP, "modbus_tcp"), (Framing.RTU, "modbus_rtu_over_tcp")],
)
async def test_answers_and_refusals_are_both_devices(
    framing: Framing, driver: str, tmp_path: Path
) -> None:
    async with bus_of(NOISE, GAS, framing=framing) as port:
        config = write_config(tmp_path, [tcp(port, driver)])
        done = await edge("scan", config, "line", "--units", "1-10", "--timeout-s", "0.1", "--json")
    assert done.code == 0, done.out
    assert [(each["unit_id"], each["sign"]) for each in found(done)] == [
        (3, "answers"),
        (9, "refuses"),  # register 0 is none of its own; that it says so says it is there
    ]
    assert done.told["asked"] == 10
    assert "next: gridwarden edge probe" in done.out
    assert "found unit id 3" in done.err  # as it goes on


async def test_exception_11_is_a_gateway_that_hears_nobody(tmp_path: Path) -> None:
    async with bus_of(NOISE) as port:
        config = write_config(tmp_path, [tcp(port)])
        done = await edge("scan", config, "line", "--units", "10-14", "--json")
    assert done.code == 1
    assert found(done) == []
    assert "the gateway answers that it hears nobody" in done.out
    assert "--start 0x2600" in done.out


async def test_silence_says_what_to_try(tmp_path: Path) -> None:
    async with bus_of(NOISE, framing=Framing.RTU) as port:
        config = write_config(tmp_path, [tcp(port, "modbus_rtu_over_tcp")])
        done = await edge("scan", config, "line", "--units", "10-12", "--timeout-s", "0.05")
    assert done.code == 1
    assert "found 0" in done.out
    assert "serial side set to the sensor's baud rate" in done.out


async def test_no_connection_ends_at_once(tmp_path: Path) -> None:
    config = write_config(tmp_path, [tcp(free_port())])
    done = await edge("scan", config, "line", "--json")
    assert done.code == 1
    assert "no connection" in str(done.told["problem"])
    assert done.told["asked"] in (2, 3)  # of 247


async def test_a_device_that_ignores_unit_ids_is_told(tmp_path: Path) -> None:
    peer = ScriptedPeer(lambda unit, at: 599, lambda request, right: [(0.0, right)])
    await peer.start()
    try:
        config = write_config(tmp_path, [tcp(peer.port)])
        done = await edge("scan", config, "line", "--units", "1-6")
    finally:
        await peer.stop()
    assert done.code == 0
    assert "every unit id answers: this is one device" in done.out


async def test_garbled_answers_are_not_devices(tmp_path: Path) -> None:
    """Two devices with one unit id talk at once: the CRC is wrong."""
    peer = ScriptedPeer(
        lambda unit, at: 599,
        lambda request, right: [(0.0, right[:-1] + bytes([right[-1] ^ 0xFF]))],
        rtu=True,
    )
    await peer.start()
    try:
        config = write_config(tmp_path, [tcp(peer.port, "modbus_rtu_over_tcp")])
        done = await edge("scan", config, "line", "--units", "4", "--timeout-s", "0.1", "--json")
    finally:
        await peer.stop()
    assert done.code == 1
    assert [each["sign"] for each in found(done)] == ["garbled"]
    assert "two devices share it" in done.out


async def test_the_first_found_may_be_enough(tmp_path: Path) -> None:
    async with bus_of(NOISE, GAS) as port:
        config = write_config(tmp_path, [tcp(port)])
        done = await edge("scan", config, "line", "--first", "--json")
    assert done.code == 0
    assert len(found(done)) == 1
    assert done.told["asked"] == 3  # 1, 2 and 3: what makers ship is asked first


async def test_ctrl_c_prints_what_was_found_so_far(tmp_path: Path) -> None:
    async with bus_of(NOISE, framing=Framing.RTU) as port:
        config = write_config(tmp_path, [tcp(port, "modbus_rtu_over_tcp")])
        process = await start("scan", config, "line", "--timeout-s", "2", "--json")
        assert process.stderr is not None
        first = await asyncio.wait_for(process.stderr.readline(), 60)
        done = await interrupted(process)
    assert b"found unit id 3" in first
    assert done.code == 130
    assert done.told["interrupted"] is True
    assert [each["unit_id"] for each in found(done)] == [3]
    assert "interrupted; found 1" in done.out


async def test_a_serial_line_at_several_baud_rates(tmp_path: Path) -> None:
    """A pty has no speed, so the device answers at every rate: what is asked is what matters."""
    pair = SerialPair(tmp_path)
    await pair.start()
    serving = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gridwarden", "simulate", "device", NOISE.profile),
        *("--serial", str(pair.theirs), "--unit-id", "3"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert serving.stdout is not None
        await asyncio.wait_for(serving.stdout.readline(), 30)
        config = write_config(
            tmp_path, [f"id: line, driver: modbus_rtu, port: {pair.ours}, baud: 9600"]
        )
        words = ("scan", config, "line", "--units", "2-3", "--timeout-s", "0.1", "--json")
        done = await edge(*words, "--bauds", "4800,9600")
        with lock.held(tmp_path / "buffer.sqlite"):
            refused = await edge(*words)
    finally:
        serving.terminate()
        await serving.wait()
        await pair.stop()
    assert done.code == 0, done.out + done.err
    assert [(each["unit_id"], each["baud"]) for each in found(done)] == [(3, 4800), (3, 9600)]
    assert refused.code == 2
    assert "in use by the agent" in refused.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("nowhere",), "no bus 'nowhere'"),
        (("lora",), "bus lora is mqtt: its devices speak for themselves"),
        (("line", "--units", "0-3"), "--units: '0-3': write unit ids from 1 to 255"),
        (("line", "--bauds", "9600"), "is set in its gateway"),
        (("line", "--start", "0x10000"), "--start: '0x10000' is no register"),
    ],
)
async def test_mistakes_are_refused(words: tuple[str, ...], why: str, tmp_path: Path) -> None:
    lora = "id: lora, driver: mqtt, host: 127.0.0.1, port: 1, tls: false"
    config = write_config(tmp_path, [tcp(1), lora])
    done = await edge("scan", config, *words)
    assert done.code == 2
    assert why in done.err
