"""What people do in the console: each looks at the session again, and lives in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import sqlalchemy as sa

from cloud import adoption, alerts, applying
from cloud.alert_desk import Person
from cloud.alert_scope import scope_of
from cloud.applying import Wanted
from cloud.cases import deliveries, release, reports, steps
from cloud.cases.reports import Report
from cloud.cases.steps import Given
from cloud.core.case_roles import Actor
from cloud.core.model import Role
from cloud.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from cloud.state.database import retrying
from cloud.web import accounts
from cloud.web.accounts import Account
from cloud.web.backtest_models import AskedBacktest, Backtest
from cloud.web.queries import backtests, rules
from cloud.web.rule_models import PlannedChange
from cloud.web.services import Services
from cloud.web.wording import Wording
from contract.errors import GridwardenError, RejectedError, StorageError

logger = logging.getLogger(__name__)


class SessionEnded(RejectedError):
    """The session that a page was opened with is over."""


@retrying
def acknowledge(services: Services, token: str, alert: str) -> None:
    """Acknowledge an alert. Raises: RejectedError of a kind; StorageError."""
    now_ms = services.clock.now_ms()
    with services.database.write() as connection:
        account = _account(accounts.session(connection, token, now_ms=now_ms))
        if not account.role.includes(Role.OPERATOR):
            raise ForbiddenError(f"acknowledging takes an operator; {account.name} is none")
        scope_of(account.actor, services.policy).require_alert(connection, alert)
        alerts.acknowledge(connection, alert, account.name, now_ms)


@retrying
def at_the_desk(
    services: Services, token: str, act: Callable[[sa.Connection, Person], object]
) -> None:
    """Do something with alerts, which looks at the role itself. Raises: as acknowledge()."""
    now_ms = services.clock.now_ms()
    with services.database.write() as connection:
        account = _account(accounts.session(connection, token, now_ms=now_ms))
        if not account.role.includes(Role.OPERATOR):
            raise ForbiddenError(f"this takes an operator; {account.name} is none")
        scope = scope_of(account.actor, services.policy)
        by = Person(name=account.name, role=account.role, at_ms=now_ms, scope=scope)
        act(connection, by)


@retrying
def take_step(
    services: Services, token: str, case: str, step: str, version: int, given: Given
) -> None:
    """Take a case's next step. Raises: RejectedError of a kind; StorageError."""
    now_ms = services.clock.now_ms()
    with services.database.write() as connection:
        account = _account(accounts.session(connection, token, now_ms=now_ms))
        steps.take(connection, case, step, account.actor, version, given, now_ms, services.policy)


@retrying
def in_case(
    services: Services, token: str, act: Callable[[sa.Connection, Actor, int], object]
) -> None:
    """Do something with cases, which looks at the roles itself. Raises: as take_step()."""
    now_ms = services.clock.now_ms()
    with services.database.write() as connection:
        account = _account(accounts.session(connection, token, now_ms=now_ms))
        act(connection, account.actor, now_ms)


@retrying
def confirm_alert(services: Services, token: str, alert: str, *, opens: bool, note: str) -> None:
    """Let an alert at the gate become a case, or refuse it. Raises: as take_step()."""
    now_ms = services.clock.now_ms()
    with services.database.write() as connection:
        account = _account(accounts.session(connection, token, now_ms=now_ms))
        release.confirm(
            connection,
            alert,
            account.actor,
            opens=opens,
            note=note,
            now_ms=now_ms,
            zone=services.timezone,
            policy=services.policy,
        )


def start_backtest(services: Services, token: str, asked: AskedBacktest) -> Backtest:
    """Begin a backtest. Raises: as acknowledge()."""
    return backtests.begin(services, asked, _manager(services, token).name)


def cancel_backtest(services: Services, token: str, key: str) -> None:
    """Call a backtest off. Raises: as acknowledge()."""
    _manager(services, token)
    services.backtests.cancel(key)


@retrying
def change_rules(services: Services, token: str, wanted: Wanted) -> PlannedChange:
    """Change rules from a moment on. Raises: as acknowledge()."""
    account = _manager(services, token)
    with services.database.write() as connection:
        return rules.apply(services, connection, replace(wanted, by=account.name))[0]


@retrying
def withdraw_rules(services: Services, token: str, number: int) -> None:
    """Withdraw a set of rules before its moment. Raises: as acknowledge()."""
    account = _manager(services, token)
    with services.database.write() as connection:
        applying.withdraw(connection, number, account.name, services.clock.now_ms())


def _manager(services: Services, token: str) -> Account:
    with services.database.read() as connection:
        account = _account(accounts.session(connection, token, now_ms=services.clock.now_ms()))
    if not account.role.includes(Role.MANAGER):
        raise ForbiddenError(f"this takes a manager; {account.name} is none")
    return account


@retrying
def file_report(services: Services, token: str, report: Report) -> None:
    """File a person's report. Raises: as take_step()."""
    now_ms = services.clock.now_ms()
    with services.database.write() as connection:
        account = _account(accounts.session(connection, token, now_ms=now_ms))
        reports.file_report(
            connection, report, account.actor, now_ms, services.timezone, services.policy
        )


@retrying
def decide(
    services: Services, token: str, device: str, sender: str, *, adopt: bool, kind: str
) -> None:
    """Adopt or refuse a device that waits. Raises: RejectedError of a kind; StorageError."""
    now_ms = services.clock.now_ms()
    with services.database.write() as connection:
        account = _account(accounts.session(connection, token, now_ms=now_ms))
        if not account.role.includes(Role.MANAGER):
            raise ForbiddenError(f"this takes a manager; {account.name} is none")
        if adopt:
            adoption.adopt(
                connection, device, by=account.name, now_ms=now_ms, sender=sender, kind=kind
            )
        else:
            adoption.refuse(connection, device, by=account.name, now_ms=now_ms, sender=sender)


@retrying
def decide_delivery(services: Services, token: str, delivery: int, *, reason: str | None) -> None:
    """Have a delivery tried again, or give it up for a reason.

    Raises: RejectedError of a kind; StorageError.
    """
    now_ms = services.clock.now_ms()
    with services.database.write() as connection:
        account = _account(accounts.session(connection, token, now_ms=now_ms))
        if not account.role.includes(Role.MANAGER):
            raise ForbiddenError(f"this takes a manager; {account.name} is none")
        deliveries.require_seen(connection, delivery, account.actor.own_unit)
        if reason is None:
            deliveries.retry(connection, delivery, account.name, now_ms)
        else:
            deliveries.give_up(connection, delivery, account.name, reason, now_ms)


def explain(error: GridwardenError, w: Wording) -> str:
    """Say to a person what became of what they tried."""
    match error:
        case SessionEnded():
            return w("error.session")
        case ConflictError() | NotFoundError():
            return w("error.conflict", detail=str(error))
        case ForbiddenError():
            return w("error.forbidden")
        case InvalidError():
            return w("error.invalid", detail=str(error))
        case StorageError():
            logger.error("not saved: %s", error)
    return w("error.storage")


def _account(account: Account | None) -> Account:
    if account is None:
        raise SessionEnded("sign in again")
    return account
