from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloud import commands
from cloud.commands_cli import how_it_stands
from cloud.core.commanding import State
from cloud.errors import InvalidError, NotFoundError
from cloud.keys import key_of, make_key
from cloud.state import schema
from cloud.state.database import Database, sqlite_url
from cloud.state.migrate import migrate
from contract.commands import DiagnoseDone, Read, ReadDone, Reply
from contract.errors import ConfigError

NOW_MS = 1_790_000_000_000
READ = Read(device="noise-1")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(sqlite_url(tmp_path / "state.sqlite"))
    migrate(opened)
    with opened.write() as connection:
        connection.execute(
            schema.gateways.insert().values(
                id="cabinet-1", online=True, state_ms=1, health={}, problems=[]
            )
        )
    yield opened
    opened.close()


def ask(database: Database, now_ms: int = NOW_MS) -> str:
    with database.write() as connection:
        return commands.ask(connection, "cabinet-1", READ, by="wang", now_ms=now_ms)


def state_of(database: Database, command: str) -> State:
    with database.read() as connection:
        return commands.one(connection, "cabinet-1", command).state


def test_what_is_asked_waits_to_be_sent_and_is_audited(database: Database) -> None:
    command = ask(database)
    with database.read() as connection:
        (order,) = commands.waiting(connection)
        audit = connection.execute(sa.select(schema.audit)).all()
    assert (order.id, order.gateway, order.what, order.by) == (command, "cabinet-1", READ, "wang")
    assert order.expires_ms - order.issued_ms == 60_000
    assert [(row.who, row.subject) for row in audit] == [("wang", f"cabinet-1/{command}")]


def test_only_the_gateway_that_was_asked_can_answer(database: Database) -> None:
    command = ask(database)
    reply = Reply(id=command, at_ms=1, status="done", done=ReadDone(readings=()))
    with database.write() as connection:
        assert not commands.take_reply(connection, "cabinet-2", reply, NOW_MS)
        assert commands.take_reply(connection, "cabinet-1", reply, NOW_MS)
        found = commands.one(connection, "cabinet-1", command)
        notes = connection.scalars(sa.select(schema.audit.c.note)).all()
    assert (found.state, found.done) == (State.DONE, (ReadDone(readings=()),))
    assert notes[-1] == "done"


def test_parts_may_come_in_any_order_and_twice(database: Database) -> None:
    command = ask(database)
    with database.write() as connection:
        for part in (2, 2, 1):
            assert commands.one(connection, "cabinet-1", command).state is State.WAITING
            done = DiagnoseDone(chunk=f"part {part}")
            reply = Reply(id=command, at_ms=1, status="done", part=part, parts=2, done=done)
            commands.take_reply(connection, "cabinet-1", reply, NOW_MS)
        found = commands.one(connection, "cabinet-1", command)
    assert found.state is State.DONE
    assert found.done == (DiagnoseDone(chunk="part 1"), DiagnoseDone(chunk="part 2"))


def test_what_nobody_answers_is_given_up_and_a_late_answer_counts(database: Database) -> None:
    command = ask(database)
    with database.write() as connection:
        commands.settle(connection, command, State.SENT, "", now_ms=NOW_MS)
        commands.give_up(connection, NOW_MS + 119_000)
    assert state_of(database, command) is State.SENT
    with database.write() as connection:
        commands.give_up(connection, NOW_MS + 121_000)
    assert state_of(database, command) is State.UNANSWERED
    with database.write() as connection:
        reply = Reply(id=command, at_ms=1, status="failed", reason="no answer")
        commands.take_reply(connection, "cabinet-1", reply, NOW_MS)
    assert state_of(database, command) is State.FAILED


def test_what_is_old_is_forgotten(database: Database) -> None:
    old = ask(database)
    new = ask(database, NOW_MS + 91 * 86_400_000)
    with database.read() as connection:
        found = commands.latest(connection, "cabinet-1", 10)
    assert [command.id for command in found] == [new]
    with pytest.raises(NotFoundError):
        state_of(database, old)


def test_what_cannot_be_asked_is_refused(database: Database) -> None:
    with database.write() as connection:
        with pytest.raises(NotFoundError):
            commands.ask(connection, "cabinet-9", READ, by="wang", now_ms=NOW_MS)
        with pytest.raises(InvalidError, match="1 to 3600"):
            commands.ask(connection, "cabinet-1", READ, by="wang", now_ms=NOW_MS, good_for_s=9_999)


def test_a_key_is_made_once_and_is_nobody_elses(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gridwarden cloud gateway key CONFIG cabinet-1"):
        key_of(tmp_path / "keys", "cabinet-1")
    file = make_key(tmp_path / "keys", "cabinet-1")
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(key_of(tmp_path / "keys", "cabinet-1")) == 32
    with pytest.raises(ConfigError, match="is there already"):
        make_key(tmp_path / "keys", "cabinet-1")
    with pytest.raises(ConfigError, match="allowed are a-z"):
        make_key(tmp_path / "keys", "../etc")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        key_of(tmp_path / "keys", "cabinet-1")


def test_a_missing_intake_is_guessed_at_only_after_a_while() -> None:
    assert how_it_stands(State.WAITING, 0.1) == "waits for intake to send it"
    assert "does `gridwarden cloud intake` run?" in how_it_stands(State.WAITING, 3.1)
    assert how_it_stands(State.SENT, 9.0) == "sent; waiting for the gateway"
