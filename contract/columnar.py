"""Ordinary batches in columns: the fast way beside codec.resolve(), with the same outcome.

Only what leaves no doubt takes it: every record a reading with a number, or with a quality that
says why there is none, in the canonical unit, at an absolute time. All else is the codec's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from contract.codec import SENML_ABSOLUTE_S, Pack, Record
from contract.quality import from_letters

MOST_S = 1e11


@dataclass(frozen=True, slots=True, kw_only=True)
class Columnar:
    """n readings by name, in the pack's order.

    names:       n times "<device>:<measurement>", not checked yet
    observed_ms: shape (n,), int64; value: shape (n,), float64, NaN for none, in whatever unit the
                 name's quantity has; quality: shape (n,), uint16
    """

    names: list[str]
    observed_ms: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.uint16]


def columnar(pack: Pack) -> Columnar | None:
    """Return a pack's readings in columns, or None if any record needs a closer look."""
    if pack.rejected:
        return None
    records = cast("list[Record]", pack.records)
    head = records[0]
    base_name, base_time_s = head.bn or "", head.bt or 0.0
    if head.n is None and head.v is None:
        if head.bu is not None:
            return None
        records = records[1:]
    return _columns(records, base_name, base_time_s)


def _columns(records: list[Record], base_name: str, base_time_s: float) -> Columnar | None:
    units = [r.u if r.bu is None else r.bu for r in records]
    names = [r.n for r in records]
    if units.count(None) < len(units) or None in names:
        return None
    value = [r.v for r in records]
    quality = _quality([r.q for r in records])
    base_s = _base_times([r.bt for r in records], base_time_s)
    if quality is None or base_s is None or not _all_told(records, value):
        return None
    time_s = base_s + np.array([r.t for r in records], np.float64)
    if len(time_s) and not (time_s.min() >= SENML_ABSOLUTE_S and time_s.max() <= MOST_S):
        return None
    return Columnar(
        names=_full([r.bn for r in records], cast("list[str]", names), base_name),
        observed_ms=np.rint(time_s * 1000).astype(np.int64),
        value=np.array(value, np.float64),  # NaN for None
        quality=quality,
    )


def _full(bases: list[str | None], names: list[str], base: str) -> list[str]:
    full = []
    for told, name in zip(bases, names, strict=True):
        if told is not None:
            base = told
        full.append(base + name)
    return full


def _base_times(told: list[float | None], base_s: float) -> NDArray[np.float64] | float | None:
    """Return the base time in force at each record, None if it is beyond all times."""
    if told.count(None) == len(told):
        return base_s if abs(base_s) <= MOST_S else None
    given = np.array([base_s, *told], np.float64)
    newest = np.maximum.accumulate(np.where(np.isnan(given), 0, np.arange(len(given))))
    given = given[newest]
    return given[1:] if np.abs(given).max() <= MOST_S else None


def _all_told(records: list[Record], value: list[float | None]) -> bool:
    """Whether each reading without a number says so, and with which quality."""
    return None not in value or all(
        one.v is not None or (one.vb is None and one.vs == "" and one.q != "") for one in records
    )


def _quality(letters: list[str]) -> NDArray[np.uint16] | None:
    if letters.count("") == len(letters):
        return np.zeros(len(letters), np.uint16)
    try:
        flags = {some: int(from_letters(some)) for some in set(letters)}
    except ValueError:
        return None
    return np.array([flags[some] for some in letters], np.uint16)
