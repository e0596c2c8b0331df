"""Devices that nobody has adopted: what they say waits, bounded, and goes in once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from cloud import adoption, inbox_cli
from cloud.core.rules import RuleSet
from cloud.core.waiting import Adopt, Bounds
from cloud.errors import ConflictError, InvalidError, NotFoundError
from cloud.pipeline import Line, Message
from cloud.series import hot
from cloud.state import schema
from cloud.state.database import Database
from contract import codec, messages, topics
from contract.clock import ManualClock
from contract.messages import Birth, DeviceBirth
from contract.readings import Batch, Reading

EPOCH = "0123abcd"
RULES = RuleSet(rules=(), fingerprint="")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def line(database: Database, clock: ManualClock) -> Line:
    return new_line(database, clock)


def new_line(database: Database, clock: ManualClock, bounds: Bounds | None = None) -> Line:
    return Line(database, RULES, ZoneInfo("Asia/Shanghai"), clock, bounds or Bounds())


def birth(*devices: str, gateway: str = "cabinet") -> Message:
    told = tuple(
        DeviceBirth(
            id=device, kind="noise", profile="noise/x", period_s=1, measurements=("noise_laeq",)
        )
        for device in devices
    )
    said = Birth(gateway=gateway, agent_version="1", config_version="1", born_ms=1, devices=told)
    return Message(topic=topics.gateway_topic(gateway, "birth"), payload=messages.encode(said))


def batch(clock: ManualClock, seq: int, *devices: str, gateway: str = "cabinet") -> Message:
    readings = tuple(Reading(d, "noise_laeq", clock.now_ms() + seq, 60.0) for d in devices)
    return Message(
        topic=topics.gateway_topic(gateway, "data"),
        payload=codec.encode_batch(Batch(epoch=EPOCH, seq=seq, readings=readings)),
    )


def own(device: str, *records: dict[str, object]) -> Message:
    return Message(topic=topics.device_topic(device), payload=json.dumps(records).encode())


def at(clock: ManualClock, after_s: float = 0.0, value: float = 60.0) -> dict[str, object]:
    return {"n": "noise_laeq", "t": clock.now_ms() / 1000 + after_s, "v": value}


def rows(database: Database, table: sa.Table) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(sa.select(table)))


def stored(database: Database) -> int:
    return sum(len(hot.decode(row.data)) for row in rows(database, schema.blocks))


def counted(database: Database) -> dict[str, int]:
    return {row.name: row.value for row in rows(database, schema.counters)}


def adopt(database: Database, device: str, **said: Any) -> None:
    with database.write() as connection:
        adoption.adopt(connection, device, by="op", now_ms=1, **said)


def refuse(database: Database, device: str) -> None:
    with database.write() as connection:
        adoption.refuse(connection, device, by="op", now_ms=1)


def settle(line: Line, clock: ManualClock) -> None:
    clock.advance_ms(1000)
    assert not line.is_settled()
    line.take([])
    assert line.is_settled()


def test_readings_before_a_birth_wait_and_go_in_with_it(
    line: Line, database: Database, clock: ManualClock
) -> None:
    taken = line.take([batch(clock, 1, "noise-1", "noise-2")])
    assert (taken.readings, taken.rejected, taken.acks[0][1].seq) == (0, 0, 1)
    line = new_line(database, clock)
    assert line.take([birth("noise-1")]).readings == 1
    (left,) = rows(database, schema.inbox)
    assert (left.device, left.sender, left.readings) == ("noise-2", "cabinet", 1)
    assert counted(database)["readings_waiting"] == 2
    assert counted(database)["readings_adopted"] == 1


def test_a_redelivered_batch_does_not_wait_twice(
    line: Line, database: Database, clock: ManualClock
) -> None:
    line.take([batch(clock, 1, "noise-1")] * 2)
    new_line(database, clock).take([batch(clock, 1, "noise-1")])
    assert [row.readings for row in rows(database, schema.inbox)] == [1]


def test_adopted_by_a_person_it_goes_in_once_and_speaks_from_then_on(
    line: Line, database: Database, clock: ManualClock
) -> None:
    line.take([batch(clock, 1, "noise-1")])
    adopt(database, "noise-1", name="文化路", period_s=1.0)
    settle(line, clock)
    assert (stored(database), rows(database, schema.inbox)) == (1, [])
    assert line.take([batch(clock, 2, "noise-1")]).readings == 1
    (device,) = rows(database, schema.devices)
    assert (device.gateway, device.kind, device.name) == ("cabinet", "noise", "文化路")
    assert [row.action for row in rows(database, schema.audit)] == ["device.adopted"]


def test_refused_it_stays_refused_and_its_readings_are_gone(
    line: Line, database: Database, clock: ManualClock
) -> None:
    line.take([batch(clock, 1, "noise-1")])
    refuse(database, "noise-1")
    settle(line, clock)
    for seq in (2, 3):
        assert line.take([batch(clock, seq, "noise-1")]).rejected == 1
    again = new_line(database, clock)
    again.take([birth("noise-1")])
    assert again.take([batch(clock, 4, "noise-1")]).rejected == 1
    assert (stored(database), rows(database, schema.inbox_readings)) == (0, [])
    told = {(row.who, row.action): row.times for row in rows(database, schema.audit)}
    assert told == {
        ("op", "device.refused"): 1,
        ("cabinet", "reading.refused"): 3,
        ("cabinet", "device.refused"): 1,
    }
    adopt(database, "noise-1")
    settle(again, clock)
    assert again.take([batch(clock, 5, "noise-1")]).readings == 1


def test_a_decision_that_cannot_be_is_refused_with_what_can(
    line: Line, database: Database, clock: ManualClock
) -> None:
    line.take([batch(clock, 1, "noise-1"), batch(clock, 1, "noise-1", gateway="other")])
    with pytest.raises(NotFoundError, match="noise-9"):
        adopt(database, "noise-9")
    with pytest.raises(InvalidError, match="cabinet, other"):
        adopt(database, "noise-1")
    with pytest.raises(InvalidError, match="kind"):
        adopt(database, "noise-1", sender="cabinet", kind="tree")
    adopt(database, "noise-1", sender="other")
    with pytest.raises(ConflictError, match="adopting"):
        adopt(database, "noise-1", sender="other")
    settle(line, clock)
    assert line.take([batch(clock, 2, "noise-1")]).rejected == 1  # of cabinet, which has it not
    assert stored(database) == 1


def test_what_was_decided_outlives_what_is_said_meanwhile(
    line: Line, database: Database, clock: ManualClock
) -> None:
    line.take([batch(clock, 1, "noise-1")])
    adopt(database, "noise-1", name="文化路")
    line.take([batch(clock, 2, "noise-1")])  # within the second in which nobody looks
    settle(line, clock)
    assert stored(database) == 2
    assert [row.name for row in rows(database, schema.devices)] == ["文化路"]


def test_with_nobody_to_adopt_even_a_birth_waits_and_is_taken_at_its_word(
    database: Database, clock: ManualClock
) -> None:
    line = new_line(database, clock, Bounds(adopt=Adopt.NOBODY))
    line.take([birth("noise-1"), batch(clock, 1, "noise-1")])
    assert (stored(database), rows(database, schema.devices)) == (0, [])
    adopt(database, "noise-1")
    settle(line, clock)
    assert stored(database) == 1
    assert [row.profile for row in rows(database, schema.devices)] == ["noise/x"]
    line.take([birth("noise-1")])
    assert line.take([batch(clock, 2, "noise-1")]).readings == 1


def test_a_device_speaks_for_itself_once_it_is_adopted(
    line: Line, database: Database, clock: ManualClock
) -> None:
    said = own("noise-1", at(clock))
    line.take([said, said])
    adopt(database, "noise-1", period_s=60.0)
    settle(line, clock)
    line.take([said])
    line = new_line(database, clock)
    assert line.take([said, own("noise-1", at(clock, 1))]).readings == 1
    assert stored(database) == 2
    assert counted(database)["readings_duplicate"] == 3
    assert [row.gateway for row in rows(database, schema.devices)] == [""]


def test_another_value_of_the_same_moment_is_rejected_with_the_reason(
    line: Line, database: Database, clock: ManualClock
) -> None:
    line.take([own("noise-1", at(clock))])
    adopt(database, "noise-1")
    settle(line, clock)
    said = at(ManualClock(clock.now_ms() - 1000), value=61.0)
    taken = line.take([own("noise-1", said, at(clock, 5))])
    assert (taken.readings, taken.rejected) == (1, 1)
    (kept,) = rows(database, schema.quarantine)
    assert kept.reason.startswith("value 61.0, but 60.0 is stored for 2026")


def test_a_device_may_speak_only_for_itself(
    line: Line, database: Database, clock: ManualClock
) -> None:
    line.take([birth("noise-2"), own("noise-1", at(clock))])
    adopt(database, "noise-1")
    settle(line, clock)
    of_other = {"bn": "noise-2:", **at(clock)}
    taken = line.take(
        [own("noise-1", of_other, {"bn": "", **at(clock)}), own("noise-2", at(clock))]
    )
    assert (taken.readings, taken.rejected) == (1, 2)
    reasons = {(row.name, row.reason) for row in rows(database, schema.quarantine)}
    assert reasons == {
        ("noise-2:noise_laeq", "device noise-1 may speak only for itself"),
        ("noise-2:noise_laeq", "device noise-2 belongs to gateway cabinet"),
    }


def test_a_gateway_may_not_speak_for_a_device_that_speaks_for_itself(
    line: Line, database: Database, clock: ManualClock
) -> None:
    line.take([own("noise-1", at(clock))])
    adopt(database, "noise-1")
    settle(line, clock)
    line.take([birth("noise-1")])
    assert line.take([batch(clock, 1, "noise-1")]).rejected == 1
    (kept,) = rows(database, schema.quarantine)
    assert kept.reason == "device noise-1 speaks for itself"


def test_times_count_from_now_where_they_are_missing_or_small(
    line: Line, database: Database, clock: ManualClock
) -> None:
    """RFC 8428 §4.5.3: below 2**28 s they are relative to when it came."""
    line.take([own("noise-1", at(clock))])
    adopt(database, "noise-1")
    settle(line, clock)
    line.take([own("noise-1", {"n": "noise_la", "v": 1}, {"n": "noise_la", "t": -30, "v": 2})])
    block = hot.decode(rows(database, schema.blocks)[-1].data)
    assert sorted(block.observed_ms - clock.now_ms()) == [-30_000, 0]


def test_what_waits_is_bounded(database: Database, clock: ManualClock) -> None:
    bounds = Bounds(
        waiting_devices=4,
        waiting_devices_of_sender=3,
        waiting_readings=10,
        waiting_readings_of_device=6,
    )
    line = new_line(database, clock, bounds)
    taken = line.take([batch(clock, 1, *(f"noise-{n}" for n in range(1, 6)))])
    assert (len(rows(database, schema.inbox)), taken.rejected) == (3, 2)
    taken = line.take([batch(clock, 1, "a-1", "a-2", gateway="other")])
    assert taken.rejected == 1
    for seq in range(2, 12):
        line.take([batch(clock, seq, "noise-1"), batch(clock, seq, "a-1", gateway="other")])
    waiting = {row.device: (row.readings, row.dropped) for row in rows(database, schema.inbox)}
    assert sum(readings for readings, _ in waiting.values()) <= 10
    assert sum(lost for _, lost in waiting.values()) == counted(database)["readings_dropped"] == 14
    held = sum(row.readings for row in rows(database, schema.inbox_readings))
    assert held == sum(readings for readings, _ in waiting.values())
    again = new_line(database, clock, bounds)
    again.take([birth("noise-1")])
    assert 0 < stored(database) <= 6
    reasons = {row.reason for row in rows(database, schema.quarantine)}
    assert reasons == {
        "unknown device, and 3 of cabinet wait already",
        "unknown device, and the inbox is full: 4 wait",
    }


def test_what_waits_too_long_is_forgotten(database: Database, clock: ManualClock) -> None:
    line = new_line(database, clock, Bounds(waiting_days=2))
    line.take([batch(clock, 1, "noise-1")])
    clock.advance_ms(86_400_000)
    line.take([batch(clock, 2, "noise-2")])
    clock.advance_ms(86_400_000 + 1000)
    line.take([])
    assert [row.device for row in rows(database, schema.inbox)] == ["noise-2"]
    assert counted(database)["readings_dropped"] == 1


def test_series_and_devices_of_a_gateway_are_bounded(
    database: Database, clock: ManualClock
) -> None:
    line = new_line(database, clock, Bounds(devices=2, series=3))
    line.take([birth("noise-1", "noise-2", "noise-3")])
    assert [row.id for row in rows(database, schema.devices)] == ["noise-1", "noise-2"]
    names = [f"noise_laeq.c{n}" for n in range(10)]
    readings = tuple(Reading("noise-1", name, clock.now_ms(), 60.0) for name in names)
    payload = codec.encode_batch(Batch(epoch=EPOCH, seq=1, readings=readings))
    message = Message(topic=topics.gateway_topic("cabinet", "data"), payload=payload)
    taken = line.take([message])
    assert (taken.readings, taken.rejected) == (3, 7)
    again = new_line(database, clock, Bounds(devices=2, series=3))
    assert again.take([batch(clock, 2, "noise-2")]).rejected == 1
    reasons = {row.reason for row in rows(database, schema.quarantine)}
    assert reasons == {"cabinet has 3 series, and may have no more"}


def test_the_same_refusal_is_counted_and_not_written_down_anew(
    line: Line, database: Database, clock: ManualClock
) -> None:
    line.take([birth("noise-1")])
    for seq in range(1, 51):
        line.take([batch(clock, seq, "noise-1", gateway="thief")])
        clock.advance_ms(60_000)
    (refusal,) = rows(database, schema.audit)
    assert (refusal.who, refusal.subject, refusal.times) == ("thief", "noise-1", 50)
    assert refusal.last_ms == clock.now_ms() - 60_000
    clock.advance_ms(86_400_000)
    line.take([batch(clock, 51, "noise-1", gateway="thief")])
    assert [row.times for row in rows(database, schema.audit)] == [50, 1]


def test_the_command_lists_adopts_and_refuses(
    line: Line, clock: ManualClock, database: Database, tmp_path: Path
) -> None:
    config = tmp_path / "cloud.yaml"
    config.write_text("data: .\nbroker: {host: h}\n")
    line.take([batch(clock, 1, "noise-1", "noise-2")])
    runner = CliRunner()
    listed = runner.invoke(inbox_cli.app, ["list", str(config)])
    assert "noise-1" in listed.stdout
    words = [str(config), "noise-1", "--name", "文化路", "--period-s", "5", "--gateway", "cabinet"]
    done = runner.invoke(inbox_cli.app, ["adopt", *words])
    assert done.stdout == "noise-1 is adopted; 1 readings that waited go into the store\n"
    assert runner.invoke(inbox_cli.app, ["refuse", str(config), "noise-2"]).exit_code == 0
    settle(line, clock)
    listed = runner.invoke(inbox_cli.app, ["list", str(config), "--json"])
    (left,) = json.loads(listed.stdout)["items"]
    assert (left["device"], left["state"]) == ("noise-2", "refused")
    (device,) = rows(database, schema.devices)
    assert (device.name, device.period_s) == ("文化路", 5.0)
