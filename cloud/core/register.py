"""Which series the engine knows, by its own numbers (slots), and what it remembers of each."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cloud.core.arrivals import NEVER
from cloud.core.model import Device, Series

NO_ERA = NEVER


class Register:
    """Series, and signals made of them, and their state in columns, one row a slot.

    made_by:   the rule that a slot's signal is of; "" for a series
    timed:     whether time alone can make something of what is read
    last_ms:   the newest reading, usable or not; NEVER before the first
    usable_ms: the newest usable reading
    gap_ms:    a longer silence than this fulfils no duration
    low, high: the band of values that change nothing; band_of: from_ms of the era it is drawn for
    """

    def __init__(self) -> None:
        self.series: list[Series] = []
        self.slot_of = np.full(1, -1, np.int32)  # by series id
        self.made_by: list[str] = []
        self._newest_of: dict[str, int] = {}  # by device id, its slot that came last
        self._before = array("i")  # by slot, the one before of the same device; -1 for none
        self.timed = np.empty(0, bool)
        self.last_ms = np.empty(0, np.int64)
        self.usable_ms = np.empty(0, np.int64)
        self.gap_ms = np.empty(0, np.int64)
        self.low = np.empty(0)
        self.high = np.empty(0)
        self.band_of = np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self.series)

    def enter(self, series: Iterable[Series]) -> dict[str, Device]:
        """Add series, or take their devices as they are now; return the devices concerned."""
        devices: dict[str, Device] = {}
        for one in series:
            devices[one.device.id] = one.device
            if self.slot(one.id) < 0:
                self._add(one)
        for device in devices.values():
            for slot in self._all_of(device.id):
                if self.series[slot].device is not device:
                    self.series[slot] = replace(self.series[slot], device=device)
        self.grow()
        return devices

    def slot(self, series: int) -> int:
        """Return a series' slot, -1 if it was never entered."""
        return int(self.slot_of[series]) if series < len(self.slot_of) else -1

    def slots(self, devices: Iterable[str]) -> NDArray[np.intp]:
        """Return the slots of some devices' series and signals, rising."""
        return np.array(sorted(s for device in devices for s in self._all_of(device)), np.intp)

    def signal(self, rule: str, anchor: Series) -> int:
        """Return the slot of a rule's signal on a series, a new one if there was none.

        Its state in columns is there after grow(): columns grow once for many signals.
        """
        slot = self._made(rule, anchor)
        if slot < 0:
            slot = len(self.series)
            self._append(anchor, rule)
        return slot

    def place(self, rule: str, series: int) -> int:
        """Return the slot that a rule watches a series in: its signal's, or the series' own."""
        own = self.slot(series)
        made = self._made(rule, self.series[own]) if own >= 0 else -1
        return made if made >= 0 else own

    def slots_of(self, device: str) -> list[int]:
        """Return the slots of a device's series, rising."""
        return [slot for slot in self._all_of(device) if not self.made_by[slot]]

    def signals_of(self, device: str) -> list[int]:
        """Return the slots of a device's signals, rising, of those too that are made no longer."""
        return [slot for slot in self._all_of(device) if self.made_by[slot]]

    def _made(self, rule: str, anchor: Series) -> int:
        """Return the slot of a signal, -1 if there is none; a device has few."""
        for slot in self._all_of(anchor.device.id):
            if self.made_by[slot] == rule and self.series[slot].id == anchor.id:
                return slot
        return -1

    def _all_of(self, device: str) -> list[int]:
        found: list[int] = []
        slot = self._newest_of.get(device, -1)
        while slot >= 0:
            found.append(slot)
            slot = self._before[slot]
        return found[::-1]

    def forget_bands(self, slots: NDArray[np.intp] | slice) -> None:
        """Have bands drawn anew before they are next used."""
        self.band_of[slots] = NO_ERA

    def _add(self, one: Series) -> None:
        if one.id >= len(self.slot_of):
            longer = np.full(max(one.id + 1, 2 * len(self.slot_of)), -1, np.int32)
            longer[: len(self.slot_of)] = self.slot_of
            self.slot_of = longer
        self.slot_of[one.id] = len(self.series)
        self._append(one, "")

    def _append(self, one: Series, rule: str) -> None:
        self._before.append(self._newest_of.get(one.device.id, -1))
        self._newest_of[one.device.id] = len(self.series)
        self.series.append(one)
        self.made_by.append(rule)

    def grow(self) -> None:
        """Give the slots that have come since their rows in the columns."""
        more = len(self.series) - len(self.last_ms)
        if more:
            never = np.full(more, NEVER)
            self.last_ms = np.concatenate((self.last_ms, never))
            self.usable_ms = np.concatenate((self.usable_ms, never))
            self.gap_ms = np.concatenate((self.gap_ms, np.zeros(more, np.int64)))
            self.low = np.concatenate((self.low, np.full(more, -np.inf)))
            self.high = np.concatenate((self.high, np.full(more, np.inf)))
            self.band_of = np.concatenate((self.band_of, np.full(more, NO_ERA)))
            self.timed = np.concatenate((self.timed, np.zeros(more, bool)))
