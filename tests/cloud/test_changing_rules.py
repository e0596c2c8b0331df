"""Rules change while intake runs: at a moment of event time, whole, whatever restarts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud import alerts, applying, rule_sets
from cloud.applying import Applied, Wanted
from cloud.core.checks import NoData, Rate, Stuck
from cloud.core.model import ConditionBegan, ConditionEnded, Severity
from cloud.core.rule_changes import Changed
from cloud.core.rules import Counted, Level, Rule, RuleSet
from cloud.errors import ConflictError, InvalidError, NotFoundError
from cloud.rule_sets import Origin, StoredSet
from cloud.standing_rules import StandingRules, local_date
from cloud.state import schema
from cloud.state.database import Database
from contract.errors import StorageError
from tests.cloud.core.rule_kit import T0_MS, make_rule
from tests.cloud.history_kit import ZONE, Street
from tests.cloud.test_hindsight import said

LOUD, PEAK = make_rule(), make_rule(id="peak", limit=80.0)
STRICT = make_rule(version="2", limit=50.0)


def ms(at_s: float) -> int:
    return T0_MS + round(1000 * at_s)


def apply(street: Street, *rules: Rule, at_s: float | None = None, note: str = "") -> Applied:
    """Have rules laid over those that are there."""
    at_ms = None if at_s is None else ms(at_s)
    wanted = Wanted(by="admin", rules=rules, at_ms=at_ms, note=note)
    with street.database.write() as connection:
        return applying.apply(connection, wanted, street.clock.now_ms(), ZONE)


def read_anew(street: Street, *rules: Rule, at_s: float | None = None) -> Applied:
    """Have the configuration's files, which say this now, take effect."""
    files = RuleSet(rules=rules, fingerprint="")
    wanted = Wanted(by="admin", files=files, at_ms=None if at_s is None else ms(at_s))
    with street.database.write() as connection:
        return applying.apply(connection, wanted, street.clock.now_ms(), ZONE)


def clock_to(street: Street, at_s: float) -> None:
    street.clock.advance_ms(ms(at_s) - street.clock.now_ms())


def found(street: Street) -> list[tuple[str, str, float, str]]:
    """Return of each alert (rule, version, seconds after T0, state)."""
    return [
        (row.rule, row.rule_version, (row.observed_ms - T0_MS) / 1000, row.state)
        for row in street.alerts()
    ]


def sets(street: Street) -> list[StoredSet]:
    with street.database.read() as connection:
        return rule_sets.listed(connection)


# --- what is recorded ---------------------------------------------------------------------------


def test_the_set_of_the_files_is_recorded_at_the_first_start(database: Database) -> None:
    street = Street(database, [LOUD, PEAK])
    (one,) = sets(street)
    assert (one.origin, one.effective_ms, one.taken_ms) == (Origin.FILES, *[ms(600)] * 2)
    street.restart()
    assert sets(street) == [one]
    with database.read() as connection:
        assert rule_sets.current(connection) == one
        assert rule_sets.rules_of(connection, one.number).rules == (LOUD, PEAK)
        assert rule_sets.history(connection).current.number == one.number
        assert rule_sets.newest(connection) == one.number
        version = rule_sets.version_of(connection, "loud", "1")
        assert (version.rule, version.first_set) == (LOUD, one.number)
        with pytest.raises(NotFoundError, match=r"no version '9'; it has 1"):
            rule_sets.version_of(connection, "loud", "9")
        with pytest.raises(NotFoundError, match="nor has there been one"):
            rule_sets.version_of(connection, "quiet", "1")
        with pytest.raises(NotFoundError, match="set of rules 99"):
            rule_sets.rules_of(connection, 99)


def test_a_set_that_cannot_be_read_is_said_to_be_so(database: Database) -> None:
    street = Street(database, [LOUD])
    with database.write() as connection:
        connection.execute(sa.update(schema.rule_sets).values(data=b"rust"))
    with pytest.raises(StorageError, match="the rules of set 1 cannot be read"):
        street.restart()


# --- at the moment ------------------------------------------------------------------------------


def test_readings_up_to_the_moment_by_the_old_set_from_it_by_the_new(database: Database) -> None:
    street = Street(database, [LOUD, PEAK])
    applied = apply(street, STRICT, at_s=630, note="square dance season")
    (change,) = applied.changes
    assert (change.rule, change.what) == ("loud", Changed.CHANGED)
    assert (change.before, change.after) == ("1", "2")
    clock_to(street, 660)
    street.say((610, 55), (629, 55), (630, 55), (650, 90))
    assert found(street) == [("loud", "2", 630, "UNACK"), ("peak", "1", 650, "UNACK")]
    assert [one.number for one in sets(street) if one.taken_ms] == [2, 1]
    street.look_back()
    assert len(found(street)) == 2


def test_a_changed_rules_alert_is_closed_and_the_new_one_names_its_version(
    database: Database,
) -> None:
    street = Street(database, [LOUD, PEAK])
    street.say((600, 90))
    apply(street, STRICT, at_s=630)
    clock_to(street, 631)
    street.say((620, 90), (631, 90))
    assert found(street) == [
        ("loud", "1", 600, "NORM"),
        ("peak", "1", 600, "UNACK"),
        ("loud", "2", 631, "UNACK"),
    ]
    closed = street.alerts()[0]
    assert (closed.returned_ms, closed.ended_ms) == (ms(630), ms(630))
    with database.read() as connection:
        history = alerts.get_alert(connection, closed.id).events
    assert [line.note for line in history][-2:] == ["the rule was changed: 1 → 2"] * 2
    assert street.told().count("alert.returned") == 1
    ended = [one for one in street.recorded() if isinstance(one, ConditionEnded)]
    assert [(one.rule, one.observed_ms) for one in ended] == [("loud", ms(630))]


def test_a_rule_that_is_withdrawn_closes_its_alerts_whatever_their_state(
    database: Database,
) -> None:
    street = Street(database, [LOUD, PEAK], "noise-1", "noise-2", "noise-3")
    for device in ("noise-1", "noise-2", "noise-3"):
        street.say((600, 90), device=device)
    street.say((605, 20), device="noise-2")
    acked = next(row for row in street.alerts() if row.device == "noise-3" and row.rule == "loud")
    with database.write() as connection:
        alerts.acknowledge(connection, acked.id, "op", street.clock.now_ms())
    read_anew(street, PEAK, at_s=610)
    clock_to(street, 611)
    assert not street.line.is_settled()
    street.clock.advance_ms(1000)
    street.line.take([])
    states = {(row.rule, row.device): row.state for row in street.alerts()}
    assert {state for (rule, _), state in states.items() if rule == "loud"} == {"NORM"}
    assert states["peak", "noise-1"] == "UNACK"
    with database.read() as connection:
        history = alerts.get_alert(connection, acked.id).events
    assert history[-1].note == "the rule was withdrawn"
    street.clock.advance_ms(2000)
    assert street.line.is_settled()


def test_what_nobody_hears_of_still_changes_rules(database: Database) -> None:
    """Without any message, within a second of being stored."""
    street = Street(database, [LOUD])
    street.say((600, 55))
    street.clock.advance_ms(2000)
    assert street.line.is_settled()
    apply(street, STRICT)
    street.clock.advance_ms(2000)
    assert not street.line.is_settled()
    street.line.take([])
    assert [one.number for one in sets(street) if one.taken_ms] == [1]
    street.clock.advance_ms(applying.SOON_MS)
    street.line.take([])
    assert [one.number for one in sets(street) if one.taken_ms] == [2, 1]


def test_silence_that_is_watched_goes_on_across_a_change(database: Database) -> None:
    silent = make_rule(id="silent", check=NoData(periods=10.0), limit=0.5)
    street = Street(database, [silent, LOUD])
    street.say((600, 50))
    clock_to(street, 665)
    street.line.take([])
    apply(street, STRICT, at_s=670)
    clock_to(street, 800)
    street.line.take([])
    assert found(street) == [("silent", "1", 700, "UNACK")]


def test_changes_of_several_moments_while_intake_was_away_are_taken_in_order(
    database: Database,
) -> None:
    street = Street(database, [LOUD])
    apply(street, STRICT, at_s=610)
    apply(street, make_rule(version="3", limit=70.0), at_s=620)
    clock_to(street, 700)
    street.restart()
    street.say((605, 65), (612, 55), (622, 65), (625, 75))
    street.look_back()
    assert found(street) == [
        ("loud", "1", 605, "NORM"),
        ("loud", "2", 612, "NORM"),
        ("loud", "3", 625, "UNACK"),
    ]


def test_of_one_moment_the_last_change_counts(database: Database) -> None:
    street = Street(database, [LOUD])
    apply(street, STRICT, at_s=610)
    read_anew(street, LOUD, at_s=610)
    clock_to(street, 620)
    street.say((605, 65), (615, 65))
    assert found(street) == [("loud", "1", 605, "UNACK")]


# --- never half ---------------------------------------------------------------------------------


@pytest.mark.parametrize("killed_s", [620.0, 640.0])
def test_killed_between_storing_and_switching_it_is_taken_whole(
    database: Database, killed_s: float
) -> None:
    """Before its moment, and after it: nothing is in force early, and nothing is lost."""
    street = Street(database, [LOUD, PEAK])
    street.say((600, 90))
    apply(street, STRICT, make_rule(id="new", limit=85.0), at_s=630)
    clock_to(street, killed_s)
    street.restart()
    is_due = killed_s > 630
    assert [one.number for one in sets(street) if one.taken_ms] == ([2, 1] if is_due else [1])
    clock_to(street, 650)
    street.say((625, 90), (635, 90))
    street.look_back()
    assert found(street) == [
        ("loud", "1", 600, "NORM"),
        ("peak", "1", 600, "UNACK"),
        ("loud", "2", 635, "UNACK"),
        ("new", "1", 635, "UNACK"),
    ]


def test_a_switch_that_fails_leaves_the_old_set_and_is_done_again(database: Database) -> None:
    street = Street(database, [LOUD])
    street.say((600, 65))
    apply(street, STRICT, at_s=630)
    clock_to(street, 631)
    with database.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON engine_snapshot"
            " BEGIN SELECT RAISE(FAIL, 'disk full'); END"
        )
    with pytest.raises((StorageError, sa.exc.IntegrityError), match="disk full"):
        street.say((631, 55))
    assert [one.number for one in sets(street) if one.taken_ms] == [1]
    assert found(street) == [("loud", "1", 600, "UNACK")]
    with database.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER full")
    street.restart()
    street.say((632, 55))
    assert found(street) == [("loud", "1", 600, "NORM"), ("loud", "2", 632, "UNACK")]


def test_a_restart_after_a_change_replays_to_the_same_state(database: Database) -> None:
    kinds = (make_rule(id="held", on_delay_s=60.0), make_rule(id="still", check=Stuck(for_s=90.0)))
    street = Street(database, [LOUD, *kinds])
    street.say((600, 70), (610, 70))
    apply(street, STRICT, at_s=615)
    clock_to(street, 620)
    street.say((620, 70))
    street.say((630, 71))
    before = street.line._engine.snapshot()
    with database.read() as connection:
        snapshot = connection.execute(sa.select(schema.engine_snapshot)).one()
    assert snapshot.rules == sets(street)[0].fingerprint
    street.restart()
    assert street.line._engine.snapshot() == before
    street.say((660, 71))
    assert ("held", "1", 660, "UNACK") in found(street)


# --- what may be asked --------------------------------------------------------------------------


def test_what_cannot_be_is_refused_and_nothing_is_stored(database: Database) -> None:
    street = Street(database, [LOUD])
    with pytest.raises(InvalidError, match="is past"):
        apply(street, STRICT, at_s=599)
    with pytest.raises(InvalidError, match="it changes nothing"):
        read_anew(street, LOUD)
    with pytest.raises(InvalidError, match="at most 500"):
        apply(street, STRICT, note="x" * 501)
    apply(street, STRICT, at_s=700)
    with pytest.raises(ConflictError, match=r"a change waits for .* of one moment"):
        apply(street, PEAK, at_s=650)
    assert len(sets(street)) == 2
    assert [row.action for row in street.rows(schema.audit)].count("rules.applied") == 1


def test_before_intake_has_run_there_is_nothing_to_change(database: Database) -> None:
    with database.write() as connection, pytest.raises(ConflictError, match="start gridwarden"):
        applying.apply(connection, Wanted(by="x", rules=[LOUD]), ms(0), ZONE)


# --- files and what was applied over them -------------------------------------------------------


def test_what_was_applied_stays_when_the_files_change_at_a_start(database: Database) -> None:
    street = Street(database, [LOUD, PEAK])
    apply(street, STRICT)
    clock_to(street, 610)
    street.line.take([])
    late = make_rule(id="late", limit=70.0)
    apply(street, late, at_s=900)
    clock_to(street, 620)
    louder = make_rule(id="peak", version="2", limit=85.0)
    street.rules = RuleSet(rules=(LOUD, louder), fingerprint="")
    street.restart()
    with database.read() as connection:
        known = rule_sets.listed(connection)
        current = rule_sets.current(connection)
        assert current is not None
        assert current.origin is Origin.FILES
        assert rule_sets.rules_of(connection, current.number).rules == (STRICT, louder)
        waiting = rule_sets.waiting(connection)
        assert [one.effective_ms for one in waiting] == [ms(900)] * 2
        assert rule_sets.rules_of(connection, waiting[-1].number).rules == (late, STRICT, louder)
    street.restart()
    assert len(sets(street)) == len(known)
    clock_to(street, 910)
    street.line.take([])
    assert [one.number for one in sets(street) if not one.taken_ms] == []
    assert street.line._standing.current.rules == (late, STRICT, louder)


def test_reading_the_files_again_forgets_what_was_applied(database: Database) -> None:
    street = Street(database, [LOUD])
    apply(street, STRICT)
    (change,) = read_anew(street, LOUD).changes
    assert (change.before, change.after) == ("2", "1")
    clock_to(street, 610)
    street.line.take([])
    assert street.line._standing.current.rules == (LOUD,)
    assert sets(street)[0].applied == ()


def test_intake_looks_at_what_was_stored(database: Database) -> None:
    street = Street(database, [LOUD])
    with database.write() as connection:
        standing = StandingRules.load(connection, street.rules, ms(600))
        assert standing.current.rules == (LOUD,)
        assert not standing.has_news(connection, ms(600))
    apply(street, STRICT, at_s=700)
    with database.write() as connection:
        assert standing.has_news(connection, ms(600))
        standing.look(connection)
        assert not standing.has_news(connection, ms(699))
        assert standing.due(ms(699)) == []
        (one,) = standing.due(ms(700))
        standing.take(connection, one, ms(700))
        assert standing.due(ms(700)) == []
        assert standing.history.at(ms(699)).number == 1
    assert local_date(ms(50_400), ZONE).isoformat() == "2026-09-23"


# --- all of it ----------------------------------------------------------------------------------

POOL = [
    (make_rule(on_delay_s=20.0, off_delay_s=20.0, deadband=2.0), make_rule(limit=50.0)),
    (make_rule(id="peak", limit=80.0), make_rule(id="peak", limit=58.0)),
    (
        make_rule(
            id="levels", on_delay_s=20.0, higher=(Level(limit=80.0, severity=Severity.HIGH),)
        ),
        make_rule(
            id="levels", on_delay_s=10.0, higher=(Level(limit=80.0, severity=Severity.HIGH),)
        ),
    ),
    (
        make_rule(id="counted", counted=Counted(count=2, of=4)),
        make_rule(id="counted", counted=Counted(count=2, of=4), limit=30.0),
    ),
    (
        make_rule(id="rate", check=Rate(over_s=40.0), limit=0.5, deadband=0.2),
        make_rule(id="rate", check=Rate(over_s=40.0), limit=1.0, deadband=0.2),
    ),
    (
        make_rule(id="stuck", check=Stuck(for_s=30.0), limit=0.5),
        make_rule(id="stuck", check=Stuck(for_s=60.0), limit=0.5),
    ),
]
# Of each rule of the pool: as it is, changed, or not there.
choices = st.lists(st.sampled_from([0, 0, 1, 2]), min_size=len(POOL), max_size=len(POOL))


def chosen(which: Sequence[int]) -> list[Rule]:
    return [
        replace(pair[one], version=str(one + 1))
        for one, pair in zip(which, POOL, strict=True)
        if one < 2
    ]


def in_order(events: Sequence[object]) -> list[str]:
    return sorted(map(repr, events))


def _alerts_are_the_record(street: Street) -> None:
    """What the record says to hold is shown to hold, under the version that found it."""
    open_pairs: dict[tuple[str, int], str] = {}
    for event in street.recorded():
        if isinstance(event, ConditionEnded):
            open_pairs.pop((event.rule, event.series), None)
        elif isinstance(event, ConditionBegan):
            open_pairs[event.rule, event.series] = event.rule_version
    holding = {
        (row.rule, row.series): row.rule_version
        for row in street.alerts()
        if row.state != "NORM" and row.returned_ms is None
    }
    assert holding == open_pairs


def _store(street: Street, at_s: float, rules: Sequence[Rule]) -> None:
    """Store a set whose moment is past already, as if intake had not looked since."""
    one = StoredSet(
        number=0,
        fingerprint="",
        files=sets(street)[0].files,
        made_ms=ms(0),
        effective_ms=ms(at_s),
        taken_ms=None,
        origin=Origin.READ,
        by="",
        note="",
        applied=(),
    )
    with street.database.write() as connection:
        rule_sets.store(connection, RuleSet(rules=tuple(rules), fingerprint=repr(at_s)), one)
    street.clock.advance_ms(1000)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(said, st.lists(choices, min_size=3, max_size=3), st.data())
def test_late_readings_are_evaluated_by_the_rules_of_their_time(
    database: Database,
    readings: list[tuple[str, float, float | None]],
    drawn: list[list[int]],
    data: st.DataObject,
) -> None:
    """Shuffled, doubled, cut anywhere; rules change, passes and restarts come in between."""
    with database.write() as connection:
        for table in reversed(schema.metadata.sorted_tables):
            connection.execute(table.delete())
    lists = [chosen(which) for which in drawn]
    steps = st.integers(0, 119).map(lambda n: 43_000.0 + 5 * n)
    moments = sorted(data.draw(st.lists(steps, min_size=2, max_size=2, unique=True)))
    street = Street(database, lists[0], "noise-1", "noise-2", now_s=42_000)
    clock_to(street, 43_700)
    left = data.draw(st.permutations(readings + readings[:5]))
    due = list(zip(moments, lists[1:], strict=True))
    while left:
        size = data.draw(st.integers(1, 20))
        street.take(left[:size])
        left = left[size:]
        stores = data.draw(st.booleans())
        if due and stores:
            _store(street, *due.pop(0))
        if data.draw(st.booleans()):
            street.look_back()
        if data.draw(st.booleans()):
            street.restart()
    for at_s, rules in due:
        _store(street, at_s, rules)
    street.line.take([])
    street.look_back()
    changes = list(zip(moments, lists[1:], strict=True))
    assert in_order(street.recorded()) == in_order(street.truth_with_changes(readings, changes))
    _alerts_are_the_record(street)
