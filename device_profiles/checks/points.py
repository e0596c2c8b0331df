"""Checks of single points: type, order, bits, length; and that no two overlap."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from device_profiles.core.registers import permutation
from device_profiles.reading.report import Report
from device_profiles.schema import Point

_FLOAT_MOST = {"float16": 65504.0, "float32": 3.4028234663852886e38, "float64": math.inf}


def check_point(path: str, point: Point, report: Report, *, reads: bool = True) -> None:
    """Check that a point's keys go together; reads: its function is one of reading."""
    is_string = point.type.startswith("string")
    if is_string != (point.length > 0):
        what = "a string needs length, in registers" if is_string else "only for strings"
        report.add(f"{path}.length", what)
    if reads and (point.type == "bit") != (point.function <= 2):
        report.add(
            f"{path}.type",
            f"{point.type} does not go with function {point.function}; coils and inputs"
            " (1, 2) are bits, registers (3, 4) are not: use bits: [n, n]",
        )
    _check_order(path, point, report)
    if point.bits is not None:
        low, high = point.bits
        width = bit_width(point)
        if not point.type.startswith("uint"):
            report.add(f"{path}.bits", f"bits are cut out of uint types only, not of {point.type}")
        elif not 0 <= low <= high < width:
            report.add(f"{path}.bits", f"{point.type} has bits 0 to {width - 1}, lowest first")


def _check_order(path: str, point: Point, report: Report) -> None:
    one_register = point.type.startswith(("string", "uint8", "int8", "bit"))
    try:
        permutation(point.order, 2 if one_register else 2 * point.count)
    except ValueError as error:
        report.add(f"{path}.order", str(error))


def bit_width(point: Point) -> int:
    """Return how many bits a number of the point's type has."""
    digits = "".join(filter(str.isdecimal, point.type.partition("_")[0]))
    return int(digits) if digits else 1


def raw_bounds(point: Point) -> tuple[float, float]:
    """Return the least and most that a point's raw number can be."""
    if point.bits is not None:
        return 0, 2 ** (point.bits[1] - point.bits[0] + 1) - 1
    kind = point.type.partition("_")[0]
    width = bit_width(point)
    if kind in _FLOAT_MOST:
        return -_FLOAT_MOST[kind], _FLOAT_MOST[kind]
    if kind == "string":
        return -math.inf, math.inf
    if kind.startswith("int"):
        return -(2 ** (width - 1)), 2 ** (width - 1) - 1
    if kind.startswith("bcd"):
        return 0, 10 ** (width // 4) - 1
    return 0, 2**width - 1


def in_holes(point: Point, holes: Sequence[tuple[int, int]]) -> bool:
    """Whether a point lies in what must not be read."""
    last = point.address + point.count - 1
    return any(first <= last and point.address <= end for first, end in holes)


def check_overlaps(points: Mapping[str, Point], report: Report) -> None:
    """Check that no two points share a bit, unless one table differs from another by function."""
    ordered = sorted(points.items(), key=lambda item: (item[1].function, item[1].address))
    for index, (path, point) in enumerate(ordered):
        for other_path, other in ordered[index + 1 :]:
            apart = other.function != point.function
            if apart or other.address >= point.address + point.count:
                break
            if _share_bits(point, other):
                later, earlier = sorted(
                    (path, other_path), key=lambda at: report.lines.get(at, 0), reverse=True
                )
                report.add(
                    later,
                    f"overlaps {earlier} (line {report.lines.get(earlier, 0)}) at"
                    f" {other.address:#06x}",
                )


def _share_bits(point: Point, other: Point) -> bool:
    """Whether two points that share a register also share bits of it."""
    same_place = (point.address, point.count) == (other.address, other.count)
    if not same_place or permutation_differs(point, other):
        return True
    low, high = _bits_of(point)
    other_low, other_high = _bits_of(other)
    return low <= other_high and other_low <= high


def permutation_differs(point: Point, other: Point) -> bool:
    """Whether bits of the two are counted in different orders of bytes."""
    return point.order != other.order


def _bits_of(point: Point) -> tuple[int, int]:
    """Return the lowest and highest bit that a point takes of its registers."""
    shift = 8 if point.type.endswith("8_high") else 0
    if point.bits is not None:
        return point.bits[0] + shift, point.bits[1] + shift
    width = 8 if "8_" in point.type else 16 * point.count
    return shift, shift + width - 1
