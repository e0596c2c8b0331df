"""What was so in the past, for a backtest: what held alerts, and how cases went."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cloud.core.case_load import NO_HANDLINGS, NO_LIVES, Handlings, Lives
from cloud.core.holds import Hold, Subject
from cloud.core.model import Device
from cloud.core.rules import Rule, looks_for_silence

Key = tuple[str, str]


class PastHolds:
    """Shelvings, maintenance windows and outages, each over the time that it was in force.

    Args: holds: until_ms or ended_ms say their ends. A shelving names its alert's rule and device
          here, not the alert: what is replayed has other ones. gateways: of each device.
    """

    def __init__(self, holds: Iterable[Hold], gateways: Mapping[str, str]) -> None:
        self._gateways = gateways
        self._by: dict[Key, list[Hold]] = defaultdict(list)
        for hold in holds:
            ends = [at for at in (hold.until_ms, hold.ended_ms) if at is not None]
            at_rest = replace(hold, until_ms=min(ends, default=None), ended_ms=None)
            self._by[_key(hold)].append(at_rest)

    def __bool__(self) -> bool:
        return bool(self._by)

    def told_ms(self, rule: Rule, device: Device, at_ms: int, ended_ms: int | None) -> int | None:
        """Return when people hear of an alert raised at at_ms; None if it ended before that.

        It is raised when the last of the holds over it ends, if it still holds then.
        """
        mine = self._over(rule, device)
        while True:
            ends = [hold.until_ms for hold in mine if hold.in_force(at_ms)]
            if not ends:
                return at_ms
            if None in ends:
                return None
            at_ms = max(end for end in ends if end is not None)
            if ended_ms is not None and ended_ms <= at_ms:
                return None

    def _over(self, rule: Rule, device: Device) -> list[Hold]:
        gateway = self._gateways.get(device.id, "")
        subject = Subject(
            alert="",
            rule=rule.id,
            device=device.id,
            gateway=gateway,
            tags=device.tags,
            silence=looks_for_silence(rule),
        )
        keys = [("device", device.id), ("gateway", gateway), ("rule", rule.id)]
        keys += [(f"tag {tag}", value) for tag, value in device.tags.items()]
        return [hold for key in keys for hold in self._by.get(key, ()) if hold.covers(subject)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a backtest is told of the time that it plays.

    handlings: how long they took; lives: how long cases were open, and those people reported.
    """

    holds: PastHolds = field(default_factory=lambda: PastHolds((), {}))
    handlings: Handlings = NO_HANDLINGS
    lives: Lives = NO_LIVES


NO_PAST = Past()


def shelving_of(hold: Hold, rules: Mapping[str, Key]) -> Hold | None:
    """Return a hold over one alert as one over its rule on its device; None if it is not known.

    Args: rules: by alert, its rule and device.
    """
    if not hold.alert:
        return hold
    found = rules.get(hold.alert)
    return None if found is None else replace(hold, alert="", rule=found[0], device=found[1])


def _key(hold: Hold) -> Key:
    """Return by what a hold is looked up: the narrowest that it names."""
    if hold.device:
        return "device", hold.device
    if hold.gateway:
        return "gateway", hold.gateway
    if hold.tag:
        return f"tag {hold.tag}", hold.tag_value
    return "rule", hold.rule


def median(times: Sequence[int]) -> int:
    """Return the middle of sorted times; the lower one of two."""
    return times[(len(times) - 1) // 2]
