"""How complete a device's data is, on a real database: what the Line wrote down, and the store."""

from __future__ import annotations

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
import typer
from typer.testing import CliRunner

from cloud import app as build
from cloud.completeness import Report, local_days, midnight_ms, report
from cloud.completeness_cli import completeness
from cloud.config import load
from cloud.core.completeness import Part
from cloud.core.rules import RuleSet
from cloud.core.waiting import Bounds
from cloud.errors import InvalidError, NotFoundError
from cloud.pipeline import Line, Message
from cloud.state import history, schema
from cloud.state.database import Database
from cloud.state.history import History
from contract import codec, messages, topics
from contract.aggregates import period_ms_of
from contract.clock import ManualClock, parse_iso
from contract.messages import Birth, DeviceBirth, State
from contract.quality import Quality
from contract.readings import Batch, Gap, Reading

ZONE = ZoneInfo("Asia/Shanghai")
START_MS = parse_iso("2026-09-21T00:00:00+08:00")
HOUR_MS = 3_600_000
MINUTE_MS = 60_000


class City:
    """A gateway with a device that measures once a minute, told hour by hour."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.clock = ManualClock(START_MS)
        rules = RuleSet(rules=(), fingerprint="")
        self.line = Line(database, rules, ZONE, self.clock, Bounds())
        self.seq = 0

    def born(self, period_s: float = 60.0, measurements: tuple[str, ...] = ("noise_laeq",)) -> None:
        told = DeviceBirth(
            id="noise-1",
            kind="noise",
            profile="noise/x",
            period_s=period_s,
            measurements=measurements,
        )
        said = Birth(
            gateway="cabinet", agent_version="1", config_version="1", born_ms=1, devices=(told,)
        )
        self._tell("birth", messages.encode(said))

    def state(self, online: bool) -> None:
        self._tell("state", messages.encode(State(online=online, at_ms=1)))

    def hour(
        self,
        readings: int = 60,
        *,
        silent: int = 0,
        skip: int = 0,
        gaps: tuple[Gap, ...] = (),
        computed: tuple[str, ...] = (),
    ) -> None:
        """Let an hour pass, in which so many readings were made; they come at its end."""
        begin_ms = self.clock.now_ms()
        self.clock.advance_ms(HOUR_MS)
        told = [
            Reading("noise-1", "noise_laeq", begin_ms + n * MINUTE_MS, 60.0)
            if n >= silent
            else Reading(
                "noise-1", "noise_laeq", begin_ms + n * MINUTE_MS, None, Quality.COMMUNICATION
            )
            for n in range(readings)
        ]
        told += [
            Reading("noise-1", name, begin_ms + n * period_ms, 61.0, Quality.COMPUTED)
            for name in computed
            if (period_ms := period_ms_of(name))
            for n in range(HOUR_MS // period_ms)
            if n * period_ms >= silent * MINUTE_MS
        ]
        self.seq += 1 + skip
        batch = Batch(epoch="0123abcd", seq=self.seq, readings=tuple(told), gaps=gaps)
        self._tell("data", codec.encode_batch(batch))

    def report(self, hours: int = 24) -> Report:
        config = self.folder / "cloud.yaml"
        config.write_text("data: .\nbroker: {host: h}\n")
        return report(
            self.database,
            build.store(load(config), self.database),
            ZONE,
            "noise-1",
            from_ms=START_MS,
            to_ms=START_MS + hours * HOUR_MS,
            now_ms=self.clock.now_ms() + 30 * MINUTE_MS,
        )

    def _tell(self, kind: str, payload: bytes) -> None:
        self.line.take([Message(topic=topics.gateway_topic("cabinet", kind), payload=payload)])


@pytest.fixture
def city(database: Database, tmp_path: Path) -> City:
    return City(database, tmp_path)


def test_all_that_was_due_came_and_what_came_an_hour_later_was_late(city: City) -> None:
    city.born()
    for _ in range(3):
        city.hour()
    found = city.report(3)
    assert found.total == Part(due=180, arrived=180)
    assert found.late == 3 * 58  # a minute for the way, and its period
    assert [day.day for day in found.days] == ["2026-09-21"]


def test_what_is_computed_is_due_at_its_own_period(city: City) -> None:
    computed = ("noise_laeq.20min", "valid_rate.noise_la_20min")
    city.born(measurements=("noise_laeq", *computed))
    for _ in range(3):
        city.hour(computed=computed)
    assert city.report(3).total == Part(due=180 + 2 * 9, arrived=180 + 2 * 9)


def test_of_a_silent_device_nothing_is_computed(city: City) -> None:
    computed = ("noise_laeq.20min",)
    city.born(measurements=("noise_laeq", *computed))
    city.hour(computed=computed)
    city.hour(silent=60, computed=computed)
    city.hour(computed=computed)
    assert city.report(3).total == Part(due=180 + 9, arrived=120 + 6, missing=60 + 3, silent=60 + 3)


def test_what_is_missing_says_why(city: City) -> None:
    city.born()
    city.hour()
    city.hour(silent=12)
    city.state(online=False)
    city.hour(readings=20)
    city.state(online=True)
    lost = Gap(
        first_seq=4,
        last_seq=4,
        first_ms=START_MS + 3 * HOUR_MS,
        last_ms=START_MS + 4 * HOUR_MS - 1,
        readings=40,
        reason="disk full",
    )
    city.hour(readings=20, skip=1, gaps=(lost,))
    city.hour(readings=30)
    found = city.report(5)
    assert found.total == Part(
        due=300, arrived=178, missing=122, silent=12, offline=40, given_up=40, unexplained=30
    )
    assert [loss.reason for loss in found.losses] == ["disk full"]


def test_a_hole_in_the_numbers_is_on_its_way(city: City) -> None:
    city.born()
    city.hour()
    city.hour()
    city.clock.advance_ms(HOUR_MS)
    city.hour(skip=1)
    assert city.report(4).total == Part(due=240, arrived=180, missing=60, hole=60)


def test_a_changed_period_counts_from_when_it_changed(city: City) -> None:
    city.born()
    city.hour()
    city.born(period_s=600)
    city.born(period_s=600)
    city.hour(readings=0)
    assert city.report(2).total.due == 60 + 6
    with city.database.read() as connection:
        told = connection.execute(sa.select(schema.device_periods.c.period_s)).scalars().all()
    assert told == [60.0, 600.0]


def test_days_are_local_ones(city: City) -> None:
    city.born()
    city.clock.advance_ms(30 * HOUR_MS)
    days = city.report(30).days
    assert [(day.day, day.part.due) for day in days] == [("2026-09-21", 1440), ("2026-09-22", 360)]
    assert midnight_ms(START_MS + 5, ZONE) == START_MS
    assert midnight_ms(START_MS, ZONE, 1) == START_MS - 24 * HOUR_MS
    berlin = ZoneInfo("Europe/Berlin")
    spring = parse_iso("2026-03-29T00:00:00+01:00")
    (day, *_) = local_days(spring, spring + 48 * HOUR_MS, berlin)
    assert day == ("2026-03-29", spring, spring + 23 * HOUR_MS)


def test_what_cannot_be_asked_is_refused(city: City) -> None:
    with pytest.raises(NotFoundError, match="noise-1"):
        city.report()
    city.born()
    with pytest.raises(InvalidError, match="92 days"):
        city.report(93 * 24)


def test_the_command_tells_it_by_device_and_by_day(city: City) -> None:
    city.born()
    city.hour(silent=2)
    city.report()
    config = str(city.folder / "cloud.yaml")
    begin, end = "2026-09-21T00:00:00+08:00", "2026-09-21T01:00:00+08:00"
    app = typer.Typer()
    app.command()(completeness)
    words = [config, "--from", begin, "--to", end]
    shown = CliRunner().invoke(app, words)
    assert shown.stdout.splitlines()[1].split() == [
        "noise-1", "60", "58", "58", "2", "2", "silent"
    ]  # fmt: skip
    shown = CliRunner().invoke(app, [*words, "--device", "noise-1"])
    assert shown.stdout.splitlines()[1].startswith("2026-09-21")
    shown = CliRunner().invoke(app, [*words, "--json"])
    (found,) = json.loads(shown.stdout.splitlines()[-1])["devices"]
    assert (found["total"]["due"], found["days"][0]["silent"]) == (60, 2)


def test_what_is_kept_for_it_is_bounded(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_STATES", 5)
    monkeypatch.setattr(history, "MOST_PERIODS", 3)
    with database.write() as connection:
        kept = History.load(connection)
        for n in range(20):
            kept.state(connection, "cabinet", n % 2 == 0, START_MS + n)
            told = DeviceBirth(
                id="noise-1", kind="noise", profile="", period_s=n + 1, measurements=()
            )
            kept.born(connection, [told, told], START_MS + n)
        kept.state(connection, "old", True, 5)
        kept.tidy(connection, START_MS)
        states = connection.execute(sa.select(schema.gateway_states)).all()
        periods = connection.execute(sa.select(schema.device_periods)).all()
    assert [row.at_ms for row in states] == [*range(START_MS + 15, START_MS + 20), 5]
    assert [row.period_s for row in periods] == [18.0, 19.0, 20.0]
