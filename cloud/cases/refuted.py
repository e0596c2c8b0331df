"""What becomes of a case when late readings refute an alert that is evidence in it."""

from __future__ import annotations

import sqlalchemy as sa

from cloud.cases.rows import case_of, trace
from cloud.core.case_steps import OPEN_STATES, Step
from cloud.state import schema


def note_refuted(connection: sa.Connection, alert: str, at_ms: int) -> None:
    """Say so in the trail of its open cases. People close a case, not readings."""
    attached = schema.case_alerts
    mine = sa.select(attached.c.case).where(attached.c.alert == alert)
    query = sa.select(schema.cases).where(
        schema.cases.c.id.in_(mine),
        schema.cases.c.state.in_([state.value for state in OPEN_STATES]),
    )
    for case in [case_of(row) for row in connection.execute(query)]:
        note = f"{alert}: refuted by late readings"
        trace(connection, case, Step.SENSOR_NORMAL, case.state, at_ms, note=note)
