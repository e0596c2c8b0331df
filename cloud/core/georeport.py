"""GeoReport v2 as a client reads it: whatever a server answers, in JSON or XML, or a DecodeError.

Source: wiki.open311.org/GeoReport_v2; the updates are FixMyStreet's extension.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET
from xml.parsers import expat

from cloud.core.case_message import Status, Theirs
from contract.clock import parse_iso
from contract.errors import DecodeError

MARK = re.compile(r"\[gw:([0-9A-Za-z.:_-]{1,64})\]")
Record = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """What a server says of a request just filed: its number, or a token until there is one."""

    remote: str = ""
    token: str = ""


def mark(reference: str) -> str:
    """Return what makes a text of ours known again: not every server gives attributes back."""
    return f"[gw:{reference}]"


def filed(body: bytes, form: str) -> Filed:
    """Read the answer to a filed request, or to a token. Raises: DecodeError."""
    for record in records(body, form):
        number, token = record.get("service_request_id", ""), record.get("token", "")
        if number or token:
            return Filed(remote=number, token="" if number else token)
    raise DecodeError("the answer has neither a service_request_id nor a token")


def requests(body: bytes, form: str, reference: str) -> list[Theirs]:
    """Read a list of service requests. reference: the attribute that our case's number is in.

    Raises: DecodeError.
    """
    return [
        Theirs(
            remote=record["service_request_id"],
            status=Status.CLOSED if record.get("status", "").lower() == "closed" else Status.OPEN,
            case=reference_of(record, reference),
            note=record.get("status_notes", ""),
            updated_ms=_time(record.get("updated_datetime", "")),
        )
        for record in records(body, form)
        if record.get("service_request_id")
    ]


def reference_of(record: Record, reference: str) -> str:
    """Return which case of ours a record is about; "" if none."""
    told = record.get(f"attribute.{reference}", "")
    if told:
        return told
    found = MARK.search(record.get("description", ""))
    return found[1] if found else ""


def records(body: bytes, form: str) -> list[Record]:
    """Read an answer's records, flat; attributes as `attribute.CODE`. Raises: DecodeError."""
    try:
        return _json(body) if form == "json" else _xml(body)
    except (ValueError, ET.ParseError, RecursionError) as error:
        raise DecodeError(f"the answer is no GeoReport in {form}: {error}") from error


def _json(body: bytes) -> list[Record]:
    told = json.loads(body)
    if not isinstance(told, list):
        raise _ShapeError("it is no array")
    found: list[Record] = []
    for each in told:
        if not isinstance(each, dict):
            raise _ShapeError("it is no array of objects")
        record = {key: _text(value) for key, value in each.items() if not _nested(value)}
        for key in ("attributes", "extended_attributes"):
            record.update(_attributes(each.get(key)))
        found.append(record)
    return found


def _attributes(told: object) -> dict[str, str]:
    """Servers differ: an object, or a list of {code, value}."""
    if isinstance(told, dict):
        return {f"attribute.{code}": _text(value) for code, value in told.items()}
    if isinstance(told, list):
        pairs = [each for each in told if isinstance(each, dict) and "code" in each]
        return {f"attribute.{each['code']}": _text(each.get("value")) for each in pairs}
    return {}


def _xml(body: bytes) -> list[Record]:
    _refuse_doctype(body)
    root = ET.fromstring(body)  # noqa: S314  no entities: _refuse_doctype
    found: list[Record] = []
    for each in root:
        record = {child.tag: (child.text or "").strip() for child in each if not len(child)}
        for child in each:
            if child.tag in ("attributes", "extended_attributes"):
                record.update(_xml_attributes(child))
        found.append(record)
    return found


def _xml_attributes(told: ET.Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in told:
        code = each.findtext("code")
        if code is None:
            found[f"attribute.{each.tag}"] = (each.text or "").strip()
        else:
            found[f"attribute.{code.strip()}"] = (each.findtext("value") or "").strip()
    return found


def _refuse_doctype(body: bytes) -> None:
    """Entities may unfold without end; nobody needs them here."""

    def refuse(*_: object) -> None:
        raise ValueError("it declares a document type")

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise ValueError(str(error)) from error


class _ShapeError(ValueError):
    """What was told has another shape."""


def _nested(value: object) -> bool:
    return isinstance(value, dict | list)


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _time(text: str) -> int:
    try:
        return parse_iso(text) if text else 0
    except ValueError:  # some leave the offset out; then it cannot be told from another
        return 0
