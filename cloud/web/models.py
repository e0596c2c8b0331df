"""What the API answers and the console shows: one shape for both.

Inside, times are UTC milliseconds (`began_ms`); in JSON they are RFC 3339 (`began_at`).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Generic, TypeVar

from pydantic import AliasGenerator, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.json_schema import WithJsonSchema

from cloud.core.narrowing import Standing
from cloud.core.rules import Schedule
from contract.clock import iso_utc

T = TypeVar("T")

Instant = Annotated[
    int,
    PlainSerializer(iso_utc, return_type=str, when_used="json"),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "examples": ["2026-11-22T08:00:00.250Z"]}
    ),
]


def _json_name(name: str) -> str:
    if name == "at_ms":
        return "at"
    return name.removesuffix("_ms") + "_at" if name.endswith("_ms") else name


class View(BaseModel):
    """The base of all answers."""

    model_config = ConfigDict(
        frozen=True,
        alias_generator=AliasGenerator(serialization_alias=_json_name),
        json_schema_serialization_defaults_required=True,
    )


class Page(View, Generic[T]):
    """Part of a list."""

    items: list[T] = Field(description="This page's rows")
    next: str | None = Field(None, description="The cursor of the next page; null on the last")


class Place(View):
    """Where a device stands."""

    latitude: float | None = Field(description="WGS 84 degrees")
    longitude: float | None = Field(description="WGS 84 degrees")
    address: str = Field(description="In words")


class LatestValue(View):
    """The newest reading of one measurement."""

    measurement: str = Field(description="The quantity's key, with `.channel` if several")
    unit: str = Field(description="The quantity's canonical unit")
    value: float | None = Field(description="null for a reading without value, see quality")
    quality: str = Field(description="HJ 212's flags and ours; empty for normal")
    observed_ms: Instant = Field(description="When the device measured it")
    stale: bool = Field(description="Too old to stand for now: over three periods of the device")


class Device(View):
    """One physical sensor."""

    id: str
    kind: str = Field(
        description="noise, dust, water, gas, manhole; empty until its birth names it"
    )
    name: str
    profile: str = Field(description="How it is read: <kind>/<vendor>-<model>")
    gateway: str = Field(
        description="The gateway that reads it; empty for one that speaks for itself"
    )
    gateway_online: bool = Field(description="Whether that gateway is connected")
    period_s: float | None = Field(description="Seconds between readings")
    asset: str = Field(description="The asset's code")
    owner: str = Field(description="Who owns the asset")
    place: Place
    tags: dict[str, str] = Field(description="What rules select by, e.g. area_class")
    first_seen_ms: Instant
    latest: list[LatestValue] = Field(description="The newest reading of each measurement")


class DeviceRule(View):
    """What became of a rule on one of a device's measurements."""

    measurement: str
    rule: str = Field(description="The rule's id")
    title_zh: str
    title_en: str
    standing: Standing = Field(
        description="applies; beaten by a narrower one; not_selected: about other devices;"
        " other_measurement: it watches one that it prefers"
    )
    by: list[str] = Field(description="Rules that win over it")
    key: str = Field(description="What does not fit, e.g. select.area_class; empty if all does")
    seen: str = Field(description="The device's own value of that")
    wanted: list[str] = Field(description="What the rule asks for")
    schedule: Schedule
    effective: date = Field(description="The first local date it applies to")
    until: date | None = Field(description="The first local date it no longer does")


class Silence(View):
    """A stretch without any reading. Nothing is made up for it."""

    from_ms: Instant
    to_ms: Instant


class SeriesPoints(BaseModel):
    """One measurement over time, in lists of equal length. Times here are UTC milliseconds."""

    model_config = ConfigDict(frozen=True)

    device: str
    measurement: str
    unit: str
    averaging: str = Field(description="How a step's values become one, e.g. energy for decibels")
    step_s: float | None = Field(description="null for raw readings")
    at_ms: list[int] = Field(description="Raw: when observed. Stepped: the step's start")
    value: list[float | None] = Field(description="Raw value, or the step's average")
    minimum: list[float | None] | None = Field(description="Of each step; null for raw")
    maximum: list[float | None] | None = Field(description="Of each step; null for raw")
    readings: list[int] | None = Field(description="How many usable readings; null for raw")
    excluded: list[int] | None = Field(
        description="How many readings of the step do not count; null for raw"
    )
    quality: list[str] = Field(description="Flags of the reading, or of any of the step's")
    valid_rate: list[float | None] | None = Field(
        description="Usable readings of those the period asks for; null where it is not known"
    )
    gaps: list[Silence] = Field(description="Where there is no reading at all, and no point")


class Figure(BaseModel):
    """One statistic."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="LAeq, L10, Ld, …; or mean, min, max, P50, …")
    value: float | None = Field(description="null without readings")
    readings: int = Field(description="How many readings it rests on")


class Exceedance(BaseModel):
    """For how long the values were above a limit."""

    model_config = ConfigDict(frozen=True)

    limit: float
    minutes: float = Field(description="A reading stands until the next, for a period at most")
    share: float | None = Field(description="Of the time that readings stand for, 0 to 1")
    readings: int = Field(description="How many were above it")


class SeriesStatistics(View):
    """What a measurement comes to over a stretch of time."""

    device: str
    measurement: str
    unit: str
    averaging: str
    from_ms: Instant
    to_ms: Instant
    readings: int = Field(description="Usable ones")
    excluded: int = Field(description="Readings that do not count: flagged, or without a value")
    quality: str = Field(description="Every flag that any of them has")
    due: int | None = Field(description="Readings the period asks for; null where it is not known")
    valid_rate: float | None = Field(description="readings / due, at most 1 (HJ 906-2017)")
    figures: list[Figure]
    exceedance: Exceedance | None = Field(description="null unless `limit` was asked for")


class Hold(View):
    """What keeps alerts from being raised. Empty is not asked for; all the rest must fit."""

    id: str
    kind: str = Field(description="shelved, topology, maintenance, service")
    alert: str
    rule: str
    device: str
    gateway: str
    tag: str
    tag_value: str
    silence_only: bool = Field(description="Only alerts of missing data")
    from_ms: Instant
    until_ms: Instant | None = Field(description="null: until somebody ends it")
    reason: str
    made_by: str = Field(description="Empty for the product itself")
    made_ms: Instant
    begun: bool = Field(description="In force, or has been")
    ended_ms: Instant | None
    ended_by: str


class Flood(View):
    """More alerts at a desk than a person can answer."""

    id: int
    desk: str = Field(
        description="@ and an operator's name, a tag's value, or a unit; empty where there is one"
    )
    began_ms: Instant
    ended_ms: Instant | None
    first_alert: str = Field(description="First-out: the alert that it began with")
    alerts: int = Field(description="That belong to it so far")


class Alert(View):
    """One occurrence of a rule on a measurement, in an ISA-18.2 state."""

    id: str
    rule: str
    title: str = Field(description="The rule's, in Chinese, as it stood then")
    title_en: str
    rule_version: str = Field(description="The version that raised it")
    rule_source: str = Field(description="The standard or decision the limit comes from")
    rule_source_zh: str = Field(description="The same in Chinese, where the rule says it")
    device: str
    device_name: str
    kind: str
    measurement: str
    unit: str
    severity: str = Field(description="low, medium, high, critical")
    state: str = Field(description="UNACK, ACKED, RTNUN, NORM, SHLVD, DSUPR, OOSRV")
    limit: float = Field(description="The limit in force then")
    first_value: float = Field(description="The value that fulfilled the rule")
    began_ms: Instant = Field(description="The first reading beyond the limit")
    due_ms: Instant = Field(description="Began plus the rule's delay")
    recorded_ms: Instant = Field(description="When it became known")
    returned_ms: Instant | None = Field(description="Last back to normal")
    acknowledged_ms: Instant | None
    acknowledged_by: str | None
    ended_ms: Instant | None
    historical: bool = Field(description="Found in late readings; nobody was told")
    refuted_ms: Instant | None = Field(description="When late readings showed it never was")
    version: int = Field(description="Counts up with each change")
    assignee: str = Field("", description="Who looks after it; empty for nobody")
    group: str = Field("", description="The first alert of its group; empty for none")
    flood: int | None = Field(None, description="The flood it belongs to")
    first_out: bool = Field(False, description="The first of its flood")
    hold: Hold | None = Field(None, description="What holds it, in SHLVD, DSUPR and OOSRV")


class AlertEvent(View):
    """One change of an alert's state."""

    at_ms: Instant
    event: str
    from_state: str
    to_state: str
    by: str = Field(description="Empty for the engine")
    note: str
    value: float | None


class AlertDetail(Alert):
    """An alert with what happened to it."""

    events: list[AlertEvent]
    cases: list[str] = Field(description="The cases it is evidence in")


class Case(View):
    """The work order that a person or a crew closes."""

    id: str
    title: str = Field(description="In Chinese")
    title_en: str
    asset: str
    category: str = Field(description="GB/T 30428, e.g. 03-02")
    kind: str
    device: str
    device_name: str
    severity: str
    state: str
    unit: str = Field(description="The responsible unit")
    sensor_normal_ms: Instant | None = Field(
        description="Since when the sensor is normal: proposes verification, closes nothing"
    )
    opened_ms: Instant
    due_ms: Instant | None
    secure_due_ms: Instant | None = Field(description="To be made safe by; null: no matter here")
    handle_due_ms: Instant | None
    verify_due_ms: Instant | None = Field(description="Set when it is handled")
    close_due_ms: Instant | None
    secured_ms: Instant | None
    resume_ms: Instant | None = Field(description="A deferred case goes on by itself then")
    closed_ms: Instant | None
    overdue: bool = Field(description="Open past its due time")
    source: str = Field(description="alert, or how a person told it: phone, app, message")
    cell: str = Field(description="Of the area grid; empty where none is known")
    occurrences: int = Field(description="How often its matter arose of late")
    singled_ms: Instant | None = Field(description="Since when it stands out as recurring")
    merged_into: str | None
    satisfaction: int | None = Field(description="1 to 5, given at closure")
    address: str
    description: str
    tags: dict[str, str]
    version: int = Field(description="Send it back with a step")


class CaseEvent(View):
    """One entry of a case's trail."""

    at_ms: Instant
    step: str
    from_state: str
    to_state: str
    by: str = Field(description="Empty for the product itself")
    note: str
    about: str = Field(description="The step that was asked for, approved or declined")
    unit: str = Field(description="Responsible when it happened")
    due_ms: Instant | None = Field(description="The due time that the step met or missed")


class CaseTask(View):
    """What a unit does in a case of several."""

    id: int
    unit: str
    what: str
    by: str
    at_ms: Instant
    due_ms: Instant | None
    overdue_ms: Instant | None = Field(description="When it was told that it is late")
    done_ms: Instant | None
    done_by: str
    note: str


class CaseWaiting(View):
    """An alert at the gate: not a case yet."""

    alert: Alert
    why: str = Field(description="confirm: for a person; lasting, hours, flood: for time")
    since_ms: Instant


class CasePassed(View):
    """An alert of a case that waited at the gate, and how it came through."""

    alert: str
    why: str = Field(description="What it waited for: confirm, lasting, hours, flood")
    since_ms: Instant
    decided_ms: Instant | None
    by: str = Field(description="Who let it in; empty: its time had come")
    note: str


class CaseRequest(View):
    """A step that takes a manager's approval, and waits for it."""

    step: str
    by: str
    at_ms: Instant
    note: str
    until_ms: Instant | None = Field(description="The new due time, or when it goes on")


class NextStep(View):
    """A step that this account may take."""

    step: str
    label: str = Field(description="What people call it, in Chinese")
    label_en: str
    note: str | None = Field(description="What the note must say, in Chinese; null: no note needed")
    note_en: str | None
    until: str | None = Field(description="What the time that it needs is; null: none needed")
    until_en: str | None
    asks: bool = Field(description="It only asks: a manager approves or declines")


class CaseFile(View):
    """A photo or a paper that somebody added to a case."""

    id: int
    name: str
    type: str = Field(description="By its content: image/jpeg, image/png or application/pdf")
    size: int = Field(description="In bytes")
    sha256: str
    by: str
    at_ms: Instant


class CaseChain(View):
    """Whether what was sealed of a case is as it was."""

    entries: int
    seal: str = Field(description="The last seal, which covers all before it")
    holds: bool = Field(description="Every entry holds")
    broken_at: int | None = Field(description="The first entry that does not hold")
    broken_why: str
    damaged: list[str] = Field(
        [], description="Files that are gone or changed; looked for by GET /cases/{case}/chain"
    )


class CaseDetail(Case):
    """A case with its trail and evidence."""

    trail: list[CaseEvent]
    alerts: list[Alert] = Field(description="Attached as evidence, oldest first")
    next_steps: list[NextStep] = Field(description="What you may do in this state")
    request: CaseRequest | None = Field(description="What waits for approval")
    tasks: list[CaseTask] = Field(description="What each unit does, in a case of several")
    files: list[CaseFile] = Field(description="Photos and papers, the first added first")
    may_add_files: bool = Field(description="Whether you may add one now")
    chain: CaseChain
    gate: list[CasePassed] = Field(description="Its alerts that waited at the gate first")


class Interval(View):
    """Batch numbers, both ends included."""

    first: int
    last: int


class Gap(View):
    """What the edge gave up for good, and why."""

    epoch: str
    first_seq: int
    last_seq: int
    first_ms: Instant
    last_ms: Instant
    readings: int
    reason: str
    recorded_ms: Instant


class Epoch(View):
    """One buffer of a gateway: which of its numbered batches the cloud holds."""

    epoch: str
    intervals: list[Interval] = Field(description="Batches that are committed or given up")
    missing: list[Interval] = Field(description="Batches that are neither")
    readings: int = Field(description="Readings committed")
    first_ms: Instant
    last_ms: Instant


class Completeness(View):
    """How much of what a gateway numbered has arrived. due = arrived + given_up + missing."""

    due: int = Field(description="Batches numbered")
    arrived: int = Field(description="Batches committed")
    given_up: int = Field(description="Batches the edge declared lost, see gaps")
    missing: int = Field(description="Batches unaccounted for: on their way, or a fault")
    readings: int = Field(description="Readings committed")
    readings_given_up: int = Field(description="Readings the edge declared lost")


class Gateway(View):
    """One edge agent."""

    id: str
    online: bool
    state_ms: Instant = Field(description="When it last said so")
    born_ms: Instant | None
    agent_version: str
    config_version: str
    health: dict[str, float] = Field(
        description="Figures it reported last about itself; those of one that is away stay"
    )
    problems: list[str] = Field(description="What it complains about")
    devices: int
    completeness: Completeness


class GatewayDetail(Gateway):
    """A gateway with its batches and gaps."""

    epochs: list[Epoch]
    gaps: list[Gap] = Field(description="The newest 200")


class Waiting(View):
    """A device that nobody has adopted, or that was refused."""

    device: str
    gateway: str = Field(description="Who brought it; empty where it spoke for itself")
    state: str = Field(description="waiting; adopting, refusing: decided just now; refused")
    kind: str = Field(description="As its birth says, or guessed; empty if it is not clear")
    measurements: list[str] = Field(description="What it has sent, at most 50")
    readings: int = Field(description="That wait")
    dropped: int = Field(description="That there was no room for, or that waited too long")
    first_ms: Instant
    last_ms: Instant = Field(description="When it last spoke")
    decided_by: str
    decided_ms: Instant | None


class Delivery(View):
    """A step of a case that another system was not told yet."""

    id: int
    system: str = Field(description="Its name in case_systems")
    case: str
    step: str
    state: str = Field(description="waiting, dead, done, given up")
    attempts: int
    error: str = Field(description="What the other side said last")
    created_ms: Instant
    next_attempt_ms: Instant = Field(description="Not before; of no meaning once it is dead")
    by: str = Field(description="Who had it tried again, or gave it up")


class OutboxCount(View):
    """How much of a system is in a state."""

    system: str
    state: str
    deliveries: int


class Outbox(View):
    """What goes to other case systems."""

    systems: list[OutboxCount]
    items: list[Delivery] = Field(description="Refused or failed, at most 500")


class Arrival(View):
    """Readings of a device in some time. Those that are missing add up by their reasons."""

    due: int = Field(description="By the device's period")
    arrived: int
    late: int = Field(description="Of those that arrived, long after they were observed")
    missing: int
    silent: int = Field(description="The device did not answer its gateway")
    given_up: int = Field(description="The gateway declared them lost, see losses")
    offline: int = Field(description="The gateway was away")
    hole: int = Field(description="In batches of the gateway that are still to come")
    unexplained: int


class ArrivalDay(Arrival):
    """One local day, or the part of it that was asked for."""

    day: str = Field(description="The local date")
    from_ms: Instant
    to_ms: Instant


class Loss(View):
    """What a gateway declared lost, of all its devices."""

    from_ms: Instant
    to_ms: Instant
    readings: int
    reason: str


class DeviceCompleteness(View):
    """How complete a device's data is."""

    device: str
    period_s: float | None
    total: Arrival
    days: list[ArrivalDay]
    losses: list[Loss]


class Quarantined(View):
    """A message or record that could not be taken."""

    id: int
    received_ms: Instant
    gateway: str
    topic: str
    record: int | None = Field(description="Its place in the batch; null for a whole message")
    name: str
    reason: str
    sample: str = Field(description="The first bytes; what is not printable as \\xNN")


class Account(View):
    """Who is signed in."""

    name: str
    role: str = Field(description="viewer, operator, manager, admin")
    language: str
    case_roles: list[str] = Field(description="What it may do in cases")
    unit: str = Field(description="The handling unit it belongs to; empty for none")
