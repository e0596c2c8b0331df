from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest

from cloud.cases.mapping import SOURCES, FieldMapping, Kind, Record, load_mapping, write
from contract.errors import ConfigError, RejectedError

ZONE = ZoneInfo("Asia/Shanghai")
GOOD = """
format: FORMAT
root: cases
cases:
  record: case
  fields:
    - {to: AJBH, from: id, required: true}
    - {to: SBSJ, from: opened, time: "%Y-%m-%d %H:%M:%S"}
    - {to: JASJ, from: closed, time: "%Y-%m-%d %H:%M:%S"}
    - {to: DJ, from: severity, map: {low: "1", medium: "2", high: "3", critical: "4"}}
    - {to: MS, from: description, most: 4}
    - {to: JD, from: longitude}
    - {to: XZQH, value: "410100"}
"""
ROW: Record = {
    "id": "20260922-000001",
    "opened": 1_790_042_400_000,
    "closed": None,
    "severity": "medium",
    "description": "<夜里>太吵了",
    "longitude": 113.6,
}
WRITTEN = ["20260922-000001", "2026-09-22 10:00:00", "", "2", "<夜里>", "113.6", "410100"]


def mapping(folder: Path, form: str = "json", text: str = GOOD) -> FieldMapping:
    path = folder / "province.yaml"
    path.write_text(text.replace("FORMAT", form), encoding="utf-8")
    return load_mapping(path)


def read(body: bytes, form: str) -> list[str]:
    match form:
        case "json":
            (record,) = json.loads(body)["cases"]
            return ["" if value is None else str(value) for value in record.values()]
        case "csv":
            return list(csv.reader(io.StringIO(body.decode())))[1]
        case _:
            (node,) = ET.fromstring(body)
            return [child.text or "" for child in node]


@pytest.mark.parametrize("form", ["json", "csv", "xml"])
def test_records_are_written_as_the_platform_takes_them(tmp_path: Path, form: str) -> None:
    assert read(write(mapping(tmp_path, form), Kind.CASES, [ROW], ZONE), form) == WRITTEN


@pytest.mark.parametrize("told", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_a_spreadsheet_computes_nothing_that_people_told(tmp_path: Path, told: str) -> None:
    row = {**ROW, "description": told, "longitude": -113.6}
    written = write(mapping(tmp_path, "csv"), Kind.CASES, [row], ZONE)
    assert read(written, "csv")[4:6] == [f"'{told[:4]}", "-113.6"]
    for form in ("json", "xml"):  # nothing computes these
        assert read(write(mapping(tmp_path, form), Kind.CASES, [row], ZONE), form)[4] == told[:4]


@pytest.mark.parametrize(
    ("wrong", "right", "words"),
    [
        ("from: id,", "from: idd,", ":7: cases.fields[0].from: cases have no field 'idd'; did you"),
        ("required: true", "requird: true", "did you mean required?"),
        (', time: "%Y-%m-%d %H:%M:%S"}', "}", "opened is a time"),
        ("from: longitude", 'from: longitude, time: "%Y"', "longitude is no time"),
        ('critical: "4"', 'critcal: "4"', "says nothing of critical"),
        ('critical: "4"', 'critical: "4", huge: "5"', "unknown 'huge'"),
        ('value: "410100"', 'value: "410100", from: id', "say either from or value"),
        ("to: JD", "to: AJBH", "'AJBH' stands there twice"),
        ("to: JD", "to: 1 D", "String should match pattern".lower()),
        ("format: json", "format: yaml", "format"),
        ("\ncases:", "\ncase:", "unknown key; did you mean cases?"),
    ],
)
def test_a_mapping_that_cannot_be_is_told_with_its_line(
    tmp_path: Path, wrong: str, right: str, words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        mapping(tmp_path, text=GOOD.replace("FORMAT", "json").replace(wrong, right))
    assert words in str(caught.value)


def test_the_example_of_the_documentation_is_one_that_loads(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "exchange.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```yaml\n(format:.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert mapping(tmp_path, text=example).kinds == [Kind.CASES]
    for kind, fields in SOURCES.items():
        (line,) = re.findall(rf"^\| {kind} \| (.*) \|$", text, re.MULTILINE)
        assert set(re.findall(r"`(\w+)`", line)) == set(fields)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"severity": "dire"}, "DJ: the mapping says nothing of 'dire'"),
        ({"id": ""}, "AJBH is required, and id is empty"),
    ],
)
def test_a_record_that_cannot_be_said_is_refused(
    tmp_path: Path, change: dict[str, str], words: str
) -> None:
    with pytest.raises(RejectedError, match=words):
        write(mapping(tmp_path), Kind.CASES, [{**ROW, **change}], ZONE)
