"""/healthz and /readyz: for whoever restarts processes and sends them traffic."""

from __future__ import annotations

import sqlalchemy as sa
from fastapi import APIRouter
from fastapi.responses import JSONResponse

from cloud.state import schema
from cloud.web.auth import Having
from cloud.web.queries import lag
from cloud.web.services import Services
from contract.errors import StorageError

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that the process is alive."""
    return {"status": "alive"}


@router.get("/readyz")
def readyz(services: Having) -> JSONResponse:
    """Say whether requests can be answered, and name what is not ready."""
    checks = {"database": _database(services)}
    checks["schema"] = _schema(services) if checks["database"] == "ready" else "unknown"
    checks["series"] = _series(services) if checks["schema"] == "ready" else "unknown"
    ready = all(state == "ready" for state in checks.values())
    status = "ready" if ready else "not ready"
    figures = _figures(services) if checks["schema"] == "ready" else {}
    return JSONResponse(
        {"status": status, "checks": checks, "figures": figures}, 200 if ready else 503
    )


def _figures(services: Services) -> dict[str, float | None]:
    """Return what alerts run behind the clock by; none of it makes requests fail."""
    with services.database.read() as connection:
        behind = lag.lag(connection, services.clock.now_ms())
    return {
        "history_devices": behind.history_devices,
        "history_lag_s": behind.history_lag_s,
        "last_commit_age_s": behind.last_commit_age_s,
        "watermark_lag_s": services.alerts.lag_s,
        "start_rest_s": services.alerts.start_rest_s,
    }


def _database(services: Services) -> str:
    try:
        with services.database.read() as connection:
            connection.execute(sa.select(1))
    except StorageError as error:
        return str(error)
    return "ready"


def _schema(services: Services) -> str:
    with services.database.read() as connection:
        there = set(sa.inspect(connection).get_table_names())
    missing = sorted(set(schema.metadata.tables) - there)
    return f"missing tables: {', '.join(missing)}" if missing else "ready"


def _series(services: Services) -> str:
    try:
        services.series_store.latest([])
    except StorageError as error:
        return str(error)
    return "ready"
