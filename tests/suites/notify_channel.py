"""What every NotifyChannel promises. Subclass the suite, and give it a bench with a real server."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import pytest

from cloud.ports import Notice, NotifyChannel
from contract.errors import RejectedError, TransportError

NOTICE = Notice(
    key="0123456789abcdef0123456789abcdef",
    to="li@city.example",
    language="zh",
    subject="【告警·高】文化路 噪声超标\r\nBcc: stranger@city.example",
    body="【告警·高】文化路 噪声超标\n数值：72.5 dB（限值 70.0 dB）\n",
    short="告警(高) 文化路 噪声超标 72.5/70.0 dB",
    what="raised",
    severity="high",
    alert="0d0pm5q0000000000000",
    link="https://city.example/alerts/0d0pm5q0000000000000",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A message as the other side has it. key: "" where the wire has no place for one."""

    text: str
    key: str


class Bench(Protocol):
    """A channel under test and its server, which obeys.

    knows_keys: the key reaches the other side. tells_refusals: a refusal is told from a failure.
    """

    channel: NotifyChannel
    secret: str
    knows_keys: bool
    tells_refusals: bool

    def taken(self) -> list[Taken]:
        """Return what the server took, the first one first."""
        ...

    def fail(self) -> None:
        """Have the server refuse everything for now."""
        ...

    def refuse(self) -> None:
        """Have the server refuse everything for good."""
        ...

    def hang(self) -> None:
        """Have the server take connections and say nothing."""
        ...

    def stop(self) -> None:
        """Have the server be gone."""
        ...


class NotifyChannelSuite:
    """Taken or not, and never a doubt that is not told."""

    def test_a_message_is_taken_as_it_is(self, bench: Bench) -> None:
        bench.channel.send(NOTICE)
        (taken,) = bench.taken()
        assert "72.5 dB（限值 70.0 dB）" in taken.text
        assert "文化路" in taken.text
        if bench.knows_keys:
            assert taken.key == NOTICE.key

    def test_a_repetition_can_be_known_by_its_key(self, bench: Bench) -> None:
        for _ in range(2):
            bench.channel.send(NOTICE)
        first, second = bench.taken()
        assert first.key == second.key
        bench.channel.send(replace(NOTICE, key="f" * 32))
        assert (bench.taken()[-1].key != first.key) is bench.knows_keys

    def test_what_fails_for_now_may_be_tried_again(self, bench: Bench) -> None:
        bench.fail()
        with pytest.raises(TransportError) as caught:
            bench.channel.send(NOTICE)
        assert bench.secret not in str(caught.value)
        assert bench.taken() == []

    def test_what_is_refused_for_good_is_not(self, bench: Bench) -> None:
        bench.refuse()
        wanted = RejectedError if bench.tells_refusals else TransportError
        with pytest.raises(wanted) as caught:
            bench.channel.send(NOTICE)
        assert bench.secret not in str(caught.value)

    def test_a_server_that_says_nothing_ends_in_time(self, bench: Bench) -> None:
        bench.hang()
        with pytest.raises(TransportError):
            bench.channel.send(NOTICE)

    def test_a_server_that_is_gone_is_told(self, bench: Bench) -> None:
        bench.stop()
        with pytest.raises(TransportError) as caught:
            bench.channel.send(NOTICE)
        assert bench.secret not in str(caught.value)
