"""/rules/backtest: what changed rules would have raised, beside the current ones."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from cloud.web import backtest_models as models
from cloud.web.api.common import problems
from cloud.web.auth import Having, Manager, Viewer
from cloud.web.queries import backtests

router = APIRouter(prefix="/rules/backtest", tags=["rules"])

BacktestId = Annotated[str, Path(description="The backtest's id", max_length=32)]


@router.post("", status_code=202, responses=problems(403, 404, 409))
def start_backtest(
    services: Having, asking: Manager, asked: models.AskedBacktest
) -> models.Backtest:
    """Run changed rules over stored readings beside the current ones. Takes a manager.

    One runs at a time, in the background: ask for it again until it is done.
    """
    return backtests.begin(services, asked, asking.account.name)


@router.get("", responses=problems())
def list_backtests(services: Having, _: Viewer) -> list[models.Backtest]:
    """List the last ones since the web was started, the latest first, without their results."""
    return [one.model_copy(update={"result": None}) for one in services.backtests.latest()]


@router.get("/{backtest}", responses=problems(404))
def get_backtest(services: Having, _: Viewer, backtest: BacktestId) -> models.Backtest:
    """Get one: how far it is, and its result when it is done."""
    return services.backtests.get(backtest)


@router.post("/{backtest}/cancel", responses=problems(403, 404, 409))
def cancel_backtest(services: Having, _: Manager, backtest: BacktestId) -> models.Backtest:
    """Call one off; it ends soon after. Takes a manager."""
    return services.backtests.cancel(backtest)
