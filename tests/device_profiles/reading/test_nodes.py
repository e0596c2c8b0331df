"""YAML nodes as types: what is taken, what is refused."""

from __future__ import annotations

import msgspec.inspect as types
import pytest

from device_profiles.reading.nodes import NodeReader, compose, decimal_number, whole_number
from device_profiles.reading.report import Report, join, nearest
from device_profiles.schema import ProfileFile


@pytest.mark.parametrize(
    ("text", "number"),
    [("12", 12), ("-3", -3), ("0x1F4", 500), ("0X10", None), ("1.0", None), ("0o7", None),
     ("", None), ("1_000", None), ("９", None), ("9" * 30, None)],
)  # fmt: skip
def test_whole_numbers(text: str, number: int | None) -> None:
    assert whole_number(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [("12", 12), ("0x10", 16), ("1.5", 1.5), (".5", 0.5), ("1.", 1), ("1e3", 1000),
     ("-2.5E-1", -0.25), (".inf", None), ("nan", None), ("1e999", None), ("1 2", None)],
)  # fmt: skip
def test_decimal_numbers(text: str, number: float | None) -> None:
    assert decimal_number(text) == number


def test_every_type_of_the_schema_can_be_read() -> None:
    """A reader for each kind of type that msgspec finds in the schema, however deep."""
    seen: set[type[types.Type]] = set()

    def walk(kind: types.Type) -> None:
        while isinstance(kind, types.Metadata):
            kind = kind.type
        if isinstance(kind, types.StructType) and kind in structs:
            return
        seen.add(type(kind))
        if isinstance(kind, types.StructType):
            structs.append(kind)
            for field in kind.fields:
                walk(field.type)
        for inner in (
            *getattr(kind, "item_types", ()),
            *getattr(kind, "types", ()),
            *(getattr(kind, name) for name in ("item_type", "value_type") if hasattr(kind, name)),
        ):
            walk(inner)

    structs: list[types.StructType] = []
    walk(types.type_info(ProfileFile))
    assert seen - {types.NoneType} <= set(NodeReader._readers)
    assert len(structs) > 15


def test_a_wrong_key_is_answered_with_the_nearest_and_all_allowed() -> None:
    assert nearest("scal", ["scale", "offset"]) == "; did you mean scale? allowed: offset, scale"
    assert nearest("zzz", ["b", "a"]) == "; allowed: a, b"
    assert nearest("x", ["a"], label="there are") == "; there are: a"


def test_paths_join_with_dots() -> None:
    assert join("", "a") == "a"
    assert join("a[0]", "b") == "a[0].b"


def test_a_problem_is_told_at_the_nearest_line_there_is() -> None:
    report = Report("f.yaml", lines={"a": 3, "a.b[1]": 5})
    report.add("a.b[1].c.d", "one")
    report.add("a.x", "two")
    report.add("z", "three")
    report.add("z", "three")
    assert report.problems() == (
        "f.yaml:1: z: three",
        "f.yaml:3: a.x: two",
        "f.yaml:5: a.b[1].c.d: one",
    )


def test_text_folded_over_lines_is_one_line() -> None:
    report = Report("f.yaml")
    node = compose("a: >-\n  01 02\n  03\n", report)
    assert node is not None
    assert node.value[0][1].value == "01 02 03"
    assert report.problems() == ()
