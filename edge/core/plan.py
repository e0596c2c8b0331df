"""What to ask a device for: as few requests as pay off, and the time that costs a bus.

Two points are read by one request when reading over the unused registers between them is cheaper
than a second request, and the device can bear it (its profile's `requests`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from device_profiles.core.values import Block
from device_profiles.schema import Modbus
from edge.core.modbus import BITS

BITS_PER_CHARACTER = 11  # MODBUS over Serial Line v1.02 §2.5.1: start, 8 data, parity or stop, stop
SILENT_CHARACTERS = 3.5  # ibid.: between two frames
LEAST_SILENCE_S = 0.00175  # ibid.: fixed above 19200 baud
READ_REQUEST_BYTES = 8  # unit, function, address, count, CRC
READ_ANSWER_BYTES = 5  # unit, function, byte count, CRC; and the data
# What a device thinks before it answers; makers say 5 to 50 ms, hardly any says it at all.
TURNAROUND_S = 0.02
# On Ethernet a register costs next to nothing beside the round trip.
TCP_ROUND_TRIP_S = 0.005
TCP_REGISTER_S = 2e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCost:
    """What a bus needs for one read request: request_s, and register_s for each register."""

    request_s: float
    register_s: float

    def of(self, block: Block) -> float:
        """Return the seconds that one request and its answer occupy the bus."""
        registers = block.count / 16 if block.function in BITS else block.count
        return self.request_s + registers * self.register_s

    @property
    def hole(self) -> int:
        """How many unused registers cost less than another request."""
        return int(self.request_s / self.register_s)


TCP_COST = LineCost(request_s=TCP_ROUND_TRIP_S, register_s=TCP_REGISTER_S)


def transfer_s(size: int, baud: int) -> float:
    """Return how long bytes take on a serial line."""
    return size * BITS_PER_CHARACTER / baud


def silence_s(baud: int) -> float:
    """Return how long a serial line must be silent between two frames."""
    return max(SILENT_CHARACTERS * BITS_PER_CHARACTER / baud, LEAST_SILENCE_S)


def serial_cost(baud: int, turnaround_s: float = TURNAROUND_S, pause_s: float = 0.0) -> LineCost:
    """Return what reads cost on a serial line.

    Args:    baud: bits a second. turnaround_s: from a request's end to the answer's beginning.
             pause_s: silence between an answer and the next request, if more than must be.
    Returns: a cost with request_s counting both frames' overhead and the silence around them.
    """
    overhead_s = transfer_s(READ_REQUEST_BYTES + READ_ANSWER_BYTES, baud)
    silent_s = silence_s(baud) + max(silence_s(baud), pause_s)
    return LineCost(request_s=overhead_s + silent_s + turnaround_s, register_s=transfer_s(2, baud))


def plan_blocks(modbus: Modbus, cost: LineCost) -> tuple[Block, ...]:
    """Merge a profile's points into requests.

    Args:    modbus: a loaded profile's block. cost: of the bus, to weigh holes by.
    Returns: requests in order of function and address; every point lies whole in one of them.
    """
    blocks: list[Block] = []
    for function in (1, 2, 3, 4):
        points = [point for point in modbus.points().values() if point.function == function]
        spans = sorted({(point.address, point.address + point.count) for point in points})
        blocks += [
            Block(function, first, end - first)
            for first, end in _merge(spans, modbus, function, cost)
        ]
    return tuple(blocks)


def poll_time_s(blocks: Iterable[Block], cost: LineCost, pause_s: float = 0.0) -> float:
    """Return the seconds that one poll of a device occupies its bus."""
    return sum(cost.of(block) + pause_s for block in blocks)


def utilisation(polls: Iterable[tuple[float, float]]) -> float:
    """Return the share of a bus's time that its polls take; above 1 they cannot be kept.

    Args: polls: of each device (poll_time_s, period_s).
    """
    return sum(poll_s / period_s for poll_s, period_s in polls)


def _merge(
    spans: list[tuple[int, int]], modbus: Modbus, function: int, cost: LineCost
) -> list[tuple[int, int]]:
    """Join sorted [first, end) spans as far as the device bears it and it pays off."""
    limits = modbus.requests
    of_bits = function in BITS
    most = limits.max_coils if of_bits else limits.max_registers
    hole = min(limits.max_hole, cost.hole * (16 if of_bits else 1))
    merged: list[tuple[int, int]] = []
    for first, end in spans:
        if of_bits and limits.coils_from_zero:
            first = 0
        if merged and not limits.one_field_each:
            start, before = merged[-1]
            joined = max(end, before)
            crosses = any(low < first and before <= high for low, high in limits.holes)
            if first - before <= hole and joined - start <= most and not crosses:
                merged[-1] = (start, joined)
                continue
        merged.append((first, end))
    return merged
