"""What is told to a platform over HJ 212: samples in, the text between && and && out.

Real-time data (2011) have the latest sample of each factor, period data (2051, 2061, 2031) what the
samples of the period come to: Min, Avg and Max; of sound levels Leq, LMx, LMn, L10, L50 and L90.
Source: HJ 212-2017 §6.3.3, §6.6.4 table 8, annex C tables C.9 to C.28.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from contract.aggregates import LEVEL
from contract.quality import LETTERS, UNUSABLE, Quality
from contract.quantities import quantity_of
from edge.core.statistics import average, percentile_level

REAL_TIME, MINUTES, HOURS, DAYS = "2011", "2051", "2061", "2031"
ENOUGH = 0.75  # of the samples due: GB 3095's 45 minutes of an hour
DECIMALS = 3
NOISE_FACTORS = ("Leq", "LMx", "LMn", "L10", "L50", "L90")
# HJ 212's own letters; those that are ours mean nothing to others.
FLAGS = "FMSDCTB"


class Sample(NamedTuple):
    """One value of one factor, UTC milliseconds."""

    at_ms: int
    value: float | None
    quality: Quality


class Factor(msgspec.Struct, frozen=True, kw_only=True):
    """What a measurement is called over HJ 212. every_s: the device's own interval.

    levels: its periods give Leq and percentiles, which nobody else gives.
    """

    code: str
    device: str
    measurement: str
    every_s: float
    levels: bool = False


def real_time(samples: Mapping[str, Sample]) -> list[str]:
    """Return the groups of real-time data, by factor code."""
    return [
        ",".join([*_item(f"{code}-Rtd", sample.value), f"{code}-Flag={flag_of(sample.quality)}"])
        for code, sample in samples.items()
    ]


def period(factors: Sequence[Factor], samples: Mapping[str, Sequence[Sample]], s: int) -> list[str]:
    """Return the groups of period data; nothing for factors without samples.

    Args: samples: by factor code, in order of time. s: how many seconds the period has.
    """
    groups: list[str] = []
    for factor in factors:
        told = samples.get(factor.code, ())
        if told:
            due = max(1, int(s // factor.every_s))
            groups += _of_factor(factor, told, due)
    return groups


def parts(time: str, groups: Sequence[str], most: int) -> list[str]:
    """Return the text between && and &&, in as many parts as it takes, each with the DataTime.

    Args: time: YYYYMMDDhhmmss. most: characters of one part.
    """
    found, head = [], f"DataTime={time}"
    text = head
    for group in groups:
        if text != head and len(text) + 1 + len(group) > most:
            found.append(text)
            text = head
        text += f";{group}"
    return [*found, text]


def flag_of(quality: Quality) -> str:
    """Return the one flag that HJ 212 has room for."""
    for letter in FLAGS:
        if quality & LETTERS[letter]:
            return letter
    return "D" if quality & UNUSABLE else "N"


def _of_factor(factor: Factor, samples: Sequence[Sample], due: int) -> Iterator[str]:
    values = [s.value for s in samples if s.value is not None and not s.quality & UNUSABLE]
    flag = "N" if len(values) >= ENOUGH * due else _why_few(samples)
    if factor.levels:
        yield from _levels(values, flag)
        return
    quantity = quantity_of(factor.measurement)
    if quantity.key.startswith("noise_"):
        mean = average(quantity.averaging, values) if values else None
        yield ",".join([*_item(f"{factor.code}-Data", mean), f"{factor.code}-Flag={flag}"])
        return
    figures = (
        (min(values), average(quantity.averaging, values), max(values)) if values else [None] * 3
    )
    named = zip(("Min", "Avg", "Max"), figures, strict=True)
    items = [item for name, value in named for item in _item(f"{factor.code}-{name}", value)]
    yield ",".join([*items, f"{factor.code}-Flag={flag}"])


def _levels(values: Sequence[float], flag: str) -> Iterator[str]:
    figures: list[float | None] = [None] * len(NOISE_FACTORS)
    if values:
        descending = sorted(values, reverse=True)
        of_time = [percentile_level(descending, percent) for percent in (10, 50, 90)]
        leq = average(quantity_of(LEVEL).averaging, values)
        figures = [leq, descending[0], descending[-1], *of_time]
    for code, value in zip(NOISE_FACTORS, figures, strict=True):
        yield ",".join([*_item(f"{code}-Data", value), f"{code}-Flag={flag}"])


def _why_few(samples: Sequence[Sample]) -> str:
    """Return the flag that most of the invalid samples have; B if they did not come at all."""
    flags = Counter(flag_of(sample.quality) for sample in samples)
    del flags["N"]
    return flags.most_common(1)[0][0] if flags else "B"


def _item(key: str, value: float | None) -> list[str]:
    if value is None:
        return []
    text = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return [f"{key}={'0' if text == '-0' else text}"]
