"""gridwarden edge buffer: what is held, how old it is, its bounds, and when it will be full."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from contract.clock import iso_utc
from edge.config import EdgeConfig
from edge.core.fill import full_in_s, in_words
from edge.ports import Held
from edge.store_look import NOTHING, HeldClass, Inside, look_inside

ROW = "{:<14}{:>10}{:>12}{:>14}{:>12}  {:<26}{}"


class BufferReport(msgspec.Struct, frozen=True, kw_only=True):
    """Beside the figures of Held. full_in_s: None if the rate is not known yet."""

    urgent: HeldClass
    normal: HeldClass
    held_for_clock: int
    max_age_days: float
    free_bytes: int
    full_in_s: float | None


def look(config: EdgeConfig) -> tuple[Held, BufferReport]:
    """Look into the buffer of an agent, running or not. Raises: StorageError."""
    path, options = config.buffer.path, config.buffer
    if path.exists():
        inside = look_inside(path, options.max_bytes)
    else:
        nothing = Held("", 0, 0, 0, 0, 0, None, options.max_bytes)
        inside = Inside(nothing, NOTHING, NOTHING, 0)
    held = inside.held
    free_bytes = _free_bytes(path)
    return held, BufferReport(
        urgent=inside.urgent,
        normal=inside.normal,
        held_for_clock=inside.held_for_clock,
        max_age_days=options.max_age_days,
        free_bytes=free_bytes,
        full_in_s=full_in_s(held.held_bytes, held.max_bytes, free_bytes, held.bytes_per_s),
    )


def _free_bytes(path: Path) -> int:
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return 0


def table(path: Path, held: Held, report: BufferReport) -> str:
    """Say it to a person."""
    lines = [
        f"{path}: epoch {held.epoch or '(never used)'}",
        f"published: {held.published_readings} readings in {held.published_batches} batches",
        ROW.format("held", "batches", "readings", "thinned out", "bytes", "oldest", "newest"),
        _row("gas, manholes", report.urgent),
        _row("others", report.normal),
        f"all: {held.held_readings} readings in {held.held_batches} batches",
        f"size: {held.held_bytes} of {held.max_bytes} bytes, {report.max_age_days:g} days at most;"
        f" {report.free_bytes} bytes free on the disk",
        _when_full(held, report),
    ]
    if report.held_for_clock:
        lines.append(f"waiting for the right time: {report.held_for_clock} batches")
    return "\n".join(lines)


def _row(name: str, held: HeldClass) -> str:
    times = (held.oldest_ms, held.newest_ms)
    oldest, newest = ("" if at_ms is None else iso_utc(at_ms) for at_ms in times)
    counts = (held.batches, held.readings, held.thinned, held.bytes)
    return ROW.format(name, *counts, oldest, newest).rstrip()


def _when_full(held: Held, report: BufferReport) -> str:
    if report.full_in_s is None or held.bytes_per_s is None:
        return "full: not known yet; the rate is measured while the agent runs"
    first = "the bound" if held.max_bytes - held.held_bytes <= report.free_bytes else "the disk"
    return (
        f"full: in {in_words(report.full_in_s)} at {held.bytes_per_s:.0f} bytes/s,"
        f" if the cloud takes nothing; {first} comes first"
    )
