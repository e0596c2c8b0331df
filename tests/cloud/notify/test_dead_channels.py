"""Channels that fail often, for long, or in a storm; and those that are tried without a message."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cloud.core.channel_life import DeadWhen
from cloud.notify import log
from cloud.notify.courier import Courier
from cloud.notify.log import Channel
from cloud.state.database import Database
from contract.errors import Disconnected
from tests.cloud.alert_kit import began
from tests.cloud.notify.town import POLICY, FakeChannel, Town, of

STRICT = replace(POLICY, dead=DeadWhen(failures=3, at_least_ms=60_000, for_ms=900_000))


@dataclass
class Probed(FakeChannel):
    """A channel that can be tried."""

    probes: int = 0

    def probe(self) -> None:
        self.probes += 1
        if self.error is not None:
            raise self.error


def mail(town: Town) -> Channel:
    with town.database.read() as connection:
        return next(one for one in log.channels(connection) if one.name == "mail")


def test_a_storm_that_fails_for_a_moment_kills_no_channel(database: Database) -> None:
    town = Town(database, STRICT)
    town.channels["mail"].error = Disconnected("down")
    numbers = town.more_meters(8)
    town.say(*(of(began(n), series) for n, series in enumerate(numbers)))
    town.work()
    assert mail(town).failures >= 8
    assert mail(town).dead_ms is None
    town.channels["mail"].error = None
    town.work(after_s=61)
    assert mail(town).failures == 0


def test_one_that_fails_seldom_is_dead_after_a_time(database: Database) -> None:
    policy = replace(STRICT, dead=DeadWhen(failures=100, at_least_ms=60_000, for_ms=900_000))
    town = Town(database, policy)
    town.say(began(0))
    town.channels["mail"].error = Disconnected("down")
    town.work()
    assert mail(town).dead_ms is None
    town.work(after_s=899)
    assert mail(town).dead_ms is None
    town.work(after_s=900)
    assert mail(town).dead_ms is not None


def test_a_channel_that_nobody_uses_is_known_to_be_dead(database: Database) -> None:
    town = Town(database, STRICT)
    policy = replace(STRICT, probe_ms=3_600_000)
    channel = Probed()
    courier = Courier(database, "mail", channel, policy, town.clock)
    courier.step()
    courier.step()
    assert channel.probes == 1
    assert (mail(town).ok_ms, mail(town).failures) == (town.clock.now_ms(), 0)
    channel.error = Disconnected("down")
    town.clock.advance_ms(3_600_000)
    courier.step()
    assert mail(town).failures == 1
    for _ in range(20):
        town.clock.advance_ms(10_000)
        courier.step()
    assert mail(town).dead_ms is not None
    channel.error = None
    for _ in range(70):
        town.clock.advance_ms(60_000)
        courier.step()
    assert mail(town).dead_ms is not None  # only a message that is taken shows that it lives
    assert not channel.taken


def test_what_cannot_be_tried_is_left_alone(database: Database) -> None:
    town = Town(database, STRICT)
    channel = FakeChannel()
    courier = Courier(database, "mail", channel, replace(STRICT, probe_ms=1), town.clock)
    assert not courier.step()
    assert mail(town).ok_ms is None
