"""Accounts and sessions: argon2id for passwords, random tokens kept as SHA-256, no JWT.

Every function takes a connection, so that it lives in its caller's transaction.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from cloud.core.case_roles import Actor, CaseRole, parse_roles, roles_of, spell_roles
from cloud.core.model import Role
from cloud.state import schema
from cloud.state.ledger import audit
from contract.errors import ConfigError

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200
LANGUAGES = ("zh", "en")
SESSION_MS = 12 * 3_600_000
MAX_SESSIONS = 50  # of one kind, of one account; the oldest give way


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who is asking."""

    name: str
    role: Role
    language: str
    case_roles: frozenset[CaseRole] = frozenset()
    unit: str = ""

    @property
    def actor(self) -> Actor:
        """What this account is in cases."""
        roles = roles_of(self.role, self.case_roles)
        return Actor(name=self.name, roles=roles, unit=self.unit)


def create_account(
    connection: sa.Connection, name: str, password: str, role: Role | str, *, now_ms: int
) -> Account:
    """Add an account.

    Raises: ConfigError if the name, password or role is not allowed, or the name is taken.
    """
    problems = [*_name_problems(name), *password_problems(password), *_role_problems(role)]
    if not problems and _row(connection, name) is not None:
        problems = [f"account {name!r} exists already"]
    if problems:
        raise ConfigError(*problems)
    connection.execute(
        sa.insert(schema.accounts).values(
            name=name,
            password_hash=hasher().hash(password),
            role=Role(role).value,
            created_ms=now_ms,
        )
    )
    audit(connection, who="", action="account.created", subject=name, note=str(role), at_ms=now_ms)
    return Account(name=name, role=Role(role), language=LANGUAGES[0])


def set_password(connection: sa.Connection, name: str, password: str, *, now_ms: int) -> None:
    """Change a password and end the account's sessions.

    Raises: ConfigError if the password is not allowed, or there is no such account.
    """
    problems = password_problems(password)
    if _row(connection, name) is None:
        problems = [f"there is no account {name!r}"]
    if problems:
        raise ConfigError(*problems)
    accounts = schema.accounts
    connection.execute(
        sa.update(accounts)
        .where(accounts.c.name == name)
        .values(password_hash=hasher().hash(password))
    )
    connection.execute(sa.delete(schema.sessions).where(schema.sessions.c.account == name))
    audit(connection, who="", action="account.password", subject=name, note="", at_ms=now_ms)


def password_problems(password: str) -> list[str]:
    """Say what is wrong with a password, if anything."""
    if len(password) < SHORTEST_PASSWORD:
        return [f"the password has {len(password)} characters; at least {SHORTEST_PASSWORD}"]
    if len(password) > LONGEST_PASSWORD:
        return [f"the password has {len(password)} characters; at most {LONGEST_PASSWORD}"]
    return []


def password_hash(connection: sa.Connection, name: str) -> str | None:
    """Return the hash to verify against; None for an account that is unknown or disabled."""
    row = _row(connection, name)
    return None if row is None or row.disabled else str(row.password_hash)


def matches(password_hash: str | None, password: str) -> bool:
    """Whether a password fits; takes as long when there is no account. About 50 ms of CPU."""
    try:
        # What a stranger sends is not hashed at any length.
        hasher().verify(password_hash or _nobody(), password[: LONGEST_PASSWORD + 1])
    except (Argon2Error, InvalidHashError):
        return False
    return password_hash is not None


def verify(connection: sa.Connection, name: str, password: str) -> Account | None:
    """Return the account whose name and password these are. About 50 ms of CPU."""
    if not matches(password_hash(connection, name), password):
        return None
    return account(connection, name)


def account(connection: sa.Connection, name: str) -> Account | None:
    """Return an account by name, unless it is disabled."""
    row = _row(connection, name)
    return None if row is None or row.disabled else _account(row)


def start_session(
    connection: sa.Connection,
    name: str,
    *,
    now_ms: int,
    lasts_ms: int = SESSION_MS,
    label: str = "cookie",
) -> str:
    """Begin a session and return its token, which is nowhere stored.

    label: what kind of session it is, then what else helps to tell it: "cookie 10.0.0.7".
    """
    token = secrets.token_urlsafe(32)
    sessions = schema.sessions
    connection.execute(sa.delete(sessions).where(sessions.c.expires_ms <= now_ms))
    crowd = (
        sa.select(sessions.c.token_sha256)
        .where(sessions.c.account == name, sessions.c.label.startswith(label.split()[0]))
        .order_by(sessions.c.created_ms.desc(), sessions.c.token_sha256)
        .offset(MAX_SESSIONS - 1)
    )
    oldest = connection.scalars(crowd).all()
    connection.execute(sa.delete(sessions).where(sessions.c.token_sha256.in_(oldest)))
    connection.execute(
        sa.insert(sessions).values(
            token_sha256=token_hash(token),
            account=name,
            created_ms=now_ms,
            expires_ms=now_ms + lasts_ms,
            label=label[:200],
        )
    )
    return token


def session(connection: sa.Connection, token: str, *, now_ms: int) -> Account | None:
    """Return whose session a token is of, if it has not ended."""
    accounts, sessions = schema.accounts, schema.sessions
    row = connection.execute(
        sa.select(accounts)
        .join(sessions, sessions.c.account == accounts.c.name)
        .where(
            sessions.c.token_sha256 == token_hash(token),
            sessions.c.expires_ms > now_ms,
            sa.not_(accounts.c.disabled),
        )
    ).one_or_none()
    return None if row is None else _account(row)


def end_session(connection: sa.Connection, token: str) -> None:
    """End a session; one that is not there is already ended."""
    sessions = schema.sessions
    connection.execute(sa.delete(sessions).where(sessions.c.token_sha256 == token_hash(token)))


def set_language(connection: sa.Connection, name: str, language: str) -> None:
    """Remember the language an account reads. Raises: ValueError if it is not one of ours."""
    if language not in LANGUAGES:
        raise ValueError(f"language {language!r}; allowed: {', '.join(LANGUAGES)}")
    accounts = schema.accounts
    connection.execute(sa.update(accounts).where(accounts.c.name == name).values(language=language))


def set_case_roles(
    connection: sa.Connection, name: str, roles: str, unit: str, *, now_ms: int
) -> Account:
    """Say an account's roles in cases, with commas, and its unit; "": those of its own role.

    Raises: ConfigError if there is no such account, or no such role.
    """
    try:
        wanted = spell_roles(parse_roles(roles))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    found = account(connection, name)
    if found is None:
        raise ConfigError(f"there is no account {name!r}")
    accounts = schema.accounts
    connection.execute(
        sa.update(accounts)
        .where(accounts.c.name == name)
        .values(case_roles=wanted, unit=unit.strip())
    )
    note = f"{wanted} {unit}".strip()
    audit(connection, who="", action="account.case_roles", subject=name, note=note, at_ms=now_ms)
    return account(connection, name) or found


def token_hash(token: str) -> str:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


@cache
def hasher() -> PasswordHasher:
    """Return argon2id with RFC 9106's low-memory parameters."""
    return PasswordHasher()


@cache
def _nobody() -> str:
    return hasher().hash(secrets.token_urlsafe(16))


def _row(connection: sa.Connection, name: str) -> sa.Row[tuple[object, ...]] | None:
    accounts = schema.accounts
    return connection.execute(sa.select(accounts).where(accounts.c.name == name)).one_or_none()


def _account(row: sa.Row[tuple[object, ...]]) -> Account:
    return Account(
        name=row.name,
        role=Role(row.role),
        language=row.language,
        case_roles=parse_roles(row.case_roles),
        unit=row.unit,
    )


def _name_problems(name: str) -> list[str]:
    if NAME.fullmatch(name):
        return []
    return [f"account name {name!r}: allowed are a-z, 0-9, '.', '_' and '-', up to 63"]


def _role_problems(role: str) -> list[str]:
    if role in list(Role):
        return []
    return [f"role {role!r}; allowed: {', '.join(Role)}"]
