"""Where the measurements of a message came from: JSON by JMESPath, HJ 212 by factor."""

from __future__ import annotations

import math
from collections.abc import Mapping

import jmespath

from contract.errors import DecodeError
from device_profiles.core.envelopes import envelopes_of
from device_profiles.core.hj212 import Frame, item_of
from device_profiles.core.payload import Json, as_number, as_text, find
from device_profiles.schema import Hj212, Mqtt
from device_profiles.tables import place
from edge.core.trace import Origin


def payload_origins(mqtt: Mqtt, document: Json) -> dict[str, Origin]:
    """Tell where each measurement of a JSON message came from, by name; those that it has.

    Args: document: of an envelope of the profile, whichever.
    """
    for envelope in envelopes_of(mqtt):
        own = find(jmespath.compile(envelope.root), document) if envelope.root else document
        found = {
            name: _of_json(f"{envelope.root}.{part.path}".lstrip("."), own, part.path, part.unit)
            for name, part in mqtt.measurements.items()
        }
        found |= {
            name: _of_json(path, document, path, "") for name, path in envelope.signals.items()
        }
        told = {name: origin for name, origin in found.items() if origin.came}
        if told:
            return told
    return {}


def _of_json(shown: str, own: Json, path: str, unit: str) -> Origin:
    try:
        found = find(jmespath.compile(path), own)
    except DecodeError:  # a function that meets nothing to work on: another envelope's path
        found = None
    number = as_number(found)
    return Origin(
        place=shown,
        came=as_text(found) or "",
        raw=number if math.isfinite(number) else None,
        sent=unit,
        why="no number, or one that means: no value",
    )


def report_origins(hj212: Hj212, frame: Frame, units: Mapping[str, str]) -> dict[str, Origin]:
    """Tell where each measurement of a report came from, by name; those that it has.

    Args: units: measurement -> unit that this very station sends, where not the profile's.
    """
    return {
        name: Origin(
            place=place(part),
            came=frame.cp[item_of(part)],
            raw=as_finite(frame.cp[item_of(part)]),
            sent=units.get(name, part.unit),
            why="no number",
        )
        for name, part in hj212.measurements.items()
        if part.command == frame.command and item_of(part) in frame.cp
    }


def as_finite(text: str) -> float | None:
    """Read a number; None for what is none."""
    number = as_number(text)
    return number if math.isfinite(number) else None
