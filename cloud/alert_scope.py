"""Whose alerts a person may act on: a handling unit's account on its own unit's alone.

Lists of alerts show everybody everything, as a neighbour's alert may explain one's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa

from cloud import alert_rows
from cloud.cases.lists import ids_of_unit
from cloud.core.case_roles import Actor
from cloud.core.gate import GatePolicy, decide
from cloud.core.model import Severity
from cloud.errors import ForbiddenError
from cloud.state import schema
from cloud.state.registry import device_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """unit: whose alerts alone may be touched; "" for all. policy: says who is responsible."""

    unit: str = ""
    name: str = ""
    policy: GatePolicy = field(default_factory=GatePolicy)

    def require_alert(self, connection: sa.Connection, alert_id: str) -> None:
        """Raise ForbiddenError for another unit's, unless it is evidence in a case of this one's.

        Raises also: NotFoundError.
        """
        if not self.unit:
            return
        alert = alert_rows.load(connection, alert_id)
        responsible = self._responsible(connection, alert.device, alert.category)
        if responsible == self.unit or self._in_a_case(connection, alert_id):
            return
        raise ForbiddenError(
            f"alert {alert_id} is of {responsible or 'no unit'}; {self.name} acts for {self.unit}"
        )

    def require_device(self, connection: sa.Connection, device: str) -> None:
        """Raise ForbiddenError for another unit's device, and for what is of no single device."""
        if not self.unit:
            return
        responsible = self._responsible(connection, device, "") if device else ""
        if responsible != self.unit:
            raise ForbiddenError(
                f"{device or 'what names no device'} is of {responsible or 'no unit'};"
                f" {self.name} acts for {self.unit}"
            )

    def _responsible(self, connection: sa.Connection, device: str, category: str) -> str:
        table = schema.devices
        row = connection.execute(sa.select(table).where(table.c.id == device)).one_or_none()
        if row is None:
            return ""
        found = device_of(dict(row._mapping))
        return decide(Severity.LOW, category, found, 0, self.policy).unit

    def _in_a_case(self, connection: sa.Connection, alert_id: str) -> bool:
        attached = schema.case_alerts
        query = sa.select(attached.c.case).where(
            attached.c.alert == alert_id, attached.c.case.in_(ids_of_unit(self.unit))
        )
        return connection.execute(query.limit(1)).first() is not None


EVERYTHING = Scope()


def scope_of(actor: Actor, policy: GatePolicy) -> Scope:
    """Return what a person may act on."""
    return Scope(unit=actor.own_unit, name=actor.name, policy=policy)
