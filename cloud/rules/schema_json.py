"""schema.json, for editors: generated from cloud/rules/files.py. Run this file to write it."""

from __future__ import annotations

import json
from pathlib import Path

from cloud.rules.files import RulesFile

PATH = Path(__file__).parent / "schema.json"


def schema_json() -> str:
    """Return the schema as the file has it."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **RulesFile.model_json_schema(),
    }
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    PATH.write_text(schema_json(), encoding="utf-8")
