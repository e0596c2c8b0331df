"""The simulated station, against a centre that is written here."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from contract.clock import SystemClock
from device_profiles.loader import load_profile
from simulators.devices import Sensor, Timeline
from simulators.hj212_frames import Identity, wrap
from simulators.hj212_station import Habits, Hj212Station
from simulators.ledger import Ledger
from simulators.signals import Street
from tests.simulators.conftest import free_port, until
from tests.simulators.test_cli import ended, first_line, simulate

Reply = Callable[[str, str, str], list[str]]


class Centre:
    """Reads lines and answers each as the test says: (CN, QN, line) -> segments."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.heard: list[tuple[str, str, str]] = []
        self.port = 0
        self.calls = 0

    def commands(self) -> list[str]:
        return [command for command, _, _ in self.heard]

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Centre]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls += 1
        try:
            while line := (await reader.readline()).decode():
                command, qn = (found(key, line) for key in ("CN", "QN"))
                self.heard.append((command, qn, line))
                for segment in self._reply(command, qn, line):
                    if segment == "hang up":
                        return
                    writer.write(wrap(segment))
        except ConnectionError:
            return
        finally:
            writer.close()


def found(key: str, line: str) -> str:
    match = re.search(rf"{key}=(\w*);", line)
    assert match
    return match[1]


def said(command: str, qn: str, words: str = "") -> str:
    return f"QN={qn};ST=91;CN={command};PW=123456;MN=AB;Flag=4;CP=&&{words}&&"


def polite(command: str, qn: str, _: str) -> list[str]:
    """What a centre answers."""
    answers = {"1013": "9013", "9011": "", "9012": ""}
    answer = answers.get(command, "9014")
    return [said(answer, qn)] if answer else []


def station(
    port: int, profile: str = "noise/hj212-noise-station", **habits: object
) -> Hj212Station:
    usual: dict[str, object] = {"real_time_s": 1, "answer_s": 0.3, "asks_time": False}
    return Hj212Station(
        Sensor(profile=load_profile(profile), street=Street(device="one")),
        who=Identity(mn="AB", password="123456", system="23"),
        host="127.0.0.1",
        port=port,
        habits=Habits(**{**usual, **habits}),  # type: ignore[arg-type]
        clock=SystemClock(),
        timeline=Timeline(),
        ledger=Ledger(None),
        say=lambda _: None,
    )


@asynccontextmanager
async def living(one: Hj212Station) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        life = tasks.create_task(one.run())
        yield
        life.cancel()


async def test_it_tells_of_its_start_and_reports() -> None:
    async with Centre(polite).listening() as centre:
        one = station(centre.port, minutes_s=1)
        async with living(one):
            await until(lambda: {"2081", "2011", "2051"} <= set(centre.commands()))
            await until(lambda: one.acknowledged >= 2)
    assert len({qn for _, qn, _ in centre.heard}) == len(centre.heard)
    assert not one.resent


async def test_what_is_not_answered_is_sent_again_with_the_same_number() -> None:
    silent = 3

    def late(command: str, qn: str, line: str) -> list[str]:
        nonlocal silent
        if command == "2011" and silent:
            silent -= 1
            return []
        return polite(command, qn, line)

    async with Centre(late).listening() as centre:
        one = station(centre.port)
        async with living(one):
            await until(lambda: one.acknowledged >= 1)
    first = [line for command, _, line in centre.heard if command == "2011"][:4]
    assert len(set(first)) == 1
    assert one.resent == 3
    assert centre.calls == 1


async def test_who_never_answers_is_called_again_and_told_the_same() -> None:
    def mute(command: str, qn: str, line: str) -> list[str]:
        return polite(command, qn, line) if command != "2011" or centre.calls > 1 else []

    centre = Centre(mute)
    async with centre.listening():
        one = station(centre.port, answer_s=0.1)
        async with living(one):
            await until(lambda: one.acknowledged >= 1)
    times = [found("QN", line) for command, _, line in centre.heard if command == "2011"]
    words = [line.split("CP=")[1] for command, _, line in centre.heard if command == "2011"]
    assert words[0][:40] == words[4][:40]
    assert times[0] == times[3] != times[4]


async def test_a_clock_is_asked_for_and_set() -> None:
    def sets(command: str, qn: str, line: str) -> list[str]:
        if command != "1013":
            return polite(command, qn, line)
        request = "QN=20300101000000000;ST=23;CN=1012;PW=123456;MN=AB;Flag=5;"
        return [said("9013", qn), request + "CP=&&SystemTime=20300101000000&&"]

    async with Centre(sets).listening() as centre:
        one = station(centre.port, asks_time=True)
        async with living(one):
            await until(lambda: centre.commands().count("9012") == 1)
            await until(lambda: any("DataTime=2030" in line for _, _, line in centre.heard))
    (accepted,) = [line for command, _, line in centre.heard if command == "9011"]
    assert "QN=20300101000000000;" in accepted
    assert "QnRtn=1" in accepted


async def test_a_time_that_is_none_is_refused() -> None:
    def mumbles(command: str, qn: str, line: str) -> list[str]:
        if command != "1013":
            return polite(command, qn, line)
        request = "QN=20300101000000000;ST=23;CN=1012;PW=123456;MN=AB;Flag=5;CP=&&SystemTime=x&&"
        return [said("9013", qn), request]

    async with (
        Centre(mumbles).listening() as centre,
        living(station(centre.port, asks_time=True)),
    ):
        await until(lambda: "9011" in centre.commands())
    assert any("QnRtn=2" in line for _, _, line in centre.heard)


@pytest.mark.parametrize("refused", ["2081", "2011"])
async def test_a_refusal_is_borne(refused: str) -> None:
    def refuses(command: str, qn: str, line: str) -> list[str]:
        return [said("9011", qn, "QnRtn=3")] if command == refused else polite(command, qn, line)

    async with Centre(refuses).listening() as centre, living(station(centre.port)):
        await until(lambda: centre.commands().count(refused) >= 2)


async def test_a_centre_that_hangs_up_is_called_again() -> None:
    def rude(command: str, qn: str, line: str) -> list[str]:
        if command == "2011" and centre.calls < 3:
            return ["hang up"]
        return polite(command, qn, line)

    centre = Centre(rude)
    async with centre.listening():
        one = station(centre.port)
        async with living(one):
            await until(lambda: one.acknowledged >= 2)
    assert centre.calls == 3


async def test_it_ends_when_told_while_the_centre_hangs_up() -> None:
    """A TaskGroup whose child failed in the same instant swallowed the cancellation."""
    for _ in range(20):
        async with Centre(lambda *_: ["hang up"]).listening() as centre:
            life = asyncio.create_task(station(centre.port).run())
            await until(lambda: centre.calls >= 1)
            life.cancel()
            async with asyncio.timeout(5):
                await asyncio.wait([life])
            assert life.cancelled()


async def test_the_command_dials_out() -> None:
    async with Centre(polite).listening() as centre:
        words = ["device", "dust/hj212-dust-station", "--centre", f"127.0.0.1:{centre.port}"]
        async with simulate(*words, "--period", "1", "--mn", "AB12") as process:
            assert (await first_line(process)) == (
                f"dust/hj212-dust-station: dials 127.0.0.1:{centre.port} as AB12\n"
            )
            await until(lambda: "2011" in centre.commands())
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 10) == 0
    assert all("MN=AB12;" in line for _, _, line in centre.heard)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--centre", "nowhere"], "--centre nowhere: expected host:port, e.g. 127.0.0.1:9212\n"),
        (["--period", "0.5"], "--period 0.5: HJ 212 tells whole seconds; 1 is the least\n"),
    ],
)
async def test_mistakes_are_refused(words: list[str], told: str) -> None:
    code, errors = await ended("device", "noise/hj212-noise-station", *words)
    assert (code, errors) == (2, told)


async def test_a_centre_that_is_away_is_waited_for() -> None:
    port = free_port()
    words = ["device", "noise/hj212-noise-station", "--centre", f"127.0.0.1:{port}"]
    async with simulate(*words, "--period", "1") as process:
        assert process.stdout is not None
        await first_line(process)
        assert "trying again in" in await first_line(process)
