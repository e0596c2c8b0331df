"""The setting of a station's clock, step by step."""

from __future__ import annotations

import pytest

from device_profiles.core.hj212 import Frame, parse_frame
from edge.core.hj212_clock import (
    ANSWER_MS,
    MAX_SETTINGS,
    STEPS,
    ClockSettings,
    Ended,
    Happening,
    Step,
)
from edge.core.hj212_messages import Peer
from tests.edge.core.hj212_kit import CHINA, MN, NOW_MS

NOON = "20261122120000"


def asked(pol_id: str = "") -> Frame:
    cp = {"PolId": pol_id} if pol_id else {}
    return Frame(header={"CN": "1013", "ST": "23", "MN": MN}, cp=cp)


def peer(qn: str = "20261122115900000") -> Peer:
    return Peer(qn=qn, pw="123456", mn=MN, flag=5)


def answer(cn: str, request: bytes, **cp: str) -> Frame:
    return Frame(header={"QN": parse_frame(request).header["QN"], "CN": cn, "MN": MN}, cp=cp)


@pytest.fixture
def clocks() -> ClockSettings:
    return ClockSettings(CHINA)


def test_every_step_knows_what_every_happening_does() -> None:
    assert set(STEPS) == {(s, h) for s in (Step.SENT, Step.ACCEPTED) for h in Happening}


def test_a_clock_is_set_as_annex_c3_has_it(clocks: ClockSettings) -> None:
    request = clocks.begin(asked(), peer(), NOW_MS)
    sent = parse_frame(request)
    assert sent.header == {
        "QN": f"{NOON}000",
        "ST": "23",
        "CN": "1012",
        "PW": "123456",
        "MN": MN,
        "Flag": "5",
    }
    assert sent.cp == {"SystemTime": NOON}
    assert clocks.answered(answer("9011", request, QnRtn="1"), NOW_MS + 10) is None
    done = clocks.answered(answer("9012", request, ExeRtn="1"), NOW_MS + 20)
    assert done == Ended(MN.lower())
    assert clocks.tick(NOW_MS + 10**6) == (b"", [])


def test_an_instruments_clock_is_named(clocks: ClockSettings) -> None:
    request = clocks.begin(asked("w01018"), peer(), NOW_MS)
    assert parse_frame(request).cp == {"PolId": "w01018", "SystemTime": NOON}
    assert clocks.begin(asked("w&&01"), peer("20261122115900001"), NOW_MS) == b""


def test_a_repeated_wish_does_not_begin_again(clocks: ClockSettings) -> None:
    assert clocks.begin(asked(), peer(), NOW_MS)
    assert clocks.begin(asked(), peer(), NOW_MS + 10_000) == b""


def test_each_request_has_its_own_number_and_there_are_not_many(clocks: ClockSettings) -> None:
    sent = [clocks.begin(asked(), peer(f"2026112211590000{n}"), NOW_MS) for n in range(10)]
    numbers = [parse_frame(request).header["QN"] for request in sent if request]
    assert len(set(numbers)) == len(numbers) == MAX_SETTINGS


@pytest.mark.parametrize(
    ("cn", "cp", "why"),
    [
        ("9011", {"QnRtn": "2"}, Happening.REFUSED),
        ("9012", {"ExeRtn": "2"}, Happening.NOT_SET),
        ("9012", {}, Happening.NOT_SET),
    ],
)
def test_a_refusal_ends_it(
    clocks: ClockSettings, cn: str, cp: dict[str, str], why: Happening
) -> None:
    request = clocks.begin(asked(), peer(), NOW_MS)
    assert clocks.answered(answer(cn, request, **cp), NOW_MS) == Ended(MN.lower(), why.value)


def test_answers_to_nothing_are_ignored(clocks: ClockSettings) -> None:
    request = clocks.begin(asked(), peer(), NOW_MS)
    other = Frame(header={"QN": "20260101000000000", "CN": "9012", "MN": MN}, cp={"ExeRtn": "1"})
    assert clocks.answered(other, NOW_MS) is None
    foreign = answer("9012", request, ExeRtn="1")
    foreign.header["MN"] = "ZX1"
    assert clocks.answered(foreign, NOW_MS) is None
    assert clocks.answered(answer("9014", request), NOW_MS) is None


def test_no_answer_is_asked_for_three_times_more_with_the_time_of_then(
    clocks: ClockSettings,
) -> None:
    first = clocks.begin(asked(), peer(), NOW_MS)
    assert clocks.tick(NOW_MS + ANSWER_MS - 1) == (b"", [])
    for turn in range(1, 4):
        again, ended = clocks.tick(NOW_MS + turn * ANSWER_MS)
        assert ended == []
        sent = parse_frame(again)
        assert sent.header["QN"] == parse_frame(first).header["QN"]
        assert sent.cp == {"SystemTime": f"202611221200{turn}0"}
    assert clocks.tick(NOW_MS + 4 * ANSWER_MS) == (
        b"",
        [Ended(MN.lower(), Happening.GAVE_UP.value)],
    )


def test_no_result_is_waited_for_once(clocks: ClockSettings) -> None:
    request = clocks.begin(asked(), peer(), NOW_MS)
    clocks.answered(answer("9011", request, QnRtn="1"), NOW_MS + 5_000)
    assert clocks.tick(NOW_MS + ANSWER_MS) == (b"", [])
    _, ended = clocks.tick(NOW_MS + 5_000 + ANSWER_MS)
    assert ended == [Ended(MN.lower(), Happening.TIME_OUT.value)]
