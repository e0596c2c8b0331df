"""What a rule may look at. Each check makes a signal of readings (cloud/core/signals/).

A signal is a series of its own; a rule's limits, deadband and delays count for it. Checks that are
either so or not (silence, stuck, out of range, a state, an expression that compares) yield 1 or 0,
and their rules have the direction above and the limit 0.5.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

import msgspec


class Statistic(StrEnum):
    """What a window says of the readings in it."""

    MEAN = "mean"  # the quantity's own way: by energy for levels (LAeq), by vector for directions
    MINIMUM = "min"
    MAXIMUM = "max"
    L10 = "l10"  # exceeded 10 % of the time: peak
    L50 = "l50"
    L90 = "l90"  # background
    PERCENTILE = "percentile"  # `percent` of the readings lie at or below it


class Value(msgspec.Struct, frozen=True, kw_only=True, tag="value"):
    """The reading itself."""


class Rate(msgspec.Struct, frozen=True, kw_only=True, tag="rate"):
    """How fast it changes: per second, from the oldest usable reading within over_s to this one.

    A rise is positive; `either_way` takes the amount alone.
    """

    over_s: float
    either_way: bool = False


class Window(msgspec.Struct, frozen=True, kw_only=True, tag="window"):
    """A statistic of the last over_s, sliding, or of each over_s by the local clock (aligned).

    valid_rate: usable readings of those that the device's period asks for, 0 to 1; with fewer the
                window says nothing.
    percent:    of PERCENTILE, 0 to 100.
    """

    statistic: Statistic
    over_s: float
    aligned: bool = False
    valid_rate: float = 0.75
    percent: float | None = None


class Difference(msgspec.Struct, frozen=True, kw_only=True, tag="difference"):
    """The mean of each over_s by the clock, less that of another device or of a group's devices.

    to_device: its id; or to_group: tag → values, the devices with all of them (without this one).
    valid_rate: as in Window, of both sides; a group's device with less does not count.
    """

    over_s: float
    to_device: str = ""
    to_group: dict[str, tuple[str, ...]] = {}
    valid_rate: float = 0.75


class NoData(msgspec.Struct, frozen=True, kw_only=True, tag="no_data"):
    """Silence for more than so many of the device's own periods, and at_least_s.

    whole_device: of all its measurements together; else each for itself.
    """

    periods: float
    at_least_s: float = 60.0
    whole_device: bool = False


class Stuck(msgspec.Struct, frozen=True, kw_only=True, tag="stuck"):
    """The value has not moved by more than `tolerance` for for_s."""

    for_s: float
    tolerance: float = 0.0


class OutOfRange(msgspec.Struct, frozen=True, kw_only=True, tag="out_of_range"):
    """Outside what the quantity can be, or flagged T by the device itself."""


class Expression(msgspec.Struct, frozen=True, kw_only=True, tag="expression"):
    """What is computed of one device's measurements, whenever one of them is read.

    max_age_s: an input older than this makes it say nothing.
    """

    text: str
    max_age_s: float = 300.0


class StateIs(msgspec.Struct, frozen=True, kw_only=True, tag="state"):
    """Whether the value is one of these: a cover that is open."""

    values: tuple[float, ...]


Check: TypeAlias = (
    Value | Rate | Window | Difference | NoData | Stuck | OutOfRange | Expression | StateIs
)

VALUE = Value()
