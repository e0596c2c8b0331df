"""How far a value can be trusted: HJ 212's data flags, and what we find out ourselves."""

from __future__ import annotations

from enum import IntFlag


class Quality(IntFlag):
    """Why a value is not simply good. Flags combine: over range and clock unsure is `Tu`.

    Source: HJ 212-2017 data flags for the capitals; the small letters are ours.
    """

    NORMAL = 0
    STOPPED = 1  # F: the plant or device is out of operation
    MAINTENANCE = 2  # M
    MANUAL = 4  # S: set by hand
    FAULT = 8  # D: the device says it is broken
    CALIBRATION = 16  # C
    OVER_RANGE = 32  # T: outside what the device or the quantity can have
    COMMUNICATION = 64  # B: no answer
    STALE = 128  # o: an old value, told again
    STUCK = 256  # k: has not moved for longer than the quantity can stand still
    CLOCK_UNSURE = 512  # u: taken before the edge's clock was synchronised
    COMPUTED = 1024  # c: by the edge, from faster samples of the device
    INCOMPLETE = 2048  # i: computed from fewer valid samples than are required


LETTERS: dict[str, Quality] = {
    "F": Quality.STOPPED,
    "M": Quality.MAINTENANCE,
    "S": Quality.MANUAL,
    "D": Quality.FAULT,
    "C": Quality.CALIBRATION,
    "T": Quality.OVER_RANGE,
    "B": Quality.COMMUNICATION,
    "o": Quality.STALE,
    "k": Quality.STUCK,
    "u": Quality.CLOCK_UNSURE,
    "c": Quality.COMPUTED,
    "i": Quality.INCOMPLETE,
}

# A value with one of these says nothing about the process that is measured.
UNUSABLE = (
    Quality.STOPPED
    | Quality.MAINTENANCE
    | Quality.FAULT
    | Quality.CALIBRATION
    | Quality.OVER_RANGE
    | Quality.COMMUNICATION
    | Quality.STALE
    | Quality.INCOMPLETE
)


def to_letters(quality: Quality) -> str:
    """Write a quality as it stands on the wire: "" for normal, else its letters in fixed order."""
    return "".join(letter for letter, flag in LETTERS.items() if quality & flag)


def from_letters(letters: str) -> Quality:
    """Read a quality from the wire; "N" and "" are normal.

    Raises: ValueError naming the unknown letter and those allowed.
    """
    quality = Quality.NORMAL
    for letter in letters:
        if letter == "N":
            continue
        if letter not in LETTERS:
            raise ValueError(f"unknown quality {letter!r}; allowed: N{''.join(LETTERS)}")
        quality |= LETTERS[letter]
    return quality
