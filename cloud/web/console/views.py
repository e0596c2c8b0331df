"""What the pages show, as HTML: pure functions of a snapshot, a moment and a reader's language."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cloud.core.gate import Wait
from cloud.core.isa_18_2 import State
from cloud.core.model import Severity
from cloud.web import models
from cloud.web.console.chosen import place
from cloud.web.console.values import Shown, shown
from cloud.web.freshness import is_stale
from cloud.web.pages import render
from cloud.web.queries.devices import Sensor, latest_values
from cloud.web.snapshots import Snapshot
from cloud.web.wording import Wording
from contract.quantities import Kind

Draw = Callable[[Snapshot, int, Wording], str]
DrawAlerts = Callable[[Sequence[models.Alert], int, Wording], str]

NEWEST = 200  # rows of the pages of alerts and of cases
OF_DEVICE = 20  # rows of those tables on a device's page
SHORT = 6  # rows of the overview's lists

TILE_VALUES = 3

NO_MORE: Mapping[str, tuple[int, str]] = {}


OLD_MS = 10_000  # a snapshot of this age is announced as old


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """A figure at the top of the overview. tone: a class of the style sheet."""

    label: str
    figure: str
    of: str = ""
    note: str
    tone: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A device on the overview. severity, state: of its worst open alert; "" for none."""

    id: str
    name: str
    values: Sequence[Shown]
    stale: bool
    offline: bool
    age: str
    severity: str
    state: str
    returned: bool
    curve: str


def stats(snapshot: Snapshot, now_ms: int, w: Wording) -> str:
    """Draw the figures at the top."""
    figures = (
        _devices(snapshot, now_ms, w),
        _gateways(snapshot, w),
        _alerts(snapshot, w),
        _gate(snapshot, w),
        _cases(snapshot, now_ms, w),
        _batches(snapshot, w),
    )
    return render("stats.html", stats=figures)


def _devices(snapshot: Snapshot, now_ms: int, w: Wording) -> Stat:
    silent = sum(newest_is_stale(each, snapshot, now_ms) for each in snapshot.sensors.values())
    return Stat(
        label=w("overview.devices"),
        figure=str(len(snapshot.sensors) - silent),
        of=str(len(snapshot.sensors)),
        note=w("overview.stale", n=silent) if silent else w("overview.none_stale"),
        tone="warn" if silent else "",
    )


def _gateways(snapshot: Snapshot, w: Wording) -> Stat:
    offline = sum(not gateway.online for gateway in snapshot.gateways)
    return Stat(
        label=w("overview.gateways"),
        figure=str(len(snapshot.gateways) - offline),
        of=str(len(snapshot.gateways)),
        note=w("overview.offline", n=offline) if offline else w("overview.all_online"),
        tone="bad" if offline else "",
    )


def _alerts(snapshot: Snapshot, w: Wording) -> Stat:
    unseen = sum(
        number
        for (state, _), number in snapshot.alert_counts.items()
        if state in (State.UNACK, State.RTNUN)
    )
    return Stat(
        label=w("overview.alerts"),
        figure=str(sum(snapshot.alert_counts.values())),
        note=w("overview.unacked", n=unseen) if unseen else w("overview.all_acked"),
        tone="bad" if unseen else "",
        href="/alerts",
    )


def _gate(snapshot: Snapshot, w: Wording) -> Stat:
    asked = snapshot.gate.get(Wait.CONFIRM.value, 0)
    return Stat(
        label=w("overview.gate"),
        figure=str(sum(snapshot.gate.values())),
        note=w("overview.confirm", n=asked) if asked else w("overview.none_to_confirm"),
        tone="warn" if asked else "",
        href="/cases/gate",
    )


def _cases(snapshot: Snapshot, now_ms: int, w: Wording) -> Stat:
    late = sum(case.due_ms is not None and case.due_ms < now_ms for case in snapshot.cases)
    notes = [w("overview.overdue", n=late) if late else w("overview.none_overdue")]
    if snapshot.singled_out:
        notes.append(w("overview.singled", n=snapshot.singled_out))
    return Stat(
        label=w("overview.cases"),
        figure=str(sum(snapshot.case_counts.values())),
        note=" · ".join(notes),
        tone="bad" if late else "",
        href="/cases",
    )


def _batches(snapshot: Snapshot, w: Wording) -> Stat:
    counted = [gateway.completeness for gateway in snapshot.gateways]
    due = sum(each.due for each in counted)
    lost = sum(each.missing + each.given_up for each in counted)
    return Stat(
        label=w("overview.complete"),
        figure=percent(due - lost, due),
        note=w("overview.missing", n=lost) if lost else w("overview.nothing_missing"),
        tone="warn" if lost else "",
    )


def old(snapshot: Snapshot, now_ms: int, w: Wording) -> str:
    """Announce that what is shown could not be brought up to date; "" while it could."""
    if now_ms - snapshot.at_ms < OLD_MS:
        return ""
    return render("old.html", words=w("old", time=w.moment(snapshot.at_ms)))


def percent(part: int, whole: int) -> str:
    """Return a share that says 100 % only when nothing is missing."""
    if whole <= 0:
        return "—"
    if part >= whole:
        return "100 %"
    return f"{min(99.99, 100 * part / whole):.2f} %"


def tile(sensor: Sensor, snapshot: Snapshot, now_ms: int, w: Wording, curve: str = "") -> str:
    """Draw a device with its newest values, its worst open alert, and its curve (trends.py)."""
    values = latest_values(sensor, snapshot.latest, now_ms)
    newest_ms = max((value.observed_ms for value in values), default=0)
    worst = worst_alert(alert for alert in snapshot.alerts if alert.device == sensor.id)
    return render(
        "tile.html",
        w=w,
        tile=Tile(
            id=sensor.id,
            name=sensor.name,
            values=[shown(value, w) for value in tile_values(sensor.kind, values)],
            stale=bool(values) and is_stale(newest_ms, sensor.period_s, now_ms),
            offline=not sensor.gateway_online,
            age=w.duration(now_ms - newest_ms),
            severity=worst.severity if worst else "",
            state=worst.state if worst else "",
            returned=worst is not None and worst.returned_ms is not None,
            curve=curve,
        ),
    )


def newest_is_stale(sensor: Sensor, snapshot: Snapshot, now_ms: int) -> bool:
    """Whether a device has nothing to say that stands for now."""
    observed = [
        snapshot.latest[number].observed_ms
        for number in sensor.series.values()
        if number in snapshot.latest
    ]
    return not observed or is_stale(max(observed), sensor.period_s, now_ms)


def tile_values(kind: str, values: Sequence[models.LatestValue]) -> list[models.LatestValue]:
    """Choose what a tile shows."""
    return sorted(values, key=lambda value: place(value.measurement, kind))[:TILE_VALUES]


# What must be looked at first: what nobody has seen, then what nobody has seen return.
STATES = ("UNACK", "RTNUN", "ACKED")


def urgency(alert: models.Alert) -> tuple[int, int, int]:
    """Return what to sort alerts by: state, severity, the latest begun first."""
    state = STATES.index(alert.state) if alert.state in STATES else len(STATES)
    severity = list(Severity).index(Severity(alert.severity))
    return state, -severity, -alert.began_ms


def worst_alert(alerts: Iterable[models.Alert]) -> models.Alert | None:
    """Return the alert that matters most: one that holds before one that has returned."""
    return min(
        alerts, key=lambda alert: (alert.returned_ms is not None, urgency(alert)), default=None
    )


def alert_list(snapshot: Snapshot, now_ms: int, w: Wording) -> str:
    """Draw the most urgent open alerts, short."""
    urgent = sorted(snapshot.alerts, key=urgency)[:SHORT]
    return render("alert_list.html", w=w, alerts=urgent, now_ms=now_ms)


def case_list(snapshot: Snapshot, now_ms: int, w: Wording) -> str:
    """Draw the newest open cases, short."""
    return render("case_list.html", w=w, cases=snapshot.cases[:SHORT], now_ms=now_ms)


def gateways(snapshot: Snapshot, w: Wording) -> str:
    """Draw the gateways."""
    return render("gateways.html", w=w, gateways=snapshot.gateways)


def alert_table(
    alerts: Sequence[models.Alert],
    now_ms: int,
    w: Wording,
    *,
    may_acknowledge: bool,
    with_device: bool = True,
    empty: str,
    most: int = NEWEST,
    more: Mapping[str, tuple[int, str]] = NO_MORE,
) -> str:
    """Draw alerts as a table; on a phone as cards. more: how many others one stands for, where."""
    return render(
        "alert_table.html",
        w=w,
        alerts=alerts,
        now_ms=now_ms,
        may_acknowledge=may_acknowledge,
        with_device=with_device,
        empty=empty,
        most=most,
        more=more,
    )


def case_table(
    cases: Sequence[models.Case], now_ms: int, w: Wording, *, empty: str, most: int = NEWEST
) -> str:
    """Draw cases as a table; on a phone as cards."""
    return render("case_table.html", w=w, cases=cases, now_ms=now_ms, empty=empty, most=most)


def by_kind(sensors: Mapping[str, Sensor]) -> dict[str, list[Sensor]]:
    """Return devices by kind, in the order of the kinds; what no birth has named comes last."""
    found: dict[str, list[Sensor]] = {kind.value: [] for kind in Kind}
    for sensor in sensors.values():
        found.setdefault(sensor.kind, []).append(sensor)
    return {kind: group for kind, group in found.items() if group}
