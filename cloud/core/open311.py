"""GeoReport v2 as a server speaks it: its services, its rules, its errors.

Source: wiki.open311.org/GeoReport_v2; updates are FixMyStreet's extension. Every refusal is an
array of {code, description}: 404 not found, 403 no or a wrong key, 400 all else; never 422.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from cloud.core.case_steps import Label
from cloud.core.gate import CATEGORIES
from contract.clock import parse_iso

BAD, FORBIDDEN, MISSING = 400, 403, 404
DAY_MS = 86_400_000
LONGEST_MS = 90 * DAY_MS
MOST = 1_000
LONGEST_DESCRIPTION = 4_000
LONGEST_FIELD = 500
MOST_FIELDS = 100
_ATTRIBUTE = re.compile(r"attribute\[([^\]]{1,64})\](\[\])?")
_W3 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)")

REFERENCE, ASSET, CONDITION = "case_id", "asset", "condition"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong. code: its HTTP status; the first one's is the answer's.

    wait_s: after which it may be tried again; 0 where that helps nothing.
    """

    code: int
    description: str
    wait_s: int = 0


class RefusedError(ValueError):
    """A request that the rules refuse, with every rule that refused it."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(fault.description for fault in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """What may, or must, be told with a request of a service. values: those allowed, by key."""

    code: str
    label: Label
    required: bool = False
    values: Mapping[str, Label] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One category of the ledger as others see it."""

    code: str
    label: Label
    group: Label
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A request that keeps the rules. reference: the caller's own number; "" for none.

    fields: who told it and how to reach them; attributes: all that were told, by code.
    """

    service: Service
    description: str
    latitude: float | None
    longitude: float | None
    address: str
    address_id: str
    reference: str
    asset: str
    attributes: Mapping[str, tuple[str, ...]]
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which requests are asked for. ids: given, they alone count. statuses: of open and closed."""

    ids: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    from_ms: int = 0
    to_ms: int = 0


_EVENTS, _COMPONENTS = Label(zh="事件", en="events"), Label(zh="部件", en="components")
_COMMON = (
    Attribute(code=REFERENCE, label=Label(zh="来源系统的编号", en="the sender's own number")),
    Attribute(code=ASSET, label=Label(zh="部件编码", en="code of the asset")),
    Attribute(code="keyword", label=Label(zh="关键词", en="keyword")),
    Attribute(code="area", label=Label(zh="区域", en="area")),
    Attribute(code="pollution_source", label=Label(zh="污染源", en="pollution source")),
)
_CONDITION = Attribute(
    code=CONDITION,
    label=Label(zh="井盖状况", en="what is wrong with the cover"),
    required=True,
    values={
        "missing": Label(zh="缺失", en="missing"),
        "broken": Label(zh="破损", en="broken"),
        "open": Label(zh="移位或打开", en="moved or open"),
        "other": Label(zh="其他", en="something else"),
    },
)


def service(code: str, label: Label) -> Service:
    """Return a category as a service."""
    component = code.startswith("C")
    return Service(
        code=code,
        label=label,
        group=_COMPONENTS if component else _EVENTS,
        attributes=(*_COMMON, _CONDITION) if component else _COMMON,
    )


def services_of(categories: Mapping[str, Label]) -> dict[str, Service]:
    """Return the services of a city, by code: one for each of its categories."""
    return {code: service(code, label) for code, label in categories.items()}


SERVICES = services_of(CATEGORIES)

# Who tells it, and how they may be reached: taken if given, never asked for, never shown.
_PERSONAL = ("email", "device_id", "account_id", "first_name", "last_name", "phone", "media_url")
_ONCE = (
    "api_key",
    "jurisdiction_id",
    "service_code",
    "lat",
    "long",
    "address_string",
    "address_id",
    "description",
    *_PERSONAL,
)


def form_of(body: bytes, media_type: str) -> dict[str, tuple[str, ...]]:
    """Read a form; a name may come several times. Raises: RefusedError."""
    if media_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise RefusedError(
            Fault(code=BAD, description="send a form: application/x-www-form-urlencoded")
        )
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except (UnicodeDecodeError, ValueError):
        words = f"the form is not URL-encoded UTF-8 of at most {MOST_FIELDS} fields"
        raise RefusedError(Fault(code=BAD, description=words)) from None
    found: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        found[name] = (*found.get(name, ()), value.strip())
    return found


def wanted_of(
    form: Mapping[str, Sequence[str]], services: Mapping[str, Service] = SERVICES
) -> Wanted:
    """Read a request to be filed; the key is checked elsewhere. Raises: RefusedError, with all."""
    faults: list[Fault] = [
        Fault(code=BAD, description=f"{name} was given {len(form[name])} times")
        for name in _ONCE
        if len(form.get(name, ())) > 1
    ]
    single = {name: values[0] for name, values in form.items() if name in _ONCE and values}
    faults += _too_long(single)
    service = _wanted_service(single, services, faults)
    latitude, longitude = _place(single, faults)
    attributes = _attributes(form)
    if service is not None:
        faults += _attribute_faults(service, attributes)
    description = single.get("description", "") or _condition(service, attributes)
    if not description:
        faults.append(Fault(code=BAD, description="description was not provided"))
    if faults or service is None:
        raise RefusedError(*faults)
    return Wanted(
        service=service,
        description=description,
        latitude=latitude,
        longitude=longitude,
        address=single.get("address_string", ""),
        address_id=single.get("address_id", ""),
        reference=attributes.get(REFERENCE, ("",))[0],
        asset=attributes.get(ASSET, ("",))[0],
        attributes=attributes,
        fields={name: single[name] for name in _PERSONAL if single.get(name)},
    )


def _too_long(single: Mapping[str, str]) -> list[Fault]:
    return [
        Fault(code=BAD, description=f"{name} has {len(value)} characters; at most {most}")
        for name, value in single.items()
        if len(value) > (most := LONGEST_DESCRIPTION if name == "description" else LONGEST_FIELD)
    ]


def _condition(service: Service | None, told: Mapping[str, Sequence[str]]) -> str:
    """What is chosen from lists, in words: it describes a matter where nobody wrote anything."""
    chosen = [
        attribute.values[value]
        for attribute in (service.attributes if service else ())
        for value in told.get(attribute.code, ())
        if value in attribute.values
    ]
    return ", ".join(f"{label.zh} {label.en}" for label in chosen)


def _wanted_service(
    single: Mapping[str, str], services: Mapping[str, Service], faults: list[Fault]
) -> Service | None:
    code = single.get("service_code", "")
    if not code:
        faults.append(Fault(code=BAD, description="service_code was not provided"))
        return None
    if code not in services:
        faults.append(_no_service(code))
    return services.get(code)


def service_of(code: str, services: Mapping[str, Service] = SERVICES) -> Service:
    """Return a service. Raises: RefusedError if there is none of that code."""
    if code not in services:
        raise RefusedError(_no_service(code))
    return services[code]


def _no_service(code: str) -> Fault:
    return Fault(code=MISSING, description=f"service_code {code[:64]!r} was not found")


def _place(
    single: Mapping[str, str], faults: list[Fault]
) -> tuple[float, float] | tuple[None, None]:
    """One of three: coordinates, an address in words, or the number of an address."""
    told = {name: single.get(name, "") for name in ("lat", "long")}
    if not any(told.values()):
        if not single.get("address_string") and not single.get("address_id"):
            words = "no location: give lat and long, or address_string, or address_id"
            faults.append(Fault(code=BAD, description=words))
        return None, None
    found: list[float] = []
    for name, most in (("lat", 90.0), ("long", 180.0)):
        value = _number(told[name])
        if value is None or abs(value) > most:
            words = f"{name} {told[name][:40]!r} is no number from -{most:g} to {most:g}"
            faults.append(
                Fault(code=BAD, description=words if told[name] else f"{name} is missing")
            )
        else:
            found.append(value)
    return (found[0], found[1]) if len(found) == 2 else (None, None)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _attributes(form: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, values in form.items():
        match = _ATTRIBUTE.fullmatch(name)
        given = tuple(value for value in values if value)
        if match and given:
            found[match[1]] = (*found.get(match[1], ()), *given)
    return found


def _attribute_faults(service: Service, told: Mapping[str, Sequence[str]]) -> list[Fault]:
    faults: list[Fault] = []
    for attribute in service.attributes:
        values = told.get(attribute.code, ())
        name = f"attribute[{attribute.code}]"
        allowed = f"allowed: {', '.join(attribute.values)}" if attribute.values else ""
        if not values and attribute.required:
            words = f"{name} was not provided, and {service.code} requires it; {allowed}"
            faults.append(Fault(code=BAD, description=words))
        if len(values) > 1:
            faults.append(Fault(code=BAD, description=f"{name} was given {len(values)} times"))
        faults += [
            Fault(code=BAD, description=f"{name} is {value[:64]!r}; {allowed}")
            for value in values
            if attribute.values and value not in attribute.values
        ]
    faults += [
        Fault(code=BAD, description=f"attribute[{code}] has more than {LONGEST_FIELD} characters")
        for code, values in told.items()
        if any(len(value) > LONGEST_FIELD for value in values)
    ]
    return faults


# --- asking ------------------------------------------------------------------------------------


def search_of(
    query: Mapping[str, str], now_ms: int, services: Mapping[str, Service] = SERVICES
) -> Search:
    """Read the filters of a list. Raises: RefusedError."""
    ids = _listed(query.get("service_request_id", ""))
    if ids:  # the specification: this one overrides all others
        return Search(ids=ids[:MOST])
    statuses = tuple(status.lower() for status in _listed(query.get("status", "")))
    faults = [
        Fault(code=BAD, description=f"status {status[:40]!r}; allowed: open, closed")
        for status in statuses
        if status not in ("open", "closed")
    ]
    from_ms, to_ms = _stretch(query, now_ms, faults)
    if faults:
        raise RefusedError(*faults)
    codes = _listed(query.get("service_code", ""))
    for code in codes:
        service_of(code, services)
    return Search(codes=codes, statuses=statuses, from_ms=from_ms, to_ms=to_ms)


def stretch_of(query: Mapping[str, str], now_ms: int) -> tuple[int, int]:
    """Read start_date and end_date, at most 90 days; the latest if none. Raises: RefusedError."""
    faults: list[Fault] = []
    found = _stretch(query, now_ms, faults)
    if faults:
        raise RefusedError(*faults)
    return found


def _stretch(query: Mapping[str, str], now_ms: int, faults: list[Fault]) -> tuple[int, int]:
    start, end = (_date(query, name, faults) for name in ("start_date", "end_date"))
    if start is not None and end is not None:
        if end < start:
            faults.append(Fault(code=BAD, description="end_date is before start_date"))
        if end - start > LONGEST_MS:
            faults.append(Fault(code=BAD, description="start_date to end_date is over 90 days"))
        return start, end
    if start is not None:
        return start, start + LONGEST_MS
    last = now_ms if end is None else end
    return last - LONGEST_MS, last


def _date(query: Mapping[str, str], name: str, faults: list[Fault]) -> int | None:
    text = query.get(name, "").replace(" ", "+")  # a plus that was not encoded
    if not text:
        return None
    try:
        if not _W3.fullmatch(text):
            raise ValueError(text)
        return parse_iso(text)
    except (ValueError, OverflowError):
        words = f"{name} {text[:40]!r} is no time with an offset, e.g. 2026-11-22T08:00:00+08:00"
        faults.append(Fault(code=BAD, description=words))
        return None


def _listed(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(",") if each.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An update of a request. update: the sender's own number of it."""

    case: str
    update: str
    status: str
    description: str


def said_of(form: Mapping[str, Sequence[str]]) -> Said:
    """Read an update. Raises: RefusedError, with all that is wrong."""
    told = {name: values[0] for name, values in form.items() if values}
    faults = [
        Fault(code=BAD, description=f"{name} was not provided")
        for name in ("service_request_id", "update_id", "status")
        if not told.get(name)
    ]
    status = told.get("status", "").upper()
    if status and status not in ("OPEN", "CLOSED"):
        words = f"status {told['status'][:40]!r}; allowed: OPEN, CLOSED"
        faults.append(Fault(code=BAD, description=words))
    faults += _too_long(told)
    if faults:
        raise RefusedError(*faults)
    return Said(
        case=told["service_request_id"],
        update=told["update_id"],
        status=status,
        description=told.get("description", ""),
    )
