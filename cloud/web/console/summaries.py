"""What a chart's measurement comes to over the chart's time, and the links to have it as a file."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from cloud.core.statistics import Statistics
from cloud.series.export import FORMATS
from cloud.web.pages import render
from cloud.web.wording import Wording
from contract.clock import iso_utc
from contract.quality import to_letters
from contract.quantities import unit_of

LABELS = {"csv": "CSV", "parquet": "Parquet", "arrow": "Arrow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure as people read it."""

    label: str
    value: str
    readings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One file to download."""

    label: str
    href: str


def summary(
    found: Statistics | None, device: str, measurement: str, from_ms: int, to_ms: int, w: Wording
) -> str:
    """Draw the figures, how complete they are, and the links. None: they cannot be told."""
    unit = unit_of(measurement)
    rows = [
        Row(label=_label(each.name, w), value=w.number(each.value, unit), readings=each.readings)
        for each in (found.figures if found else ())
        if each.value is not None
    ]
    return render(
        "series_summary.html",
        w=w,
        figures=rows,
        note=_note(found, w),
        links=links(device, measurement, from_ms, to_ms),
    )


def links(device: str, measurement: str, from_ms: int, to_ms: int) -> list[Link]:
    """Return where a measurement's readings are as files."""
    asked = {
        "device": device,
        "measurement": measurement,
        "from": iso_utc(from_ms),
        "to": iso_utc(to_ms),
    }
    return [
        Link(label=LABELS[form], href=f"/api/v1/export?{urlencode({**asked, 'format': form})}")
        for form in FORMATS
    ]


def _label(name: str, w: Wording) -> str:
    """Return what a figure is called: acousticians' names are the same in every language."""
    words = {"min": "stats.min", "max": "stats.max"}
    if name.islower():
        return w(words.get(name, f"averaging.{name}"))
    return name


def _note(found: Statistics | None, w: Wording) -> str:
    if found is None:
        return w("stats.too_long")
    parts = []
    if found.valid_rate is not None:
        rate = f"{100 * found.valid_rate:.1f}"
        parts.append(w("stats.valid", rate=rate, n=found.readings, due=found.due))
    if found.excluded:
        flags = w.quality(to_letters(found.quality))
        parts.append(w("stats.excluded", n=found.excluded, flags=flags))
    return " · ".join(parts)
