"""The engine's memory as bytes: rules and series by name, so that it fits changed ones too."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from cloud.core.condition import IDLE
from cloud.core.register import Register
from cloud.core.watching import Watch
from contract.errors import DecodeError

FORMAT = 3
_NO_RULE = "\n"  # no rule is called so


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Columns as little-endian bytes. Monitors that are idle are left out.

    A slot is named by its series' id and, for a signal, its rule: -1 for a series itself.
    """

    format: int
    late: int
    watermark_ms: int
    rules: list[str]
    slot_series: bytes  # int32
    slot_rule: bytes  # int32 into rules
    last_ms: bytes
    usable_ms: bytes
    monitor_slot: bytes  # int32, row of the above; one a monitor under way
    monitor_rule: bytes  # int32 into rules
    monitor_level: bytes  # uint8
    phase: bytes
    since_ms: bytes
    seen: bytes
    signals: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What a snapshot has besides the memory of register and watch."""

    late: int
    watermark_ms: int
    signals: bytes


def write(register: Register, watch: Watch, rest: Rest) -> bytes:
    """Return the snapshot."""
    monitors = watch.monitors
    busy = np.flatnonzero(monitors.phase != IDLE)
    conditions = [watch.conditions[one] for one in monitors.rule[busy].tolist()]
    places = {"": -1} | {rule: place for place, rule in enumerate(watch.rule_ids)}
    return msgspec.msgpack.encode(
        Snapshot(
            format=FORMAT,
            late=rest.late,
            watermark_ms=rest.watermark_ms,
            rules=watch.rule_ids,
            slot_series=np.array([one.id for one in register.series], "<i4").tobytes(),
            slot_rule=np.array([places[rule] for rule in register.made_by], "<i4").tobytes(),
            last_ms=register.last_ms.astype("<i8").tobytes(),
            usable_ms=register.usable_ms.astype("<i8").tobytes(),
            monitor_slot=monitors.slots()[busy].astype("<i4").tobytes(),
            monitor_rule=np.array([one.rule for one in conditions], "<i4").tobytes(),
            monitor_level=np.array([one.level for one in conditions], np.uint8).tobytes(),
            phase=monitors.phase[busy].tobytes(),
            since_ms=monitors.since_ms[busy].astype("<i8").tobytes(),
            seen=monitors.seen[busy].astype("<u8").tobytes(),
            signals=rest.signals,
        )
    )


def read(data: bytes) -> Snapshot:
    """Read a snapshot. Raises: DecodeError if the bytes are none of this format."""
    try:
        found = msgspec.msgpack.decode(data, type=Snapshot)
    except msgspec.DecodeError as error:
        raise DecodeError(f"engine snapshot: {error}") from error
    if found.format != FORMAT:
        raise DecodeError(f"engine snapshot: format {found.format}; this is {FORMAT}")
    slots = {len(found.slot_series) // 4, len(found.slot_rule) // 4}
    slots |= {len(found.last_ms) // 8, len(found.usable_ms) // 8}
    busy = {len(found.monitor_slot) // 4, len(found.monitor_rule) // 4, len(found.monitor_level)}
    busy |= {len(found.phase), len(found.since_ms) // 8, len(found.seen) // 8}
    if len(slots) > 1 or len(busy) > 1:
        raise DecodeError("engine snapshot: its columns differ in length")
    slot_rule, series = _ints(found.slot_rule), len(found.slot_series) // 4
    rules = max((*slot_rule.tolist(), *_ints(found.monitor_rule).tolist()), default=-1)
    slot = max(_ints(found.monitor_slot).tolist(), default=-1)
    if rules >= len(found.rules) or slot >= series:
        raise DecodeError("engine snapshot: it names what is not in it")
    return found


def without(found: Snapshot, rules: Collection[str]) -> Snapshot:
    """Return a snapshot with some rules' names taken away, so that nothing of theirs is found."""
    return msgspec.structs.replace(
        found, rules=[_NO_RULE if name in rules else name for name in found.rules]
    )


def apply(
    found: Snapshot, register: Register, watch: Watch, only: Collection[str] | None = None
) -> None:
    """Write a snapshot's memory over that of register and watch.

    What they remember of series and signals that the snapshot does not have stays.

    Args: only: devices whose memory is taken; None for all.
    """
    place = {rule: n for n, rule in enumerate(watch.rule_ids)}
    names = ["", *found.rules]
    here = np.array(
        [
            register.place(names[rule + 1], series) if rule >= 0 else register.slot(series)
            for series, rule in zip(
                _ints(found.slot_series).tolist(), _ints(found.slot_rule).tolist(), strict=True
            )
        ],
        np.intp,
    )
    for at, rule in enumerate(_ints(found.slot_rule).tolist()):
        if here[at] >= 0 and register.made_by[here[at]] != names[rule + 1]:
            here[at] = -1  # its rule makes no signal of that series any more
        elif only is not None and register.series[here[at]].device.id not in only:
            here[at] = -1
    bound = here >= 0
    # A pass need not have seen the newest of each series; what was seen before stays seen.
    for newest_ms, told in (
        (register.last_ms, found.last_ms),
        (register.usable_ms, found.usable_ms),
    ):
        told_ms = np.frombuffer(told, "<i8")[bound]
        newest_ms[here[bound]] = np.maximum(newest_ms[here[bound]], told_ms)
    monitors = watch.monitors
    mine = np.isin(monitors.slots(), here[bound])
    monitors.phase[mine], monitors.since_ms[mine], monitors.seen[mine] = IDLE, 0, 0
    for slot, rule, level, phase, since_ms, seen in zip(
        _ints(found.monitor_slot).tolist(),
        _ints(found.monitor_rule).tolist(),
        found.monitor_level,
        found.phase,
        np.frombuffer(found.since_ms, "<i8").tolist(),
        np.frombuffer(found.seen, "<u8").tolist(),
        strict=True,
    ):
        of = watch.monitors_of(int(here[slot]), place.get(found.rules[rule], -1))
        if level < len(of):
            m = of[level]
            monitors.phase[m], monitors.since_ms[m], monitors.seen[m] = phase, since_ms, seen


def _ints(data: bytes) -> NDArray[np.int32]:
    return np.frombuffer(data, "<i4")
