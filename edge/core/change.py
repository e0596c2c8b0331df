"""What differs between two configurations, what cannot, and whether the new one does well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

MOST_TOLD = 5  # devices that fail; more of them are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A configuration, taken apart into what is changed apart. Values are only compared.

    fixed: what only a restart changes. devices: name -> its source's name.
    """

    fixed: Mapping[str, object]
    sources: Mapping[str, object]
    devices: Mapping[str, str]
    uplink: object
    buffer: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What to do. Sources that are in none of the three are left alone.

    refused: the keys that cannot be changed. kept_devices: those that were there before, on sources
    that restart. forgotten: those that are there no more.
    """

    refused: tuple[str, ...]
    stopped: frozenset[str]
    started: frozenset[str]
    restarted: frozenset[str]
    kept_devices: frozenset[str]
    forgotten: frozenset[str]
    uplink: bool
    buffer: bool

    @property
    def touches(self) -> bool:
        """Whether anything starts, stops or restarts: then it must prove itself."""
        return bool(self.stopped or self.started or self.restarted or self.uplink or self.buffer)

    def words(self) -> str:
        """Say it in a line, for the log."""
        told = [
            f"{verb} {', '.join(sorted(names))}"
            for verb, names in (
                ("stop", self.stopped),
                ("start", self.started),
                ("restart", self.restarted),
            )
            if names
        ]
        told += ["restart the uplink"] if self.uplink else []
        told += ["new bounds of the buffer"] if self.buffer else []
        return "; ".join(told) or "nothing restarts"


def compare(running: Parts, wanted: Parts) -> Change:
    """Return what makes one of the other."""
    keys = {**running.fixed, **wanted.fixed}
    before, after = running.sources, wanted.sources
    restarted = frozenset(name for name in before if name in after and before[name] != after[name])
    return Change(
        refused=tuple(
            sorted(key for key in keys if running.fixed.get(key) != wanted.fixed.get(key))
        ),
        stopped=frozenset(before) - frozenset(after),
        started=frozenset(after) - frozenset(before),
        restarted=restarted,
        kept_devices=frozenset(
            device
            for device, source in wanted.devices.items()
            if device in running.devices
            and (running.devices[device] != source or source in restarted)
        ),
        forgotten=frozenset(running.devices) - frozenset(wanted.devices),
        uplink=running.uplink != wanted.uplink,
        buffer=running.buffer != wanted.buffer,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """How an agent does. answering: devices that have answered, and whose last poll was no failure.

    failing: device -> why. troubles: source, or "uplink" -> why.
    """

    connected: bool
    answering: frozenset[str] = frozenset()
    failing: Mapping[str, str] = field(default_factory=dict)
    troubles: Mapping[str, str] = field(default_factory=dict)


def ailments(change: Change, before: Vitals, after: Vitals) -> tuple[str, ...]:
    """Return why a change should not be kept: what went well before it, and does not now.

    What it did not touch is no reason, nor is what is new: it may have no power yet.
    """
    found = [
        f"{source} was well before: {after.troubles[source]}"
        for source in sorted(change.restarted)
        if source in after.troubles and source not in before.troubles
    ]
    failing = sorted(
        device
        for device in change.kept_devices
        if device in before.answering and device in after.failing
    )
    found += [f"{name} answered before: {after.failing[name]}" for name in failing[:MOST_TOLD]]
    if len(failing) > MOST_TOLD:
        found.append(f"and {len(failing) - MOST_TOLD} more devices")
    if change.uplink and before.connected and not after.connected:
        found.append(f"no connection to the broker: {after.troubles.get('uplink', 'no answer')}")
    return tuple(found)


def doubts(change: Change, running: Iterable[str], after: Vitals) -> tuple[str, ...]:
    """Return what a person should look at, though it is no reason to go back: new and not well."""
    new = frozenset(running) - change.kept_devices - after.answering
    found = [
        f"{source}: {after.troubles[source]}"
        for source in sorted(change.started)
        if source in after.troubles
    ]
    found += [f"{name}: {after.failing[name]}" for name in sorted(new) if name in after.failing]
    return tuple(found)
