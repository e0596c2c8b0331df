"""The mapping of our fields to those of a platform: a YAML file, strict, and the files it makes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from cloud.core.assessment import Count
from cloud.core.case_steps import State
from cloud.core.model import Severity
from contract import strict_yaml
from contract.errors import ConfigError, RejectedError
from contract.quantities import Kind as DeviceKind

Value = str | int | float | None
Record = Mapping[str, Value]
Tag = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,62}$")]


# A spreadsheet takes a cell that begins so for a formula, and what people told may stand there.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Kind(StrEnum):
    """What is uploaded."""

    CASES = "cases"
    ALERTS = "alerts"
    ASSESSMENT = "assessment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A field of ours. values: all that it can be, where they are few."""

    is_time: bool = False
    values: tuple[str, ...] = ()


_PLAIN, _TIME = Source(), Source(is_time=True)
_SEVERITY = Source(values=tuple(Severity))
_DEVICE = Source(values=("", *DeviceKind))

# Figures of the formulas that are shipped.
RATES = (
    "handled",
    "handled_in_time",
    "closed",
    "closed_in_time",
    "reworked",
    "extended",
    "dispatched_right",
    "verified_in_time",
    "satisfaction",
)

SOURCES: dict[Kind, dict[str, Source]] = {
    Kind.CASES: {
        **dict.fromkeys(("id", "asset", "category", "title", "title_en", "device"), _PLAIN),
        "kind": _DEVICE,
        "severity": _SEVERITY,
        "state": Source(values=tuple(State)),
        **dict.fromkeys(("unit", "source", "cell", "address", "description"), _PLAIN),
        **dict.fromkeys(("latitude", "longitude", "occurrences", "satisfaction"), _PLAIN),
        **dict.fromkeys(("opened", "due", "closed"), _TIME),
    },
    Kind.ALERTS: {
        **dict.fromkeys(("id", "rule", "device", "measurement", "title", "title_en"), _PLAIN),
        "kind": _DEVICE,
        "severity": _SEVERITY,
        **dict.fromkeys(("limit", "first_value"), _PLAIN),
        **dict.fromkeys(("began", "returned", "ended"), _TIME),
    },
    Kind.ASSESSMENT: dict.fromkeys(
        (
            "month",
            "unit",
            "closed_on_time",
            *(count.value for count in Count),
            *(f"{key}_rate" for key in RATES),
        ),
        _PLAIN,
    ),
}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldMap(_Section):
    """One field of theirs: from one of ours, or always the same value."""

    to: Tag
    from_: Annotated[str | None, Field(alias="from")] = None
    value: str | None = None
    time: str | None = None
    map: dict[str, str] | None = None
    required: bool = False
    most: Annotated[int | None, Field(ge=1)] = None


class RecordMap(_Section):
    """The fields of a record, in their order."""

    record: Tag = "record"
    fields: Annotated[tuple[FieldMap, ...], Field(min_length=1)]


class FieldMapping(_Section):
    """The whole file."""

    format: Literal["json", "csv", "xml"]
    root: Tag = "records"
    cases: RecordMap | None = None
    alerts: RecordMap | None = None
    assessment: RecordMap | None = None

    @property
    def kinds(self) -> list[Kind]:
        return [kind for kind in Kind if self.of(kind) is not None]

    def of(self, kind: Kind) -> RecordMap | None:
        """Return how records of a kind are mapped; None if they are not uploaded."""
        found: RecordMap | None = getattr(self, kind.value)
        return found


def load_mapping(path: Path, figures: Collection[str] = RATES) -> FieldMapping:
    """Read the file. figures: keys of the assessment, each mapped as KEY_rate.

    Raises: ConfigError with every problem, each with file, line and key.
    """
    rates = {f"{key}_rate": _PLAIN for key in figures}
    sources = {**SOURCES, Kind.ASSESSMENT: {**SOURCES[Kind.ASSESSMENT], **rates}}
    document = strict_yaml.read(path)
    mapping = strict_yaml.check(document, FieldMapping)
    problems = [
        document.problem((kind.value, "fields", index, *where), what)
        for kind in mapping.kinds
        for index, one in enumerate((mapping.of(kind) or _NONE).fields)
        for where, what in _problems(kind, one, sources[kind])
    ]
    for kind in mapping.kinds:
        named = [one.to for one in (mapping.of(kind) or _NONE).fields]
        problems += [
            document.problem((kind.value, "fields", index, "to"), f"{name!r} stands there twice")
            for index, name in enumerate(named)
            if name in named[:index]
        ]
    if not mapping.kinds:
        problems.append(document.problem((), "nothing to upload: add cases, alerts or assessment"))
    if problems:
        raise ConfigError(*problems)
    return mapping


_NONE = RecordMap(fields=(FieldMap(to="nothing", value=""),))


def _problems(
    kind: Kind, one: FieldMap, sources: Mapping[str, Source]
) -> Iterator[tuple[tuple[str, ...], str]]:
    if (one.from_ is None) == (one.value is None):
        yield (), "say either from or value"
        return
    if one.from_ is None:
        return
    source = sources.get(one.from_)
    if source is None:
        hint = strict_yaml.suggest(one.from_, list(sources))
        yield ("from",), f"{kind.value} have no field {one.from_!r}; {hint}"
        return
    if source.is_time != (one.time is not None):
        yield ("time",), f"{one.from_} is {'a' if source.is_time else 'no'} time"
    if one.map is not None and source.values:
        missing = [value for value in source.values if value not in one.map and value]
        unknown = [value for value in one.map if value not in source.values]
        if missing:
            yield ("map",), f"says nothing of {', '.join(missing)}"
        for value in unknown:
            yield ("map", value), f"unknown {value!r}; {strict_yaml.suggest(value, source.values)}"


# --- writing -----------------------------------------------------------------------------------


def write(mapping: FieldMapping, kind: Kind, rows: Sequence[Record], zone: ZoneInfo) -> bytes:
    """Write records as the platform takes them. Raises: RejectedError if one cannot be said."""
    how = mapping.of(kind) or _NONE
    records = [{one.to: _value(one, row, zone) for one in how.fields} for row in rows]
    match mapping.format:
        case "json":
            return json.dumps({mapping.root: records}, ensure_ascii=False).encode()
        case "csv":
            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, [one.to for one in how.fields], lineterminator="\r\n")
            writer.writeheader()
            told = {one.to for one in how.fields if one.from_ is not None and one.map is None}
            for record in records:
                writer.writerow(
                    {to: _inert(value) if to in told else value for to, value in record.items()}
                )
            return text.getvalue().encode()
        case _:
            inner = "".join(_element(how.record, _inner(each)) for each in records)
            head = '<?xml version="1.0" encoding="utf-8"?>\n'
            return (head + _element(mapping.root, inner)).encode()


def _value(one: FieldMap, row: Record, zone: ZoneInfo) -> Value:
    if one.from_ is None:
        return one.value
    value = row[one.from_]
    if one.time is not None and isinstance(value, int):
        value = datetime.fromtimestamp(value / 1000, UTC).astimezone(zone).strftime(one.time)
    if one.map is not None and value not in (None, ""):
        if str(value) not in one.map:
            raise RejectedError(
                f"{row.get('id', '')}: {one.to}: the mapping says nothing of {value!r}"
            )
        value = one.map[str(value)]
    if one.required and value in (None, ""):
        raise RejectedError(f"{row.get('id', '')}: {one.to} is required, and {one.from_} is empty")
    if one.most is not None and isinstance(value, str):
        value = value[: one.most]
    return value


def _inert(value: Value) -> Value:
    """Mark text as text where a spreadsheet would compute it; a lone sign is none."""
    if isinstance(value, str) and len(value) > 1 and value.startswith(FORMULA):
        return f"'{value}"
    return value


def _inner(record: Record) -> str:
    return "".join(
        _element(name, "" if value is None else escape(_speakable(str(value))))
        for name, value in record.items()
    )


def _speakable(text: str) -> str:
    return "".join(c if c.isprintable() or c in "\t\n\r" else "\ufffd" for c in text)


def _element(tag: str, inner: str) -> str:
    return f"<{tag}>{inner}</{tag}>"
