"""GeoReport v2 on the wire: one structure, written as JSON or as XML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

Value = str | int | float | bool | None | Mapping[str, "Value"] | Sequence["Value"]

FORMS = {"xml": "text/xml; charset=utf-8", "json": "application/json; charset=utf-8"}

# What an item of a list is called in XML.
ITEMS = {
    "services": "service",
    "attributes": "attribute",
    "values": "value",
    "service_requests": "request",
    "service_request_updates": "request_update",
    "errors": "error",
    "endpoints": "endpoint",
    "formats": "format",
}
# XML 1.0 has no way to say these.
_UNSPEAKABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(root: str, value: Value, form: str) -> bytes:
    """Write an answer. root: what its outermost element is called in XML. form: of FORMS."""
    if form == "json":
        return json.dumps(value, ensure_ascii=False).encode()
    return f'<?xml version="1.0" encoding="utf-8"?>\n{_element(root, value)}'.encode()


def _element(tag: str, value: Value) -> str:
    inner = _inner(tag, value)
    return f"<{tag}>{inner}</{tag}>" if inner else f"<{tag}/>"


def _inner(tag: str, value: Value) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return escape(_UNSPEAKABLE.sub("\ufffd", str(value)))
        case Mapping():
            return "".join(_element(name, each) for name, each in value.items())
        case _:
            return "".join(_element(ITEMS[tag], each) for each in value)
