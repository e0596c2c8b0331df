"""schema.json is what the types say."""

from __future__ import annotations

import json

from contract.quantities import QUANTITIES
from contract.units import UNITS
from device_profiles.editor_schema import SCHEMA_FILE, editor_schema


def test_the_file_is_up_to_date() -> None:
    """If this fails: python -m device_profiles.editor_schema."""
    assert SCHEMA_FILE.read_text(encoding="utf-8") == editor_schema()


def test_an_editor_is_told_names_units_and_what_keys_mean() -> None:
    schema = json.loads(editor_schema())
    assert schema["additionalProperties"] is False
    assert len(schema["oneOf"]) == 3
    parts = schema["$defs"]
    assert all(
        field["description"]
        for part in parts.values()
        for field in part.get("properties", {}).values()
    )
    point = parts["RegisterMeasurement"]["properties"]
    assert set(UNITS) <= set(point["unit"]["enum"])
    assert "default" not in point["function"]
    names = parts["Modbus"]["properties"]["measurements"]["propertyNames"]["pattern"]
    assert all(key in names for key in QUANTITIES)
