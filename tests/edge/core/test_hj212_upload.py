"""A station's end of a connection to a platform, read and written apart by the simulators."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.core.hj212_upload import (
    ANSWER_MS,
    RESENDS,
    Acknowledged,
    Disbelieved,
    HistoryAsked,
    Identity,
    IntervalSet,
    NotTaken,
    Report,
    UploadSession,
    write_upload,
)
from simulators.hj212_frames import local, read, wrap
from tests.edge.core.hj212_kit import CHINA, MN, NOISE, NOW_MS, frame

WHO = Identity(mn=MN, password="123456", system="23")
REPORT = Report(qn="20261122120000123", command="2051", cp="DataTime=20261122115000;Leq-Data=50")
ASKING = "20261122120001000"


def session() -> UploadSession:
    return UploadSession(identity=WHO, zone=CHINA, interval_s=60)


def answer(cn: str, cp: str = "", qn: str = REPORT.qn) -> bytes:
    return frame(cp, qn=qn, st="91", cn=cn, flag=4)


def request(cn: str, cp: str = "", **more: str) -> bytes:
    return frame(cp, qn=ASKING, cn=cn, flag=5, **more)


def told(peer: UploadSession) -> list[tuple[str, dict[str, str]]]:
    """CN and words of each frame sent, as the simulators read them; the QN is always that asked."""
    found = [read(b"##" + part) for part in peer.data_to_send().split(b"##")[1:]]
    assert all(each is not None and each.qn == ASKING for each in found)
    return [(each.command, dict(each.words)) for each in found if each is not None]


def test_the_standards_frame_is_written_to_the_byte() -> None:
    report = Report(
        qn="20160801085857223", command="2011", cp="DataTime=20160801085857;LA-Rtd=50.1"
    )
    assert write_upload(WHO, report, wants_answer=True) == NOISE


def test_parts_say_which_they_are() -> None:
    part = Report(qn=REPORT.qn, command="2051", cp=REPORT.cp, part=2, of=3)
    assert b"Flag=7;PNUM=3;PNO=2;CP=" in write_upload(WHO, part, wants_answer=True)


def test_a_report_is_sent_until_it_is_acknowledged_and_acknowledged_once() -> None:
    peer = session()
    peer.upload(REPORT, NOW_MS)
    sent = peer.data_to_send()
    assert peer.tick(NOW_MS + ANSWER_MS - 1) == []
    assert peer.data_to_send() == b""
    assert peer.tick(NOW_MS + ANSWER_MS) == []
    assert peer.data_to_send() == sent, "with the same QN"
    assert peer.receive(answer("9014", qn="20261122120000124"), NOW_MS) == []
    assert peer.receive(answer("9014") * 2, NOW_MS) == [Acknowledged(REPORT.qn)]
    assert not peer.waiting
    assert peer.tick(NOW_MS + 10 * ANSWER_MS) == []


def test_a_platform_that_does_not_answer_is_given_up_after_three_resends() -> None:
    peer = session()
    peer.upload(REPORT, NOW_MS)
    for again in range(1, RESENDS + 1):
        assert peer.tick(NOW_MS + again * ANSWER_MS) == []
    assert peer.data_to_send().count(b"##") == 1 + RESENDS
    (end,) = peer.tick(NOW_MS + 4 * ANSWER_MS)
    assert isinstance(end, NotTaken)
    assert not peer.waiting


def test_a_refusal_is_told_and_a_request_answer_waits_on() -> None:
    peer = session()
    peer.upload(REPORT, NOW_MS)
    assert peer.receive(answer("9011", "QnRtn=1"), NOW_MS) == []
    assert peer.receive(answer("9011", "QnRtn=3"), NOW_MS) == [
        NotTaken(REPORT.qn, "refused with QnRtn 3")
    ]


@pytest.mark.parametrize("wrong", [{"pw": "654321"}, {"mn": "F" * 24}])
def test_an_acknowledgement_of_a_strangers_counts_for_nothing(wrong: dict[str, str]) -> None:
    peer = session()
    peer.upload(REPORT, NOW_MS)
    assert peer.receive(frame("", qn=REPORT.qn, st="91", cn="9014", flag=4, **wrong), NOW_MS) == []
    assert peer.waiting


def test_the_time_is_told() -> None:
    peer = session()
    peer.receive(request("1011"), NOW_MS)
    assert told(peer) == [
        ("9011", {"QnRtn": "1"}),
        ("1011", {"SystemTime": "20261122120000"}),
        ("9012", {"ExeRtn": "1"}),
    ]


@pytest.mark.parametrize(("off_ms", "result"), [(30_000, "1"), (-3_600_000, "2")])
def test_a_clock_is_not_set_but_may_be_right_already(off_ms: int, result: str) -> None:
    peer = session()
    peer.receive(request("1012", f"SystemTime={local(NOW_MS + off_ms)[:14]}"), NOW_MS)
    assert told(peer) == [("9011", {"QnRtn": "1"}), ("9012", {"ExeRtn": result})]


def test_the_interval_is_told_and_set() -> None:
    peer = session()
    assert peer.receive(request("1062", "RtdInterval=30"), NOW_MS) == [IntervalSet(30)]
    peer.receive(request("1061"), NOW_MS)
    assert told(peer) == [
        ("9011", {"QnRtn": "1"}),
        ("9012", {"ExeRtn": "1"}),
        ("9011", {"QnRtn": "1"}),
        ("1061", {"RtdInterval": "30"}),
        ("9012", {"ExeRtn": "1"}),
    ]


@pytest.mark.parametrize("interval", ["29", "3601", "x", "", "-60", "999999"])
def test_an_interval_that_cannot_be_is_refused(interval: str) -> None:
    peer = session()
    assert peer.receive(request("1062", f"RtdInterval={interval}"), NOW_MS) == []
    assert told(peer) == [("9011", {"QnRtn": "2"})]
    assert peer.interval_s == 60


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (request("1000", "OverTime=5"), "2"),
        (request("3020"), "2"),
        (request("9999"), "8"),
        (request("1011", pw="654321"), "3"),
        (request("1011", mn="F" * 24), "4"),
        (request("2051", "BeginTime=x;EndTime=y"), "2"),
    ],
)
def test_what_is_not_done_is_refused(data: bytes, code: str) -> None:
    peer = session()
    peer.receive(data, NOW_MS)
    assert told(peer) == [("9011", {"QnRtn": code})]


def test_history_is_told_under_the_number_of_the_request() -> None:
    peer = session()
    (asked,) = peer.receive(
        request("2051", "BeginTime=20261122110000;EndTime=20261122120000"), NOW_MS
    )
    assert asked == HistoryAsked(ASKING, "2051", NOW_MS - 3_600_000, NOW_MS)
    peer.history(asked, [REPORT])
    assert told(peer) == [
        ("9011", {"QnRtn": "1"}),
        ("2051", {"DataTime": "20261122115000", "Leq-Data": "50"}),
        ("9012", {"ExeRtn": "1"}),
    ]
    peer.history(asked, [])
    assert told(peer) == [("9012", {"ExeRtn": "100"})]


@pytest.mark.parametrize(
    "data",
    [
        answer("9014").replace(b"91", b"92"),
        wrap("QN=1;ST=91;CN=9014;CP=&&&&"),
        wrap(f"QN=x;ST=91;CN=9014;MN={MN};CP=&&&&"),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_sound_frame_is_passed_over(data: bytes) -> None:
    peer = session()
    peer.upload(REPORT, NOW_MS)
    peer.data_to_send()
    assert all(isinstance(event, Disbelieved) for event in peer.receive(data, NOW_MS))
    assert peer.data_to_send() == b""
    assert peer.receive(answer("9014"), NOW_MS) == [Acknowledged(REPORT.qn)]


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=200), st.integers(1, 40))
def test_nothing_that_a_platform_sends_is_an_exception(noise: bytes, size: int) -> None:
    peer = session()
    stream = noise + b"\r\n" + request("1011") + noise
    for at in range(0, len(stream), size):
        peer.receive(stream[at : at + size], NOW_MS)
