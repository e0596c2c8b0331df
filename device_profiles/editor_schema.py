"""schema.json for editors, made from the schema's types.

python -m device_profiles.editor_schema        writes device_profiles/schema.json anew
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any, TypeAlias, get_args

import msgspec

from contract.quantities import QUANTITIES
from contract.units import UNITS
from device_profiles.schema import ProfileFile, Protocol

SCHEMA_FILE = Path(__file__).parent / "schema.json"

# JSON Schema is a dictionary of anything; it ends in this module.
JsonSchema: TypeAlias = "dict[str, Any]"


def editor_schema() -> str:
    """Return the text of schema.json: types, meanings, and the names an editor can offer."""
    (top,), parts = msgspec.json.schema_components([ProfileFile], ref_template="#/$defs/{name}")
    for part in parts.values():
        _tidy(part)
    whole = parts.pop("ProfileFile")
    whole["oneOf"] = [{"required": [protocol]} for protocol in get_args(Protocol)]
    del whole["description"], top
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **whole,
        "title": "Gridwarden device profile",
        "$defs": dict(sorted(parts.items())),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _tidy(part: JsonSchema) -> None:
    """Straighten a struct's description, and say which quantities and units there are."""
    part["description"] = inspect.cleandoc(part.get("description", ""))
    quantities = f"^({'|'.join(QUANTITIES)})(\\.[a-z0-9_-]{{1,32}})?$"
    for key, field in part.get("properties", {}).items():
        if "by default the modbus block's" in field["description"]:
            del field["default"]
        field["description"] = field["description"][:1].upper() + field["description"][1:] + "."
        if (
            key in ("measurements", "derived", "expect", "aggregates")
            and field.get("type") == "object"
        ):
            field["propertyNames"] = {"pattern": quantities}
        if key == "unit" and "sentinels" in part["properties"]:
            field["enum"] = [*UNITS, ""]


if __name__ == "__main__":
    SCHEMA_FILE.write_text(editor_schema(), encoding="utf-8")
