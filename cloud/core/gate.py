"""The gate between alerts and cases: which alert is work, of what category, whose, until when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum

from cloud.core.case_steps import Label, Step
from cloud.core.grid import Cell, find_cell
from cloud.core.model import Device, Severity
from cloud.core.working_time import Calendar, Span, due

OUTSIDE = "-"  # the cell of what is outside every cell
_A_DAY = Span(24)
_TWO_DAYS = Span(48)

# GB/T 30428 as public implementations have it: 事件 by their two numbers, 部件 with a C before
# them, since both count from 01. The two-digit form is inferred: codes are text of up to 8.
CATEGORIES: dict[str, Label] = {
    "01-05": Label(zh="水域不洁", en="unclean water"),
    "03-01": Label(zh="施工扰民", en="construction noise"),
    "03-02": Label(zh="工地扬尘", en="construction dust"),
    "04-01": Label(zh="路面塌陷", en="collapsed road"),
    "04-03": Label(zh="燃气管道破裂", en="gas pipe broken"),
    "04-04": Label(zh="下水道堵塞或破损", en="sewer blocked or broken"),
    "05-08": Label(zh="商业噪音", en="commercial noise"),
    "C01-01": Label(zh="上水井盖", en="water supply cover"),
    "C01-02": Label(zh="污水井盖", en="sewage cover"),
    "C01-03": Label(zh="雨水井盖", en="storm water cover"),
    "C01-04": Label(zh="雨水箅子", en="storm water grating"),
    "C01-05": Label(zh="电力井盖", en="power cover"),
    "C01-06": Label(zh="路灯井盖", en="street lighting cover"),
    "C01-07": Label(zh="通讯井盖", en="telecom cover"),
    "C01-08": Label(zh="电视井盖", en="cable TV cover"),
    "C01-09": Label(zh="网络井盖", en="network cover"),
    "C01-10": Label(zh="热力井盖", en="heating cover"),
    "C01-11": Label(zh="燃气井盖", en="gas cover"),
    "C01-12": Label(zh="公安井盖", en="police cover"),
    "C01-14": Label(zh="无主井盖", en="cover without owner"),
}

# A manhole device's tag `cover` says whose cover it is; then the case is about that 部件.
COVERS: dict[str, str] = {
    "water": "C01-01",
    "sewage": "C01-02",
    "rainwater": "C01-03",
    "grating": "C01-04",
    "power": "C01-05",
    "lighting": "C01-06",
    "telecom": "C01-07",
    "television": "C01-08",
    "network": "C01-09",
    "heating": "C01-10",
    "gas": "C01-11",
    "police": "C01-12",
    "unknown": "C01-14",
}

# Whatever rule found it, noise from a building site is one matter.
NOISE_SOURCES: dict[str, str] = {"construction": "03-01", "commercial": "05-08"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """How long things may take, from opening. secure: making the place safe, where that matters.

    close: from the time that handling is due.
    """

    handle: Span
    secure: Span | None = None
    close: Span = _TWO_DAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Dues:
    """When the parts of a case are due. by_clock: they run at night and on holidays as well."""

    handle_ms: int
    secure_ms: int | None
    close_ms: int
    by_clock: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRule:
    """Who is responsible. cell, category, owner: "" fits all; a category fits those below it.

    E.g. category "04" fits 04-03; cell and owner fit exactly.
    """

    unit: str
    cell: str = ""
    category: str = ""
    owner: str = ""

    def fits(self, cell: str, category: str, owner: str) -> bool:
        """Whether this says who is responsible for a matter."""
        same = (not self.cell or self.cell == cell) and (not self.owner or self.owner == owner)
        below = category == self.category or category.startswith(f"{self.category}-")
        return same and (not self.category or below)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoRule:
    """A step that takes a photo, in cases of a category and all below it; "" fits all."""

    step: Step
    category: str = ""

    def fits(self, step: Step, category: str) -> bool:
        """Whether this step takes a photo in a case of this category."""
        below = category == self.category or category.startswith(f"{self.category}-")
        return step is self.step and (not self.category or below)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Which alerts wait before they become cases, and for what. What is critical never waits.

    lasting_s: so long an alert of a severity must last. hours: local times between which cases are
    opened. confirm, confirm_categories: a person looks first. most: cases opened within within_s;
    those above it queue.
    """

    lasting_s: Mapping[Severity, float] = field(default_factory=dict)
    hours: tuple[time, time] | None = None
    confirm: frozenset[Severity] = frozenset()
    confirm_categories: frozenset[str] = frozenset()
    most: int = 200
    within_s: float = 600.0


class Wait(StrEnum):
    """What an alert waits for at the gate."""

    LASTING = "lasting"
    HOURS = "hours"
    CONFIRM = "confirm"
    FLOOD = "flood"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """What a city sets. Every default here is our judgement; no document says so.

    units:       who is responsible for a kind of device whose owner is not known.
    limits:      how long a case may take, by severity; emergencies where a kind has its own for
                 what is critical or high (a cover made safe in 3 h, gas at once).
    verify:      how long verification may take, from handling.
    warn_s:      so long before it is due, people are warned.
    reopen_days: a case closed so recently is reopened, not followed by another.
    calendar:    working time, for the time limits that are counted in it.
    categories:  those there are, by code.
    cells:       the area grid; outside_refused: an alert outside every cell makes no case.
    unit_rules:  who is responsible where for what; the first that fits.
    gate:        which alerts wait, and for what.
    photos:      which steps take a photo.
    repeats:     a matter that arises so often in repeat_days stands out.
    capacity:    how many cases a day a unit handles, for the load that a backtest expects.
    grace_s:     closed while the sensor is beyond its limit, a case is reworked after so long.
    """

    least: Severity = Severity.MEDIUM
    units: Mapping[str, str] = field(
        default_factory=lambda: {
            "noise": "城市管理执法队",
            "dust": "扬尘治理组",
            "water": "排水管理所",
            "gas": "燃气公司",
            "manhole": "市政设施养护所",
        }
    )
    limits: Mapping[Severity, TimeLimits] = field(
        default_factory=lambda: {
            Severity.LOW: TimeLimits(handle=Span(72)),
            Severity.MEDIUM: TimeLimits(handle=Span(24)),
            Severity.HIGH: TimeLimits(handle=Span(12)),
            Severity.CRITICAL: TimeLimits(handle=Span(3)),
        }
    )
    emergencies: Mapping[str, TimeLimits] = field(
        default_factory=lambda: {
            "manhole": TimeLimits(secure=Span(3), handle=Span(24)),
            "gas": TimeLimits(secure=Span(1), handle=Span(24)),
        }
    )
    calendar: Calendar = field(default_factory=Calendar)
    verify: Span = _A_DAY
    warn_s: float = 3_600.0
    reopen_days: float = 7.0
    repeat_days: float = 30.0
    repeats: int = 3
    grace_s: float = 3_600.0
    categories: Mapping[str, Label] = field(default_factory=lambda: CATEGORIES)
    cells: tuple[Cell, ...] = ()
    outside_refused: bool = False
    capacity: Mapping[str, float] = field(default_factory=dict)
    unit_rules: tuple[UnitRule, ...] = ()
    gate: Gate = field(default_factory=Gate)
    photos: tuple[PhotoRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the gate says of one alert. reason: why it makes no case; "" if it makes one.

    asset: what the case is about; the device's id where no asset code is known.
    """

    opens: bool
    reason: str = ""
    asset: str
    category: str
    unit: str
    dues: Dues
    cell: str = ""

    @property
    def due_ms(self) -> int:
        """What is due first."""
        return min(self.dues.secure_ms or self.dues.handle_ms, self.dues.handle_ms)


def decide(
    severity: Severity, category: str, device: Device, at_ms: int, policy: GatePolicy
) -> Decision:
    """Decide whether an alert becomes a case, and what kind of case.

    Args:    severity and category: the alert's. at_ms: when the case would be opened.
    """
    of_asset = _category(category, device)
    cell = cell_of(device.longitude, device.latitude, policy)
    reason = ""
    if not category:
        reason = "its rule makes no case"
    elif of_asset not in policy.categories:
        reason = f"its category {of_asset} is none of this city's"
    elif not severity.at_least(policy.least):
        reason = f"its severity is {severity.value}; a case takes {policy.least.value}"
    elif policy.cells and cell is None and policy.outside_refused:
        reason = "its place is outside every cell of the area grid"
    code = cell.code if cell else OUTSIDE if policy.cells else ""
    return Decision(
        opens=not reason,
        reason=reason,
        asset=device.asset or device.id,
        category=of_asset,
        unit=unit_of(cell, of_asset, device.owner, device.kind, policy),
        dues=dues_of(severity, device.kind, at_ms, policy),
        cell=code,
    )


def cell_of(longitude: float | None, latitude: float | None, policy: GatePolicy) -> Cell | None:
    """Return the cell that a place is in; None for none, or where the place is not known."""
    if longitude is None or latitude is None:
        return None
    return find_cell(policy.cells, longitude, latitude)


def unit_of(cell: Cell | None, category: str, owner: str, kind: str, policy: GatePolicy) -> str:
    """Return who is responsible: by rule, else the owner, else the cell's, else the kind's."""
    code = cell.code if cell else ""
    for rule in policy.unit_rules:
        if rule.fits(code, category, owner):
            return rule.unit
    return owner or (cell.unit if cell else "") or policy.units.get(kind, "")


def waits_for(
    severity: Severity,
    category: str,
    began_ms: int,
    now_ms: int,
    policy: GatePolicy,
    *,
    confirmed: bool = False,
) -> Wait | None:
    """Return what an alert must wait for before it becomes a case; None: nothing, but a flood.

    confirmed: whether a person has said that it is a case; then only the hours count.
    """
    gate = policy.gate
    if severity is Severity.CRITICAL:
        return None
    if not confirmed:
        if severity in gate.confirm or category in gate.confirm_categories:
            return Wait.CONFIRM
        if now_ms - began_ms < gate.lasting_s.get(severity, 0.0) * 1000:
            return Wait.LASTING
    if gate.hours is not None:
        at = datetime.fromtimestamp(now_ms / 1000, policy.calendar.zone).time()
        begins, ends = gate.hours
        open_now = begins <= at < ends if begins <= ends else at >= begins or at < ends
        if not open_now:
            return Wait.HOURS
    return None


def dues_of(severity: Severity, kind: str, at_ms: int, policy: GatePolicy) -> Dues:
    """Return when the parts of a case are due that is opened at a moment."""
    limits = policy.limits[severity]
    if severity.at_least(Severity.HIGH):
        limits = policy.emergencies.get(kind, limits)
    handle_ms = due(policy.calendar, at_ms, limits.handle)
    return Dues(
        handle_ms=handle_ms,
        secure_ms=due(policy.calendar, at_ms, limits.secure) if limits.secure else None,
        close_ms=due(policy.calendar, handle_ms, limits.close),
        by_clock=limits.handle.by_clock,
    )


def _category(category: str, device: Device) -> str:
    """Return the rule's category, or the one that the device's own tags tell better."""
    if category and device.kind == "manhole":
        return COVERS.get(device.tags.get("cover", ""), category)
    if category and device.kind == "noise":
        return NOISE_SOURCES.get(device.tags.get("source", ""), category)
    return category
