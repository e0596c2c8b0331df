"""A value as it stands on a screen: words, and whether it may be believed."""

from __future__ import annotations

from dataclasses import dataclass

from cloud.web import models
from cloud.web.wording import Wording


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One value. number and unit stand apart, because they differ in size. quality: "" for good."""

    label: str
    number: str
    unit: str
    quality: str
    stale: bool


def shown(value: models.LatestValue, w: Wording) -> Shown:
    """Put a value into words."""
    in_words = value.measurement.partition(".")[0] == "cover_open"
    return Shown(
        label=w.measurement(value.measurement),
        number=w.value(value.value, value.measurement, value.unit)
        if in_words
        else w.number(value.value, value.unit),
        unit="" if in_words else w.unit(value.unit),
        quality=w.quality(value.quality),
        stale=value.stale,
    )
