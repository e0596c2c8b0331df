from __future__ import annotations

import pytest
import sqlalchemy as sa

from cloud.core.model import Role
from cloud.state import schema
from cloud.state.database import Database
from cloud.web import accounts
from contract.errors import ConfigError
from tests.cloud.web.conftest import NOW_MS
from tests.cloud.web.seed import PASSWORD


def test_an_account_is_verified_by_its_password_only(database: Database) -> None:
    with database.read() as connection:
        found = accounts.verify(connection, "op", PASSWORD)
        assert found == accounts.Account(name="op", role=Role.OPERATOR, language="zh")
        assert accounts.verify(connection, "op", PASSWORD + " ") is None
        assert accounts.verify(connection, "op", "") is None
        assert accounts.verify(connection, "nobody", PASSWORD) is None


def test_a_disabled_account_is_nobody(database: Database) -> None:
    with database.write() as connection:
        token = accounts.start_session(connection, "op", now_ms=NOW_MS)
        connection.execute(sa.update(schema.accounts).values(disabled=True))
    with database.read() as connection:
        assert accounts.verify(connection, "op", PASSWORD) is None
        assert accounts.session(connection, token, now_ms=NOW_MS) is None


@pytest.mark.parametrize(
    ("name", "password", "role", "words"),
    [
        ("Admin", PASSWORD, "admin", "account name 'Admin': allowed are a-z"),
        ("", PASSWORD, "admin", "account name ''"),
        ("a" * 64, PASSWORD, "admin", "up to 63"),
        ("new", "short", "admin", "the password has 5 characters; at least 10"),
        ("new", "x" * 201, "admin", "at most 200"),
        ("new", PASSWORD, "root", "role 'root'; allowed: viewer, operator, manager, admin"),
        ("op", PASSWORD, "viewer", "account 'op' exists already"),
    ],
)
def test_what_cannot_be_an_account_is_refused(
    database: Database, name: str, password: str, role: str, words: str
) -> None:
    with database.write() as connection, pytest.raises(ConfigError, match=words):
        accounts.create_account(connection, name, password, role, now_ms=NOW_MS)


def test_every_problem_is_told_at_once(database: Database) -> None:
    with database.write() as connection, pytest.raises(ConfigError) as caught:
        accounts.create_account(connection, "A B", "short", "root", now_ms=NOW_MS)
    assert len(caught.value.problems) == 3


def test_neither_passwords_nor_tokens_are_stored(database: Database) -> None:
    with database.write() as connection:
        token = accounts.start_session(connection, "op", now_ms=NOW_MS)
    with database.read() as connection:
        hashes = connection.scalars(sa.select(schema.accounts.c.password_hash)).all()
        assert all(each.startswith("$argon2id$") for each in hashes)
        stored = connection.scalars(sa.select(schema.sessions.c.token_sha256)).all()
    assert token not in stored
    assert accounts.token_hash(token) in stored


def test_a_session_ends_by_itself_or_by_logging_out(database: Database) -> None:
    with database.write() as connection:
        token = accounts.start_session(connection, "op", now_ms=NOW_MS, lasts_ms=1_000)
        assert accounts.session(connection, token, now_ms=NOW_MS + 999) is not None
        assert accounts.session(connection, token, now_ms=NOW_MS + 1_000) is None
        assert accounts.session(connection, "", now_ms=NOW_MS) is None
        accounts.end_session(connection, token)
        assert accounts.session(connection, token, now_ms=NOW_MS) is None


def test_sessions_are_bounded_and_those_of_browsers_never_push_out_a_programs_token(
    database: Database,
) -> None:
    with database.write() as connection:
        program = accounts.start_session(connection, "op", now_ms=NOW_MS, label="token bridge")
        first = accounts.start_session(connection, "op", now_ms=NOW_MS, label="cookie ::1")
        for later in range(1, accounts.MAX_SESSIONS + 1):
            accounts.start_session(connection, "op", now_ms=NOW_MS + later, label="cookie ::1")
        assert accounts.session(connection, first, now_ms=NOW_MS + 100) is None
        assert accounts.session(connection, program, now_ms=NOW_MS + 100) is not None
        held = connection.scalar(sa.select(sa.func.count()).select_from(schema.sessions))
    assert held == accounts.MAX_SESSIONS + 1


def test_a_new_password_ends_all_sessions(database: Database) -> None:
    with database.write() as connection:
        token = accounts.start_session(connection, "op", now_ms=NOW_MS)
        accounts.set_password(connection, "op", "another password", now_ms=NOW_MS)
        assert accounts.session(connection, token, now_ms=NOW_MS) is None
        assert accounts.verify(connection, "op", "another password") is not None
        with pytest.raises(ConfigError, match="there is no account 'nobody'"):
            accounts.set_password(connection, "nobody", "another password", now_ms=NOW_MS)


def test_the_language_is_kept_per_account(database: Database) -> None:
    with database.write() as connection:
        accounts.set_language(connection, "op", "en")
        found = accounts.account(connection, "op")
        assert found is not None
        assert found.language == "en"
        with pytest.raises(ValueError, match="allowed: zh, en"):
            accounts.set_language(connection, "op", "fr")
