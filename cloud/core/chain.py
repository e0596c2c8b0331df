"""The seals of a case's evidence: each entry's covers the one before it and its own content.

What is written later, changed, deleted or moved no longer fits; verify() names the first that does
not. Whoever rewrites all of it can seal it anew: so the last seal, the head, stands on paper too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

Content = Mapping[str, str | int | float | None]

_BEGINNING = "gridwarden case chain 1"  # says how it is computed; what is sealed stays so


class Kind(StrEnum):
    """What an entry seals."""

    CASE = "case"
    EVENT = "event"
    ALERT = "alert"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a case's chain. content: what it seals as it is now; None: it is gone."""

    number: int
    kind: Kind
    ref: str
    content: Content | None
    seal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How long a case's chain is, and its last seal."""

    entries: int
    seal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The first entry that does not hold, and why."""

    number: int
    why: str


def canonical(content: Content) -> str:
    """Write content down the one way that is sealed: JSON, keys sorted, nothing between."""
    return json.dumps(dict(content), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def beginning(case: str) -> str:
    """Return what stands before a case's first seal, so that no chain fits another case."""
    return _digest(_BEGINNING, case)


def seal(previous: str, number: int, kind: Kind, ref: str, content: Content) -> str:
    """Return the seal of an entry, 64 hexadecimal digits. previous: the seal before it."""
    return _digest(previous, str(number), kind.value, ref, canonical(content))


def verify(
    case: str, entries: Sequence[Entry], head: Head | None, loose: Sequence[tuple[Kind, str]] = ()
) -> Broken | None:
    """Return the first entry that does not hold; None if all do.

    Args: entries in the order of their numbers. head: None if there is none. loose: rows of the
          case that no entry seals.
    """
    previous, last_event = beginning(case), 0
    for number, entry in enumerate(entries, start=1):
        why = _wrong(entry, number, previous, last_event)
        if why:
            return Broken(number=number, why=why)
        previous = entry.seal
        if entry.kind is Kind.EVENT:
            last_event = int(entry.ref)
    if head is None or head.entries != len(entries) or head.seal != previous:
        said = "none is kept" if head is None else f"{head.entries} were sealed"
        return Broken(number=len(entries) + 1, why=f"there are {len(entries)} entries, but {said}")
    if loose:
        kind, ref = loose[0]
        return Broken(number=len(entries) + 1, why=f"{kind} {ref} was never sealed")
    return None


def _wrong(entry: Entry, number: int, previous: str, last_event: int) -> str:
    what = f"{entry.kind} {entry.ref}"
    if entry.number != number:
        return f"entry {number} is gone; {entry.number} follows"
    if entry.content is None:
        return f"{what} is gone"
    if entry.kind is Kind.EVENT and (not entry.ref.isdecimal() or int(entry.ref) <= last_event):
        return f"{what} is out of order"
    if seal(previous, number, entry.kind, entry.ref, entry.content) != entry.seal:
        return f"{what} is not as it was sealed"
    return ""


def _digest(*parts: str) -> str:
    found = sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        found.update(b"%d:" % len(data) + data)  # so that no two ways to cut it are the same
    return found.hexdigest()
