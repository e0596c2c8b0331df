"""Qualities in words, for people."""

from __future__ import annotations

from contract.quality import LETTERS, Quality


def quality_words(quality: Quality) -> str:
    """Write a quality in words: over range, fault."""
    flags = [flag for flag in LETTERS.values() if quality & flag]
    return ", ".join(_WORDS[flag] for flag in flags) or "normal"


_WORDS: dict[Quality, str] = {
    Quality.STOPPED: "out of operation",
    Quality.MAINTENANCE: "maintenance",
    Quality.MANUAL: "set by hand",
    Quality.FAULT: "fault",
    Quality.CALIBRATION: "calibration",
    Quality.OVER_RANGE: "over range",
    Quality.COMMUNICATION: "no answer",
    Quality.STALE: "stale",
    Quality.STUCK: "stuck",
    Quality.CLOCK_UNSURE: "clock unsure",
    Quality.COMPUTED: "computed",
    Quality.INCOMPLETE: "too few valid data",
}
