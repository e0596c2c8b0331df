"""A connection: what a station sends, what becomes of it, what it is told."""

from __future__ import annotations

import random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.core.hj212 import parse_frame
from edge.core.hj212_clock import ANSWER_MS
from edge.core.hj212_memory import LATE_MS
from edge.core.hj212_messages import QnRtn
from edge.core.hj212_session import (
    ClockSet,
    Event,
    Heard,
    Repeated,
    Reported,
    Session,
    SetAside,
    Station,
)
from tests.edge.core.hj212_kit import ACK, CHINA, NOISE, NOW_MS, exchange, frame, known, session

OF_2016_MS = 1_470_013_137_000


def reported(events: list[Event]) -> list[Reported]:
    return [event for event in events if isinstance(event, Reported)]


def answers(sent: bytes) -> list[tuple[str, str, dict[str, str]]]:
    """(CN, QN, CP) of each frame that was sent."""
    frames = [parse_frame(b"##" + part) for part in sent.split(b"##")[1:]]
    return [(f.command, f.header["QN"], f.cp) for f in frames]


def test_the_standards_noise_frame_is_reported_and_acknowledged_to_the_byte() -> None:
    peer = session()
    events, sent = exchange(peer, NOISE)
    assert events[0] == Heard("noise-01", "2011")
    (told,) = reported(events)
    assert (told.device, told.own_ms) == ("noise-01", OF_2016_MS)
    assert told.frame.cp == {"DataTime": "20160801085857", "LA-Rtd": "50.1"}
    assert sent == ACK
    assert peer.data_to_send() == b""


@pytest.mark.parametrize("cn", ["2011", "2051", "2061", "2031"])
def test_data_is_reported_whatever_its_period(cn: str) -> None:
    events, sent = exchange(session(), frame(cn=cn))
    assert reported(events)[0].frame.command == cn
    assert answers(sent) == [("9014", "20261122120000123", {})]


def test_what_wants_no_acknowledgement_gets_none() -> None:
    events, sent = exchange(session(), frame(flag=4))
    assert len(reported(events)) == 1
    assert sent == b""


def test_the_flag_of_2025_is_answered_in_kind() -> None:
    _, sent = exchange(session(), frame(flag=9))
    assert parse_frame(sent).header["Flag"] == "8"


def test_a_repetition_is_acknowledged_again_and_read_once() -> None:
    peer = session()
    exchange(peer, NOISE)
    for _ in range(3):
        events, sent = exchange(peer, NOISE)
        assert events == [Heard("noise-01", "2011"), Repeated("noise-01", ACK)]
        assert sent == ACK


def test_a_repetition_on_another_connection_is_read_once() -> None:
    stations = known()
    exchange(Session(stations, CHINA), NOISE)
    events, sent = exchange(Session(stations, CHINA), NOISE)
    assert reported(events) == []
    assert sent == ACK


def test_a_repetition_with_a_new_number_is_read_once() -> None:
    peer = session()
    exchange(peer, frame())
    events, sent = exchange(peer, frame(qn="20261122120010999"))
    assert reported(events) == []
    assert answers(sent) == [("9014", "20261122120010999", {})]


def test_another_value_of_the_same_time_is_set_aside_but_acknowledged() -> None:
    peer = session()
    exchange(peer, frame())
    events, sent = exchange(peer, frame("DataTime=20261122120000;LA-Rtd=50.2"))
    assert isinstance(events[1], SetAside)
    assert "told before, with other values" in events[1].why
    assert reported(events) == []
    assert [cn for cn, _, _ in answers(sent)] == ["9014"]


def test_data_is_not_acknowledged_before_it_is_on_disk() -> None:
    peer = session()
    events = peer.receive(NOISE, NOW_MS)
    assert peer.data_to_send() == b""
    assert reported(events)[0].answer == ACK
    (_, again) = peer.receive(NOISE, NOW_MS)
    assert again == Repeated("noise-01", ACK)
    assert peer.data_to_send() == b""


def test_each_part_is_reported_and_acknowledged_with_its_own_number() -> None:
    """Annex C.50. A station may send the second only when the first is acknowledged."""
    peer = session()
    first = frame(
        "DataTime=20160801080000;w00000-Avg=17.5,w00000-Flag=N",
        qn="20160801085857534",
        cn="2061",
        flag=7,
        part="PNUM=2;PNO=1;",
    )
    second = frame(
        "DataTime=20160801080000;w01018-Avg=40.1,w01018-Flag=D",
        qn="20160801085857535",
        cn="2061",
        flag=7,
        part="PNUM=2;PNO=2;",
    )
    events, sent = exchange(peer, first)
    (told,) = reported(events)
    assert told.frame.cp == {
        "DataTime": "20160801080000",
        "w00000-Avg": "17.5",
        "w00000-Flag": "N",
    }
    assert answers(sent) == [("9014", "20160801085857534", {})]
    events, sent = exchange(peer, second)
    assert answers(sent) == [("9014", "20160801085857535", {})]
    (told,) = reported(events)
    assert told.frame.cp == {
        "DataTime": "20160801080000",
        "w01018-Avg": "40.1",
        "w01018-Flag": "D",
    }
    assert told.own_ms == 1_470_009_600_000


def test_a_part_on_another_connection_is_read_once() -> None:
    stations = known()
    part = "DataTime=20160801080000;{}-Avg=1"
    one = frame(part.format("a1"), cn="2061", flag=7, part="PNUM=2;PNO=1;")
    two = frame(part.format("a2"), cn="2061", flag=7, part="PNUM=2;PNO=2;")
    exchange(Session(stations, CHINA), one)
    assert reported(exchange(Session(stations, CHINA), one)[0]) == []
    (told,) = reported(exchange(Session(stations, CHINA), two)[0])
    assert set(told.frame.cp) == {"DataTime", "a2-Avg"}


def test_parts_that_disagree_are_refused() -> None:
    peer = session()
    exchange(peer, frame(flag=7, part="PNUM=2;PNO=1;"))
    events, sent = exchange(
        peer, frame("DataTime=20261122120000;L5-Rtd=1", flag=7, part="PNUM=3;PNO=2;")
    )
    assert isinstance(events[-1], SetAside)
    assert answers(sent)[0][2] == {"QnRtn": "6"}


def test_parts_that_never_came_are_told() -> None:
    station = Station(device="d", mn="ab", password="1")
    peer = Session({"ab": station}, CHINA)
    exchange(peer, frame(mn="AB", pw="1", flag=7, part="PNUM=3;PNO=1;"))
    (missed,) = station.memory.missed(NOW_MS + LATE_MS)
    assert (missed.command, missed.parts) == ("2011", 2)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (NOISE.replace(b"50.1", b"50.2"), 9),
        (NOISE.replace(b"0880", b"0881"), 9),
        (NOISE.replace(b"##0122", b"##0123"), 9),
        (frame(mn="0" * 24), 4),
        (frame(pw="654321"), 3),
        (frame(st="x"), 5),
        (frame(flag=1), 6),
        (frame(cn="2012"), 8),
        (frame("DataTime=yesterday"), 100),
    ],
)
def test_a_wrong_frame_is_set_aside_with_its_bytes_and_answered(data: bytes, code: int) -> None:
    peer = session()
    events, sent = exchange(peer, data)
    (aside,) = events
    assert isinstance(aside, SetAside)
    assert aside.code == code
    assert aside.data.strip() == data.strip()
    ((cn, qn, cp),) = answers(sent)
    assert (cn, cp) == ("9011", {"QnRtn": str(code)})
    assert f"QN={qn};".encode() in data
    events, sent = exchange(peer, NOISE)
    assert len(reported(events)) == 1
    assert sent == ACK


def test_a_wrong_number_is_set_aside_and_cannot_be_answered() -> None:
    (aside,), sent = exchange(session(), frame(qn="0"))
    assert isinstance(aside, SetAside)
    assert (aside.code, sent) == (QnRtn.NUMBER, b"")


def test_garbage_is_set_aside_without_an_answer() -> None:
    events, sent = exchange(session(), b"GET / HTTP/1.1\r\n\r\n" + NOISE)
    assert isinstance(events[0], SetAside)
    assert events[0].code is None
    assert len(reported(events)) == 1
    assert sent == ACK


def test_broken_answers_are_not_answered() -> None:
    """Else two ends could send each other errors for ever."""
    events, sent = exchange(session(), ACK.replace(b"3240", b"3241"))
    assert isinstance(events[0], SetAside)
    assert sent == b""


@pytest.mark.parametrize("cn", ["2081", "2021", "2041", "3020"])
def test_what_has_no_readings_is_acknowledged(cn: str) -> None:
    events, sent = exchange(session(), frame("RestartTime=20261122115900", cn=cn))
    assert events == [Heard("noise-01", cn)]
    assert answers(sent)[0][0] == "9014"


def test_answers_to_nothing_are_heard_and_no_more() -> None:
    assert exchange(session(), ACK) == ([Heard("noise-01", "9014")], b"")


def test_a_clock_is_set_when_the_station_asks() -> None:
    peer = session()
    _, sent = exchange(peer, frame("", cn="1013", qn="20261122115955000"))
    (noticed, _, _), (request, qn, cp) = answers(sent)
    assert (noticed, request) == ("9013", "1012")
    assert cp == {"SystemTime": "20261122120000"}
    ready = frame("QnRtn=1", cn="9011", st="91", flag=4, qn=qn)
    assert exchange(peer, ready) == ([Heard("noise-01", "9011")], b"")
    done = frame("ExeRtn=1", cn="9012", st="91", flag=4, qn=qn)
    assert exchange(peer, done) == ([Heard("noise-01", "9012"), ClockSet("noise-01")], b"")


def test_a_clock_that_is_not_set_is_told() -> None:
    peer = session()
    exchange(peer, frame("", cn="1013"))
    for turn in range(1, 4):
        assert peer.tick(NOW_MS + turn * ANSWER_MS) == []
        assert answers(peer.data_to_send())[0][0] == "1012"
    (told,) = peer.tick(NOW_MS + 4 * ANSWER_MS)
    assert isinstance(told, ClockSet)
    assert told.why


def test_several_stations_may_share_a_connection() -> None:
    peer = session(one="AB 1", two="CD 2")
    events, sent = exchange(peer, frame(mn="AB", pw="1") + frame(mn="CD", pw="2"))
    assert [told.device for told in reported(events)] == ["one", "two"]
    assert len(answers(sent)) == 2
    (aside,), _ = exchange(peer, frame(mn="AB", pw="2", qn="20261122120000124"))
    assert isinstance(aside, SetAside)


def test_times_are_of_the_stations_zone() -> None:
    (told,) = reported(exchange(Session(known(), ZoneInfo("Asia/Urumqi")), NOISE)[0])
    assert told.own_ms == OF_2016_MS + 2 * 3_600_000


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 60), st.integers(0, 2**32))
def test_chunks_of_any_size_are_the_same_to_it(size: int, seed: int) -> None:
    dice = random.Random(seed)
    stream = b"".join(
        dice.choice(
            [
                NOISE,
                NOISE.replace(b"50.1", b"50.2"),
                frame(pw="no"),
                frame(f"DataTime=202611221200{dice.randrange(60):02d};LA-Rtd=1"),
                frame("", cn="1013"),
                b"noise\r\n",
            ]
        )
        for _ in range(8)
    )
    whole, sent_whole = exchange(session(), stream)
    peer = session()
    parts: list[Event] = []
    sent = b""
    for at in range(0, len(stream), size):
        events, replies = exchange(peer, stream[at : at + size])
        parts += events
        sent += replies
    assert believed(parts) == believed(whole)
    assert sorted(sent.split(b"##")) == sorted(sent_whole.split(b"##"))


def believed(events: list[Event]) -> list[Event]:
    """Leave out noise, which is set aside in as many pieces as it came in."""
    return [e for e in events if not isinstance(e, SetAside) or e.code is not None]
