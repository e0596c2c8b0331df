"""/metrics, in Prometheus' text format: what is counted in the database, and our own requests.

Told to this machine without a login, to others with one (a bearer token of any role). A request
that a proxy forwards is another machine's.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from cloud.cases import deliveries, outbox, waiting
from cloud.core.alert_policy import AlertPolicy
from cloud.core.gate import Wait
from cloud.core.isa_18_2 import State
from cloud.core.topology import OWN_KINDS
from cloud.series import hot
from cloud.state import schema
from cloud.web import accounts
from cloud.web.auth import COOKIE
from cloud.web.live import Live
from cloud.web.problems import Problem
from cloud.web.queries import cases
from cloud.web.queries.lag import lag
from cloud.web.services import Services

router = APIRouter(include_in_schema=False)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
COUNTER_NAME = re.compile(r"[a-z_]+")  # others, with dates in them, number things
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


class Metrics:
    """This process's counters, and a collector of those in the database."""

    def __init__(self, services: Services, live: Live) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "gridwarden_http_requests",
            "HTTP requests answered by this process",
            ["area", "method", "status"],
            registry=self.registry,
        )
        watching = Gauge("gridwarden_watching", "Open pages and streams", registry=self.registry)
        watching.set_function(lambda: live.watchers)
        self.registry.register(_Stored(services))


class _Stored:
    """Reads the database at every scrape."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def describe(self) -> list[Metric]:
        return []  # otherwise the database would be read when this is registered

    def collect(self) -> Iterator[Metric]:
        with self._services.database.read() as connection:
            yield from _counters(connection)
            now_ms = self._services.clock.now_ms()
            yield from _gauges(connection, now_ms, self._services.alerts)


def _counters(connection: sa.Connection) -> Iterator[Metric]:
    table = schema.counters
    for row in connection.execute(sa.select(table).order_by(table.c.name)):
        if COUNTER_NAME.fullmatch(row.name):
            words = row.name.replace("_", " ")
            yield CounterMetricFamily(
                f"gridwarden_{row.name}", f"Counted by intake: {words}", value=row.value
            )


def _gauges(connection: sa.Connection, now_ms: int, policy: AlertPolicy) -> Iterator[Metric]:
    gateways = schema.gateways
    online = GaugeMetricFamily("gridwarden_gateways", "Gateways", labels=["online"])
    for value in (True, False):
        those = sa.select(sa.func.count()).where(gateways.c.online == value)
        online.add_metric([str(value).lower()], connection.scalar(those) or 0)
    yield online
    yield _alerts(connection)
    opened = GaugeMetricFamily("gridwarden_cases_open", "Open cases", labels=["state"])
    for state, number in cases.counts(connection).items():
        opened.add_metric([state], number)
    yield opened
    yield GaugeMetricFamily(
        "gridwarden_cases_singled_out",
        "Open cases that stand out as recurring",
        value=cases.singled_out(connection),
    )
    yield from _gate(connection, now_ms)
    told = GaugeMetricFamily(
        "gridwarden_case_deliveries", "Steps for other systems", labels=["system", "state"]
    )
    for (system, standing), number in deliveries.counts(connection).items():
        told.add_metric([system, standing.value], number)
    yield told
    yield GaugeMetricFamily(
        "gridwarden_case_messages_rejected",
        "Messages that the ledger itself refused",
        value=outbox.count_rejected(connection),
    )
    hot_blocks = sa.select(sa.func.count(schema.blocks.c.id)).where(
        schema.blocks.c.id > hot.sealed_upto(connection)
    )
    yield from _behind(connection, now_ms, policy)
    for name, words, query in (
        (
            "devices",
            "Devices",
            sa.select(sa.func.count(schema.devices.c.id)).where(
                schema.devices.c.kind.not_in(OWN_KINDS)
            ),
        ),
        ("hot_blocks", "Blocks not sealed yet", hot_blocks),
        (
            "outbox_waiting",
            "Messages that must still be told",
            sa.select(sa.func.count(schema.outbox.c.id)).where(schema.outbox.c.done_ms.is_(None)),
        ),
    ):
        yield GaugeMetricFamily(f"gridwarden_{name}", words, value=connection.scalar(query) or 0)


def _behind(connection: sa.Connection, now_ms: int, policy: AlertPolicy) -> Iterator[Metric]:
    behind = lag(connection, now_ms)
    for name, words, value in (
        ("history_devices", "Devices with late readings to evaluate", behind.history_devices),
        (
            "history_lag_seconds",
            "For how long the first device with late readings has waited",
            behind.history_lag_s,
        ),
        ("last_commit_age_seconds", "Since readings were stored", behind.last_commit_age_s),
        ("watermark_lag_seconds", "By how much silence is judged behind the clock", policy.lag_s),
    ):
        if value is not None:
            yield GaugeMetricFamily(f"gridwarden_{name}", words, value=value)


def _gate(connection: sa.Connection, now_ms: int) -> Iterator[Metric]:
    wait = GaugeMetricFamily(
        "gridwarden_gate_waiting", "Alerts that wait at the gate, by what for", labels=["why"]
    )
    found = waiting.count(connection)
    for why in Wait:
        wait.add_metric([why.value], found.get(why.value, 0))
    yield wait
    decided = GaugeMetricFamily(
        "gridwarden_gate_decided", "Alerts that waited at the gate and do no more", labels=["state"]
    )
    for state, number in waiting.decided(connection).items():
        decided.add_metric([state], number)
    yield decided
    oldest_ms = waiting.oldest_ms(connection)
    yield GaugeMetricFamily(
        "gridwarden_gate_oldest_seconds",
        "For how long the first alert at the gate has waited",
        value=max(0, now_ms - oldest_ms) / 1000 if oldest_ms else 0,
    )


def _alerts(connection: sa.Connection) -> Metric:
    table = schema.alerts
    metric = GaugeMetricFamily(
        "gridwarden_alerts", "Alerts that are not back in NORM", labels=["state"]
    )
    rows = connection.execute(
        sa.select(table.c.state, sa.func.count())
        .where(table.c.state != State.NORM.value)
        .group_by(table.c.state)
    )
    found: dict[str, int] = {row[0]: row[1] for row in rows}
    for state in State:
        if state is not State.NORM:
            metric.add_metric([state.value], found.get(state.value, 0))
    return metric


@router.get("/metrics")
def get_metrics(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))],
) -> Response:
    """Tell all metrics."""
    services: Services = request.app.state.services
    metrics: Metrics = request.app.state.metrics
    if not is_local(request):
        token = bearer.credentials if bearer else request.cookies.get(COOKIE, "")
        with services.database.read() as connection:
            if accounts.session(connection, token, now_ms=services.clock.now_ms()) is None:
                raise Problem("not-signed-in", "from another machine, metrics take a bearer token")
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE)


def is_local(request: Request) -> bool:
    """Whether a request comes from this machine, and not through a proxy on it."""
    if request.client is None or any(name in request.headers for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
