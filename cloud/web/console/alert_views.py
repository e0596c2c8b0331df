"""What the pages of alerts and of maintenance show."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cloud.alerts import Record
from cloud.core.holds import HoldKind
from cloud.core.isa_18_2 import SUPPRESSED, State
from cloud.core.topology import CHANNEL, GATEWAY
from cloud.web import models
from cloud.web.console import views
from cloud.web.pages import render
from cloud.web.snapshots import Snapshot
from cloud.web.wording import NOTHING, Wording

ACTIVE = (State.UNACK, State.ACKED, State.RTNUN)
# Alerts that came to be known otherwise than when they happened, by their tab.
RECORDS = {each.value: each for each in (Record.HISTORICAL, Record.REFUTED)}
HOME_OF = {GATEWAY: "/", CHANNEL: "/notifications"}  # of alerts that are of no device
TABS = ("active", "held", "all", *RECORDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """Alerts with one standing for each group; more: how many others it stands for, and where."""

    alerts: list[models.Alert]
    more: Mapping[str, tuple[int, str]]


def fold(alerts: Iterable[models.Alert], floods: Collection[int]) -> Folded:
    """Let the most urgent of each group stand for it, and in a flood of each rule.

    floods: those that are not over. A flood's first is shown for itself, at the top.
    """
    inside: dict[Hashable, list[models.Alert]] = {}
    for alert in sorted(alerts, key=lambda a: (not _first(a, floods), views.urgency(a))):
        inside.setdefault(_key(alert, floods), []).append(alert)
    more = {}
    for members in inside.values():
        head = members[0]
        if len(members) > 1:
            same = head.flood in floods
            where = f"flood={head.flood}" if same else f"group={head.group}"
            more[head.id] = len(members) - 1, f"/alerts?{where}"
    return Folded(alerts=[members[0] for members in inside.values()], more=more)


def _first(alert: models.Alert, floods: Collection[int]) -> bool:
    return alert.first_out and alert.flood in floods


def _key(alert: models.Alert, floods: Collection[int]) -> Hashable:
    if _first(alert, floods):
        return alert.id
    if alert.flood in floods:
        return alert.flood, alert.rule
    return alert.group or alert.id


def open_table(tab: str, may: bool, snapshot: Snapshot, now_ms: int, w: Wording) -> str:
    """Draw the alerts that are active, or those that are held."""
    states = {state.value for state in (ACTIVE if tab == "active" else SUPPRESSED)}
    mine = (alert for alert in snapshot.alerts if alert.state in states)
    folded = fold(mine, {flood.id for flood in snapshot.floods})
    return views.alert_table(
        folded.alerts[: views.NEWEST],
        now_ms,
        w,
        may_acknowledge=may,
        empty=w("alert.none" if tab == "active" else "alert.none_held"),
        more=folded.more,
    )


def flood_banner(snapshot: Snapshot, now_ms: int, w: Wording) -> str:
    """Say that there is a flood, and what it began with."""
    known = {alert.id: alert for alert in snapshot.alerts}
    return render(
        "flood.html",
        w=w,
        now_ms=now_ms,
        floods=[(flood, known.get(flood.first_alert)) for flood in snapshot.floods],
    )


def tabs(snapshot: Snapshot, tab: str, w: Wording) -> str:
    """Draw the page's heading: which alerts, and how many of them there are."""
    numbers = dict.fromkeys(TABS, 0)
    for (state, _), number in snapshot.alert_counts.items():
        numbers["held" if State(state) in SUPPRESSED else "active"] += number
    return render("alert_tabs.html", w=w, tab=tab, tabs=TABS, numbers=numbers)


def head(alert: models.AlertDetail, w: Wording) -> str:
    """Draw where an alert stands and what it is about."""
    value = w.value(alert.first_value, alert.measurement, alert.unit)
    limit = w.value(alert.limit, alert.measurement, alert.unit)
    facts = [
        (w("alert.device"), f"{alert.device_name} ({alert.device})", _device(alert)),
        (w("alert.value"), f"{value} / {limit}", ""),
        (w("alert.began"), w.moment(alert.began_ms), ""),
        (w("alert.returned"), w.moment(alert.returned_ms) if alert.returned_ms else NOTHING, ""),
        (w("alert.assignee"), alert.assignee or NOTHING, ""),
        (w("alert.rule"), f"{alert.rule} {alert.rule_version}", _version(alert)),
        (w("alert.source"), w.pick(alert.rule_source_zh, alert.rule_source), ""),
    ]
    if alert.group and alert.group != alert.id:
        facts.append((w("alert.group"), w("alert.group_first"), f"/alerts/{alert.group}"))
    facts += [(w("alert.case"), case, f"/cases/{case}") for case in alert.cases]
    return render(
        "alert_head.html",
        w=w,
        alert=alert,
        facts=facts,
        held=held(alert.hold, w) if alert.hold else "",
    )


def _version(alert: models.Alert) -> str:
    """Return the page of the rule as it was; none where no rule of a set raised it."""
    if alert.kind in HOME_OF:
        return ""
    return f"/rules/{alert.rule}/versions/{alert.rule_version}"


def _device(alert: models.Alert) -> str:
    return HOME_OF.get(alert.kind) or f"/devices/{alert.device}"


def history(alert: models.AlertDetail, w: Wording) -> str:
    """Draw what happened to an alert, the latest last."""
    return render("alert_history.html", w=w, alert=alert)


def held(hold: models.Hold, w: Wording) -> str:
    """Say what holds alerts, until when and why."""
    until = w.moment(hold.until_ms) if hold.until_ms else w(f"hold.until.{_end(hold)}")
    return w("hold.words", kind=w(f"hold.{hold.kind}"), until=until, reason=hold.reason)


def _end(hold: models.Hold) -> str:
    return "back" if hold.kind == HoldKind.TOPOLOGY else "ended"


def holds_table(holds: Sequence[models.Hold], now_ms: int, w: Wording, *, may: bool) -> str:
    """Draw what holds alerts."""
    rows = [(hold, about(hold, w), _standing(hold, now_ms), _end(hold)) for hold in holds]
    return render("holds_table.html", w=w, rows=rows, now_ms=now_ms, may=may)


def about(hold: models.Hold, w: Wording) -> list[tuple[str, str]]:
    """Say what a hold is about: what each thing is called, and which one."""
    named = (
        ("alert", hold.alert),
        ("device", hold.device),
        ("gateway", hold.gateway),
        ("rule", hold.rule),
    )
    found = [(w(f"hold.by.{what}"), which) for what, which in named if which]
    if hold.tag:
        tag = w(f"hold.tag.{hold.tag}") if hold.tag in ("site", "area", "cell") else hold.tag
        found.append((tag, hold.tag_value))
    return found


def _standing(hold: models.Hold, now_ms: int) -> str:
    if hold.ended_ms is not None:
        return "ended"
    return "planned" if now_ms < hold.from_ms else "running"
