"""The engine's memory as bytes: rules and series by name, so that it fits changed ones too."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from cloud.core.condition import IDLE
from cloud.core.monitors import Monitors
from cloud.core.register import Register
from cloud.core.rules import Rule
from contract.errors import DecodeError

FORMAT = 1


class _Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Columns as little-endian bytes. Monitors that are idle are left out."""

    format: int
    late: int
    series: bytes  # int32 ids, one a series
    last_ms: bytes
    usable_ms: bytes
    rules: list[str]
    monitor_rule: bytes  # int32 into rules, one a monitor under way
    monitor_series: bytes  # int32 ids
    phase: bytes
    since_ms: bytes


def write(rules: Sequence[Rule], register: Register, monitors: Monitors, late: int) -> bytes:
    """Return the snapshot."""
    ids = np.array([series.id for series in register.series], "<i4")
    busy = np.flatnonzero(monitors.phase != IDLE)
    return msgspec.msgpack.encode(
        _Snapshot(
            format=FORMAT,
            late=late,
            series=ids.tobytes(),
            last_ms=register.last_ms.astype("<i8").tobytes(),
            usable_ms=register.usable_ms.astype("<i8").tobytes(),
            rules=[rule.id for rule in rules],
            monitor_rule=monitors.rule[busy].astype("<i4").tobytes(),
            monitor_series=ids[monitors.slots()[busy]].tobytes(),
            phase=monitors.phase[busy].tobytes(),
            since_ms=monitors.since_ms[busy].astype("<i8").tobytes(),
        )
    )


def read(data: bytes, rules: Sequence[Rule], register: Register, monitors: Monitors) -> int:
    """Write a snapshot's memory over that of register and monitors; return the late count.

    What they remember of series that the snapshot does not have stays.

    Raises: DecodeError if the bytes are no snapshot of this format; nothing is written then.
    """
    try:
        found = msgspec.msgpack.decode(data, type=_Snapshot)
    except msgspec.DecodeError as error:
        raise DecodeError(f"engine snapshot: {error}") from error
    if found.format != FORMAT:
        raise DecodeError(f"engine snapshot: format {found.format}; this is {FORMAT}")
    try:
        series = np.frombuffer(found.series, "<i4")
        last_ms = np.frombuffer(found.last_ms, "<i8")
        usable_ms = np.frombuffer(found.usable_ms, "<i8")
        busy = zip(
            np.frombuffer(found.monitor_rule, "<i4").tolist(),
            np.frombuffer(found.monitor_series, "<i4").tolist(),
            np.frombuffer(found.phase, np.uint8).tolist(),
            np.frombuffer(found.since_ms, "<i8").tolist(),
            strict=True,
        )
        state = {(found.rules[r], s): (phase, since) for r, s, phase, since in busy}
    except (ValueError, IndexError) as error:
        raise DecodeError(f"engine snapshot: {error}") from error
    if not len(series) == len(last_ms) == len(usable_ms):
        raise DecodeError("engine snapshot: its columns differ in length")
    slots = np.array([register.slot(int(one)) for one in series], np.intp)
    bound = slots >= 0
    register.last_ms[slots[bound]] = last_ms[bound]
    register.usable_ms[slots[bound]] = usable_ms[bound]
    _restore(state, set(slots[bound].tolist()), rules, register, monitors)
    return found.late


def _restore(
    state: dict[tuple[str, int], tuple[int, int]],
    slots: set[int],
    rules: Sequence[Rule],
    register: Register,
    monitors: Monitors,
) -> None:
    for m, (slot, rule) in enumerate(
        zip(monitors.slots().tolist(), monitors.rule.tolist(), strict=True)
    ):
        if slot in slots:
            kept = state.get((rules[rule].id, register.series[slot].id), (IDLE, 0))
            monitors.phase[m], monitors.since_ms[m] = kept
