"""The area grid 单元网格: which cell a place is in. Shapes are GeoJSON's (RFC 7946)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Point = tuple[float, float]  # longitude, latitude, as GeoJSON has it
Ring = tuple[Point, ...]


class GridError(ValueError):
    """The document is no grid. Says which feature is wrong, and how."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. polygons: each an outer ring and its holes; unit: responsible there, if named."""

    code: str
    polygons: tuple[tuple[Ring, ...], ...]
    unit: str = ""

    def contains(self, longitude: float, latitude: float) -> bool:
        """Whether a place is in the cell; one of two neighbours has what is on their border."""
        return any(_in_polygon(rings, longitude, latitude) for rings in self.polygons)


def find_cell(cells: Iterable[Cell], longitude: float, latitude: float) -> Cell | None:
    """Return the first cell that a place is in."""
    return next((cell for cell in cells if cell.contains(longitude, latitude)), None)


def parse_grid(document: object, code: str = "code", unit: str = "unit") -> tuple[Cell, ...]:
    """Read a FeatureCollection of Polygons and MultiPolygons.

    Args:    code, unit: the properties that name a cell and its responsible unit.
    Raises:  GridError naming the first feature that is wrong.
    """
    collection = _mapping(document, "the document")
    if collection.get("type") != "FeatureCollection":
        raise GridError("the document is no FeatureCollection")
    cells: dict[str, Cell] = {}
    for number, each in enumerate(_list(collection.get("features"), "features")):
        where = f"features[{number}]"
        feature = _mapping(each, where)
        properties = _mapping(feature.get("properties"), f"{where}.properties")
        name = str(properties.get(code) or "")
        if not name or len(name) > 63:
            raise GridError(f"{where}.properties.{code}: a cell's code has 1 to 63 characters")
        if name in cells:
            raise GridError(f"{where}.properties.{code}: {name!r} is there twice")
        shape = _mapping(feature.get("geometry"), f"{where}.geometry")
        polygons = _polygons(shape, f"{where}.geometry")
        cells[name] = Cell(name, polygons, str(properties.get(unit) or ""))
    return tuple(cells.values())


def _polygons(shape: Mapping[str, object], where: str) -> tuple[tuple[Ring, ...], ...]:
    inside = _list(shape.get("coordinates"), f"{where}.coordinates")
    match shape.get("type"):
        case "Polygon":
            return (_rings(inside, where),)
        case "MultiPolygon":
            return tuple(_rings(_list(each, where), where) for each in inside)
        case other:
            raise GridError(f"{where}.type: {other!r}; allowed: Polygon, MultiPolygon")


def _rings(rings: Sequence[object], where: str) -> tuple[Ring, ...]:
    found = tuple(tuple(_point(each, where) for each in _list(ring, where)) for ring in rings)
    if not found or any(len(ring) < 4 or ring[0] != ring[-1] for ring in found):
        raise GridError(f"{where}: a ring has four points or more, the last as the first")
    return found


def _point(value: object, where: str) -> Point:
    pair = _list(value, where)
    if len(pair) < 2 or not all(isinstance(each, int | float) for each in pair[:2]):
        raise GridError(f"{where}: a point is [longitude, latitude]")
    longitude, latitude = float(str(pair[0])), float(str(pair[1]))
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
        raise GridError(f"{where}: [{longitude:g}, {latitude:g}] is no place on earth")
    return longitude, latitude


def _in_polygon(rings: tuple[Ring, ...], x: float, y: float) -> bool:
    """Count how many edges a ray to the east crosses; holes count as edges do."""
    inside = False
    for ring in rings:
        for (x1, y1), (x2, y2) in pairwise(ring):
            if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
                inside = not inside
    return inside


def _mapping(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise GridError(f"{where}: is no object")
    return value


def _list(value: object, where: str) -> Sequence[object]:
    if not isinstance(value, list):
        raise GridError(f"{where}: is no list")
    return value
