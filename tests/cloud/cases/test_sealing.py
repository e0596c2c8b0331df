"""Whoever gets past the triggers is still found out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from cloud.cases import matters, sealing
from cloud.cases.sealing import Verified
from cloud.core.case_steps import Step
from cloud.state import schema
from cloud.state.database import Database
from tests.cloud.alert_kit import SERIES_B, began, fill
from tests.cloud.cases.case_kit import (
    DESK,
    NOW_MS,
    SHANGHAI,
    arise,
    close,
    look,
    open_case,
    say,
)

MIGRATIONS = Path(__file__).parents[3] / "cloud" / "state" / "migrations"


@pytest.fixture
def case(database: Database) -> str:
    fill(database)
    found = arise(database, 0)
    close(database, found)
    return found


def verified(database: Database, case: str) -> Verified:
    with database.read() as connection:
        return sealing.verify(connection, case)


def forge(database: Database, *statements: sa.Executable) -> None:
    """Do what triggers refuse, as somebody would who owns the database."""
    with database.write() as connection:
        for table in ("case_events", "case_chain"):
            for what in ("update", "delete"):
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {table}_{what}")
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        for statement in statements:
            connection.execute(statement)


def test_a_case_that_nobody_touched_holds(database: Database, case: str) -> None:
    found = verified(database, case)
    assert found.broken is None
    assert found.head.entries == 2 + len(look(database, case).trail)
    assert len(found.head.seal) == 64


EVENTS, CHAIN, HEADS = schema.case_events, schema.case_chain, schema.case_heads
DISPATCHED = EVENTS.c.step == Step.DISPATCH.value


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (sa.update(EVENTS).where(DISPATCHED).values(note="x"), "is not as it was sealed"),
        (sa.update(EVENTS).where(DISPATCHED).values(at_ms=1), "is not as it was sealed"),
        (sa.delete(EVENTS).where(DISPATCHED), "is gone"),
        (sa.delete(schema.case_alerts), "alert .* is gone"),
        (sa.update(schema.cases).values(asset="GR-2"), "case .* is not as it was sealed"),
        (sa.update(schema.alerts).values(rule_source="x"), "alert .* is not as it was sealed"),
        (sa.delete(CHAIN).where(CHAIN.c.number == 2), "entry 2 is gone; 3 follows"),
        (sa.delete(CHAIN), "there are 0 entries"),
        (sa.delete(HEADS), "none is kept"),
        (sa.update(HEADS).values(entries=3), "3 were sealed"),
    ],
)
def test_what_was_forged_is_found(
    database: Database, case: str, statement: sa.Executable, words: str
) -> None:
    forge(database, statement)
    broken = verified(database, case).broken
    assert broken is not None
    assert re.search(words, broken.why)


def test_a_line_slipped_in_is_found(database: Database, case: str) -> None:
    with database.write() as connection:
        line = connection.execute(sa.select(EVENTS).where(DISPATCHED)).one()
        again = {key: value for key, value in line._mapping.items() if key != "id"}
        connection.execute(sa.insert(EVENTS), [again])
    broken = verified(database, case).broken
    assert broken is not None
    assert broken.why.endswith("was never sealed")


def test_the_chain_itself_may_not_be_written_to(database: Database, case: str) -> None:
    for change in (sa.delete(CHAIN), sa.update(CHAIN).values(seal="")):
        with (
            pytest.raises(sa.exc.IntegrityError, match="never changed"),
            database.write() as connection,
        ):
            connection.execute(change)


def test_merged_and_split_cases_hold(database: Database) -> None:
    fill(database)
    first = arise(database, 0)
    alert = say(database, began(5, series=SERIES_B))
    open_case(database, alert)
    with database.write() as connection:
        version = look(database, first).case.version
        new = matters.split(
            connection, first, [alert.id], "03-01", "", DESK, version, "", NOW_MS, SHANGHAI
        )
    assert verified(database, first).broken is None
    assert verified(database, new.id).broken is None
    with database.write() as connection:
        matters.merge(connection, new.id, first, DESK, new.version, "", NOW_MS)
    assert verified(database, first).broken is None
    assert verified(database, new.id).broken is None


def test_an_alert_that_late_readings_corrected_holds(database: Database, case: str) -> None:
    """As cloud/reconciling.py does it."""
    corrected = sa.update(schema.alerts).values(rule_version="9", first_value=1.0, began_ms=1)
    forge(database, corrected)
    assert verified(database, case).broken is None


def test_what_was_there_before_is_sealed(tmp_path: Path, database: Database, case: str) -> None:
    """As migration 0015 does it, and to be added to afterwards."""
    before = verified(database, case)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0015-1")
        command.upgrade(config, "head")
    after = verified(database, case)
    assert after.broken is None
    assert after.head.entries == before.head.entries
