from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.grid import Cell, GridError, find_cell, parse_grid


def square(west: float, south: float, side: float = 1.0) -> list[list[float]]:
    east, north = west + side, south + side
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def feature(code: str, *rings: list[list[float]], unit: str = "") -> dict[str, object]:
    return {
        "type": "Feature",
        "properties": {"code": code, "unit": unit},
        "geometry": {"type": "Polygon", "coordinates": list(rings)},
    }


def grid(*features: object) -> dict[str, object]:
    return {"type": "FeatureCollection", "features": list(features)}


CELLS = parse_grid(
    grid(
        feature("A", square(116, 39), unit="东城"),
        feature("B", square(117, 39)),
        feature("ring", square(120, 30, 3), square(121, 31)),
        {
            "type": "Feature",
            "properties": {"code": "two"},
            "geometry": {
                "type": "MultiPolygon",
                "coordinates": [[square(10, 10)], [square(20, 20)]],
            },
        },
    )
)


@pytest.mark.parametrize(
    ("longitude", "latitude", "code"),
    [
        (116.5, 39.5, "A"),
        (117.5, 39.5, "B"),
        (120.5, 30.5, "ring"),
        (121.5, 31.5, None),  # in the hole
        (10.5, 10.5, "two"),
        (20.5, 20.5, "two"),
        (0.0, 0.0, None),
    ],
)
def test_which_cell_a_place_is_in(longitude: float, latitude: float, code: str | None) -> None:
    found = find_cell(CELLS, longitude, latitude)
    assert (found.code if found else None) == code


@settings(max_examples=80)
@given(st.floats(115.5, 118.5), st.floats(38.5, 40.5))
def test_a_place_is_in_one_of_two_neighbours_at_most(longitude: float, latitude: float) -> None:
    having = [cell.code for cell in CELLS[:2] if cell.contains(longitude, latitude)]
    assert len(having) == (116 <= longitude < 118 and 39 <= latitude < 40)


def test_a_border_is_of_one_cell_only() -> None:
    assert [cell.contains(117.0, 39.5) for cell in CELLS[:2]] == [False, True]
    assert isinstance(CELLS[0], Cell)
    assert CELLS[0].unit == "东城"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "the document: is no object"),
        ({"type": "Feature"}, "no FeatureCollection"),
        (grid(feature("", square(0, 0))), r"features\[0\].properties.code"),
        (grid(feature("a", square(0, 0)), feature("a", square(0, 0))), "'a' is there twice"),
        (grid(feature("a", square(0, 0)[:3])), "four points"),
        (grid(feature("a", square(0, 0)[:4])), "the last as the first"),
        (grid(feature("a", square(179.5, 0))), "no place on earth"),
        (grid({"properties": {"code": "a"}, "geometry": {"type": "Point", "coordinates": [1, 2]}}),
         "allowed: Polygon, MultiPolygon"),
        (grid(feature("a", [["x", 1], [1, 2], [3, 4], ["x", 1]])), "a point is"),  # type: ignore[list-item]
    ],
)  # fmt: skip
def test_what_is_no_grid(document: object, words: str) -> None:
    with pytest.raises(GridError, match=words):
        parse_grid(document)
