"""The cloud's line on a real database: what a message leads to, and what a failure leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud import pipeline
from cloud.core.checks import NoData
from cloud.core.model import Severity
from cloud.core.rules import Direction, Mark, Rule, RuleSet
from cloud.pipeline import Line, Message, Taken
from cloud.series import hot
from cloud.state import schema
from cloud.state.database import Database
from cloud.state.registry import move
from cloud.state.upsert import count
from contract import codec, messages, topics
from contract.clock import ManualClock
from contract.errors import ConfigError, StorageError
from contract.messages import Ack, Birth, DeviceBirth, State
from contract.quality import Quality
from contract.readings import Batch, Gap, Reading

EPOCH = "0123abcd"
ZONE = ZoneInfo("Asia/Shanghai")
RULES = RuleSet(
    rules=(
        Rule(
            id="gas.high",
            version="1",
            title_zh="燃气压力高",
            title_en="gas pressure high",
            kinds=("gas",),
            measurements=("gas_pressure",),
            direction=Direction.ABOVE,
            limit=3.0,
            unit="kPa",
            deadband=0.1,
            on_delay_s=2,
            off_delay_s=2,
            severity=Severity.HIGH,
            category="04-03",
            source="a test",
            mark=Mark.JUDGEMENT,
            effective=date(2020, 1, 1),
        ),
    ),
    fingerprint="test",
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def line(database: Database, clock: ManualClock) -> Line:
    """One whose cabinet has told of its device."""
    born = new_line(database, clock)
    born.take([birth()])
    return born


def new_line(database: Database, clock: ManualClock) -> Line:
    return Line(database, RULES, ZONE, clock)


def birth(gateway: str = "cabinet", device: str = "gas-1") -> Message:
    told = DeviceBirth(id=device, kind="gas", profile="gas/x", period_s=1, measurements=())
    return Message(
        topic=topics.gateway_topic(gateway, "birth"),
        payload=messages.encode(
            Birth(
                gateway=gateway, agent_version="1", config_version="1", born_ms=1, devices=(told,)
            )
        ),
    )


def batch(
    clock: ManualClock,
    seq: int,
    *values: float,
    gateway: str = "cabinet",
    device: str = "gas-1",
    gaps: tuple[Gap, ...] = (),
) -> Message:
    """One reading a second, the last one now."""
    now_ms = clock.now_ms()
    readings = tuple(
        Reading(device, "gas_pressure", now_ms - 1000 * (len(values) - 1 - at), value)
        for at, value in enumerate(values)
    )
    return Message(
        topic=topics.gateway_topic(gateway, "data"),
        payload=codec.encode_batch(Batch(epoch=EPOCH, seq=seq, readings=readings, gaps=gaps)),
    )


def rows(database: Database, table: sa.Table) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(sa.select(table)))


def counted(database: Database) -> dict[str, int]:
    return {row.name: row.value for row in rows(database, schema.counters)}


def test_a_batch_is_committed_and_acknowledged(
    line: Line, database: Database, clock: ManualClock
) -> None:
    taken = line.take([birth(), batch(clock, 1, 2.0, 2.1)])
    assert taken == Taken(
        acks=(("cabinet", Ack(epoch=EPOCH, seq=1)),), readings=2, duplicates=0, rejected=0, alerts=0
    )
    assert [row.readings for row in rows(database, schema.blocks)] == [2]
    assert counted(database) == {"batches_stored": 1, "readings_stored": 2}


def test_a_redelivered_batch_is_acknowledged_again_and_not_stored(
    line: Line, database: Database, clock: ManualClock
) -> None:
    again = batch(clock, 1, 2.0)
    line.take([again])
    assert line.take([again, again]).acks == (("cabinet", Ack(epoch=EPOCH, seq=1)),)
    assert counted(database)["readings_stored"] == 1
    assert counted(database)["batches_duplicate"] == 2


def test_new_batches_before_old_ones_are_both_stored(
    line: Line, database: Database, clock: ManualClock
) -> None:
    """As NATS delivers them after a hand-over."""
    late = batch(clock, 1, 2.0)
    clock.advance_ms(1000)
    assert line.take([batch(clock, 2, 2.0)]).acks[0][1] == Ack(epoch=EPOCH, seq=0, ranges=((2, 2),))
    assert line.take([late]).acks[0][1] == Ack(epoch=EPOCH, seq=2)
    assert counted(database)["readings_stored"] == 2


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_in_any_order_and_however_often_each_reading_is_stored_once(
    database: Database, clock: ManualClock, data: st.DataObject
) -> None:
    """Shuffled, doubled, cut into commits anywhere, with restarts between them, and births between
    or only at the end."""
    with database.write() as connection:
        for table in reversed(schema.metadata.sorted_tables):
            connection.execute(table.delete())
    sent = [
        (gateway, seq, batch(clock, seq, 2.0, 2.1, gateway=gateway, device=f"gas-{seq}-{gateway}"))
        for gateway in ("here", "there")
        for seq in range(1, 7)
    ]
    births = [birth(gateway, f"gas-{seq}-{gateway}") for gateway, seq, _ in sent]
    arriving = data.draw(st.permutations(sent + data.draw(st.lists(st.sampled_from(sent)))))
    line = new_line(database, clock)
    while arriving:
        size = data.draw(st.integers(1, 6))
        if data.draw(st.booleans()):
            line = new_line(database, clock)
        acks = line.take([message for _, _, message in arriving[:size]]).acks
        told = dict(acks)
        assert all(told[gateway].covers(seq) for gateway, seq, _ in arriving[:size])
        arriving = arriving[size:]
        if data.draw(st.booleans()):
            line.take(births[:6])
    line.take(births)
    blocks = [hot.decode(row.data) for row in rows(database, schema.blocks)]
    keys = [key for b in blocks for key in zip(b.series, b.observed_ms, strict=True)]
    assert len(keys) == len(set(keys)) == 24
    assert {
        (r.gateway, r.first_seq, r.last_seq) for r in rows(database, schema.epoch_intervals)
    } == {
        ("here", 1, 6),
        ("there", 1, 6),
    }


def test_what_was_known_is_known_after_a_restart(
    line: Line, database: Database, clock: ManualClock
) -> None:
    message = batch(clock, 1, 2.0)
    line.take([birth(), message])
    assert new_line(database, clock).take([message]).duplicates == 1


def test_a_gap_closes_its_hole(line: Line, database: Database, clock: ManualClock) -> None:
    gap = Gap(first_seq=1, last_seq=4, first_ms=1, last_ms=2, readings=9, reason="disk full")
    assert line.take([batch(clock, 5, gaps=(gap,))]).acks[0][1] == Ack(epoch=EPOCH, seq=5)
    assert [row.reason for row in rows(database, schema.gaps)] == ["disk full"]


def test_a_reading_beyond_its_limit_becomes_an_alert_and_an_outbox_row(
    line: Line, database: Database, clock: ManualClock
) -> None:
    assert line.take([birth(), batch(clock, 1, 3.5, 3.5, 3.5)]).alerts == 1
    (alert,) = rows(database, schema.alerts)
    assert (alert.rule, alert.state, alert.began_ms) == ("gas.high", "UNACK", clock.now_ms() - 2000)
    assert [row.topic for row in rows(database, schema.outbox)] == ["alert.raised"]


@pytest.mark.parametrize("snapshot", [True, False])
def test_a_condition_goes_on_across_a_restart(
    line: Line, database: Database, clock: ManualClock, snapshot: bool
) -> None:
    line.take([birth(), batch(clock, 1, 3.5)])
    if snapshot:
        line.save()
    clock.advance_ms(1000)
    line = new_line(database, clock)
    line.take([batch(clock, 2, 3.5)])
    line = new_line(database, clock)
    clock.advance_ms(1000)
    assert line.take([batch(clock, 3, 3.5)]).alerts == 1
    line = new_line(database, clock)
    clock.advance_ms(3000)
    line.take([batch(clock, 4, 2.0, 2.0, 2.0)])
    (alert,) = rows(database, schema.alerts)
    assert (alert.began_ms, alert.state) == (clock.now_ms() - 5000, "RTNUN")


def test_an_alert_whose_rule_is_gone_is_closed(
    line: Line, database: Database, clock: ManualClock
) -> None:
    line.take([birth(), batch(clock, 1, 3.5, 3.5, 3.5)])
    Line(database, RuleSet(rules=(), fingerprint="none"), ZONE, clock)
    assert [row.state for row in rows(database, schema.alerts)] == ["NORM"]


def test_a_reading_from_the_future_is_stored_and_believed_by_no_rule(
    line: Line, database: Database, clock: ManualClock
) -> None:
    ahead = ManualClock(clock.now_ms() + 3_600_000)
    line.take([birth(), batch(ahead, 1, 3.5, 3.5, 3.5)])
    assert line.take([batch(clock, 2, 3.5, 3.5, 3.5)]).alerts == 1
    assert counted(database)["readings_stored"] == 6
    assert new_line(database, clock).take([]).alerts == 0


def test_a_birth_claims_a_device_that_only_data_had_named(
    database: Database, clock: ManualClock
) -> None:
    """Somebody else's readings must not lock the owner out."""
    line = new_line(database, clock)
    line.take([batch(clock, 1, 2.0, gateway="rogue")])
    line.take([birth()])
    assert line.take([batch(clock, 1, 2.0)]).rejected == 0
    assert line.take([batch(clock, 2, 2.0, gateway="rogue")]).rejected == 1


def test_a_device_that_was_moved_belongs_to_its_new_gateway(
    line: Line, database: Database, clock: ManualClock
) -> None:
    line.take([birth()])
    with database.write() as connection:
        assert move(connection, "gas-1", "new") == "cabinet"
    line.take([birth(), birth("new")])
    assert line.take([batch(clock, 1, 2.0, gateway="new")]).rejected == 0
    assert line.take([batch(clock, 1, 2.0)]).rejected == 1
    with database.write() as connection, pytest.raises(ConfigError, match="no device 'gas-9'"):
        move(connection, "gas-9", "new")


def test_a_name_that_went_in_before_is_refused_once_its_device_is_anothers(
    line: Line, database: Database, clock: ManualClock
) -> None:
    """What was accepted is remembered, but not longer than it is true."""
    for seq in (1, 2):
        clock.advance_ms(1000)
        assert line.take([batch(clock, seq, 2.0)]).readings == 1
    with database.write() as connection:
        move(connection, "gas-1", "new")
    line.take([birth("new")])
    clock.advance_ms(1000)
    taken = line.take([batch(clock, 3, 2.0)])
    assert (taken.readings, taken.rejected) == (0, 1)


def test_a_cloud_whose_clock_is_behind_refuses_nothing(
    line: Line, database: Database, clock: ManualClock
) -> None:
    ahead = ManualClock(clock.now_ms() + 30 * 86_400_000)
    assert line.take([birth(), batch(ahead, 1, 2.0)]).rejected == 0
    (block,) = rows(database, schema.blocks)
    assert hot.decode(block.data).quality.tolist() == [Quality.CLOCK_UNSURE]


def test_a_clock_that_is_set_back_does_not_stop_the_snapshots(
    line: Line, database: Database, clock: ManualClock
) -> None:
    line.take([batch(clock, 1, 2.0)])
    clock.set_now_ms(clock.now_ms() - 3_600_000)
    clock.advance_ms(round(pipeline.SNAPSHOT_EVERY_S * 1000))
    line.take([batch(clock, 2, 2.0)])
    (saved,) = rows(database, schema.engine_snapshot)
    assert saved.block == rows(database, schema.blocks)[-1].id


def hostile(kind: str, **said: object) -> Message:
    return Message(topic=topics.gateway_topic("cabinet", kind), payload=json.dumps(said).encode())


WORDS = {"gateway": "cabinet", "agent_version": "1", "config_version": "1"}
DEVICE = {"id": "gas-1", "kind": "gas", "profile": "x", "period_s": 1, "measurements": []}


@pytest.mark.parametrize(
    "message",
    [
        hostile("birth", **WORDS, born_ms=2**64, devices=[]),
        hostile("birth", **WORDS, born_ms=1, devices=[DEVICE | {"period_s": 1e300}]),
        hostile("birth", **WORDS, born_ms=1, devices=[DEVICE | {"period_s": -5}]),
        hostile("birth", **WORDS, born_ms=1, devices=[DEVICE | {"id": "x" * 1000}]),
        hostile("birth", **WORDS, born_ms=1, devices=[DEVICE | {"id": "a\x00b"}]),
        hostile("birth", **WORDS, born_ms=1, devices=[DEVICE | {"tags": {"a": "b" * 9999}}]),
        hostile("birth", **WORDS, born_ms=1, devices=[DEVICE] * 10_001),
        hostile("state", online=True, at_ms=2**70),
        hostile("state", online=True, at_ms=1, problems=["x" * 9999]),
        Message(topic=topics.gateway_topic("cabinet", "birth"), payload=b"[" * 200_000),
        Message(topic="(not UTF-8)", payload=b""),
        Message(
            topic=topics.gateway_topic("cabinet", "data"),
            payload=b'[{"epoch":"0123abcd","seq":5,"gaps":[{"first_seq":1,"last_seq":2,'
            b'"first_ms":9223372036854775808,"last_ms":1,"readings":1,"reason":"x"}]}]',
        ),
    ],
)
def test_a_hostile_message_is_quarantined_and_its_neighbours_are_stored(
    line: Line, database: Database, clock: ManualClock, message: Message
) -> None:
    taken = line.take([batch(clock, 1, 2.0), message, batch(clock, 2, 2.0)])
    assert (taken.readings, taken.rejected) == (2, 1)


def test_many_holes_do_not_make_a_long_acknowledgement(line: Line, clock: ManualClock) -> None:
    for seq in range(3, 1003, 2):
        (ack,) = line.take([batch(clock, seq, 2.0)]).acks
    assert ack[1].covers(1001)
    assert len(ack[1].ranges) <= messages.MAX_RANGES


BAD = [
    b"\xff\x00",
    b"{}",
    codec.ZSTD_MAGIC + b"x",
    b" " * (codec.MAX_WIRE_BYTES + 1),
    b'[{"epoch":"0123abcd"}]',
]


@pytest.mark.parametrize("payload", BAD, ids=lambda payload: repr(payload[:20]))
def test_a_malformed_batch_is_quarantined_and_its_neighbours_are_stored(
    line: Line, database: Database, clock: ManualClock, payload: bytes
) -> None:
    bad = Message(topic=topics.gateway_topic("cabinet", "data"), payload=payload)
    taken = line.take([batch(clock, 1, 2.0), bad, batch(clock, 2, 2.0)])
    assert (taken.readings, taken.rejected) == (2, 1)
    (kept,) = rows(database, schema.quarantine)
    assert (kept.gateway, kept.record, kept.sample) == ("cabinet", None, payload[:512])
    assert kept.reason


def test_a_bad_record_is_quarantined_by_name_and_the_batch_acknowledged(
    line: Line, database: Database, clock: ManualClock
) -> None:
    payload = (
        b'[{"bn":"gas-1:","bt":%d,"epoch":"0123abcd","seq":1,"n":"gas_pressure","v":2},'
        b'{"n":"gas_presure","v":3},{"n":"gas_pressure","t":1,"v":2.5}]'
        % (clock.now_ms() // 1000 - 5)
    )
    taken = line.take([Message(topic=topics.gateway_topic("cabinet", "data"), payload=payload)])
    assert (taken.readings, taken.rejected, taken.acks[0][1].seq) == (2, 1, 1)
    (kept,) = rows(database, schema.quarantine)
    assert (kept.name, kept.record) == ("gas-1:gas_presure", 1)
    assert "unknown quantity" in kept.reason


def test_another_gateways_device_is_refused_and_audited(
    line: Line, database: Database, clock: ManualClock
) -> None:
    line.take([birth()])
    taken = line.take([birth("thief"), batch(clock, 1, 2.0, gateway="thief")])
    assert (taken.readings, taken.rejected) == (0, 1)
    assert [row.gateway for row in rows(database, schema.devices)] == ["cabinet"]
    assert {(row.who, row.action, row.subject) for row in rows(database, schema.audit)} == {
        ("thief", "device.refused", "gas-1"),
        ("thief", "reading.refused", "gas-1"),
    }


@pytest.mark.parametrize(
    "message",
    [
        Message(topic="gw/v1/99/cabinet/data", payload=b""),
        Message(topic="elsewhere", payload=b""),
        Message(topic=topics.gateway_topic("cabinet", "state"), payload=b'{"online":"yes"}'),
        Message(topic=topics.gateway_topic("other", "birth"), payload=birth("cabinet").payload),
    ],
)
def test_what_is_no_message_of_ours_is_quarantined(
    line: Line, database: Database, message: Message
) -> None:
    assert line.take([message]).rejected == 1
    assert len(rows(database, schema.quarantine)) == 1


def test_a_gateways_state_is_written_down(line: Line, database: Database) -> None:
    state = State(online=False, at_ms=1)
    line.take(
        [Message(topic=topics.gateway_topic("cabinet", "state"), payload=messages.encode(state))]
    )
    assert [row.online for row in rows(database, schema.gateways)] == [False]


def test_a_failed_commit_leaves_nothing_and_a_fresh_line_takes_it_all(
    line: Line, database: Database, clock: ManualClock
) -> None:
    """The disk fails in the middle of the transaction: a trigger refuses the counters."""
    with database.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON counters"
            " BEGIN SELECT RAISE(FAIL, 'disk full'); END"
        )
    received = [birth(), batch(clock, 1, 3.5, 3.5, 3.5)]
    with pytest.raises((StorageError, sa.exc.IntegrityError), match="disk full"):
        line.take(received)
    assert rows(database, schema.blocks) == rows(database, schema.alerts) == []
    with database.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER full")
    taken = new_line(database, clock).take(received)
    assert (taken.readings, taken.alerts) == (3, 1)


def test_the_snapshot_follows(line: Line, database: Database, clock: ManualClock) -> None:
    for seq in range(1, 4):
        line.take([batch(clock, seq, 2.0)])
        clock.advance_ms(round(pipeline.SNAPSHOT_EVERY_S * 1000))
    (saved,) = rows(database, schema.engine_snapshot)
    assert saved.block == rows(database, schema.blocks)[-1].id
    with database.write() as connection:
        count(connection, {"x": 1})
    assert counted(database)["x"] == 1


SILENCE = RuleSet(
    rules=(
        replace(
            RULES.rules[0],
            id="gas.silent",
            check=NoData(periods=5.0, at_least_s=5.0),
            limit=0.5,
            deadband=0.0,
            on_delay_s=0.0,
            off_delay_s=0.0,
        ),
    ),
    fingerprint="silence",
)


def test_silence_is_alerted_of_without_any_message(database: Database, clock: ManualClock) -> None:
    """The time is that at which data was missed, whenever that is found out."""
    line = Line(database, SILENCE, ZONE, clock)
    line.take([birth(), batch(clock, 1, 2.0)])
    heard_ms = clock.now_ms()
    clock.advance_ms(59_000)  # a start: what has waited may still come in
    assert line.is_settled()
    assert line.take([]).alerts == 0
    clock.advance_ms(1_000)
    assert not line.is_settled()
    assert line.take([]).alerts == 1
    clock.advance_ms(5_000)
    assert line.take([]).alerts == 0
    with database.read() as connection:
        (alert,) = connection.execute(sa.select(schema.alerts)).all()
    assert 0 < alert.observed_ms - heard_ms < 10_000
    again = Line(database, SILENCE, ZONE, clock)  # a restart changes nothing
    clock.advance_ms(61_000)
    assert again.take([]).alerts == 0
    assert again.take([batch(clock, 2, 2.0)]).alerts == 1
    with database.read() as connection:
        assert connection.scalar(sa.select(schema.alerts.c.state)) == "RTNUN"
