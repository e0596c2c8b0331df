"""As few requests as pay off, and the time they cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.core.values import Block
from device_profiles.schema import Modbus, RegisterMeasurement, Requests
from edge.core.plan import (
    TCP_COST,
    plan_blocks,
    poll_time_s,
    serial_cost,
    silence_s,
    transfer_s,
    utilisation,
)

SERIAL = serial_cost(9600)


def modbus(*addresses: int, function: int = 3, **limits: object) -> Modbus:
    """One uint16 measurement at each address."""
    bits = function in (1, 2)
    return Modbus(
        measurements={
            f"pm10.c{address}": RegisterMeasurement(
                address=address,
                function=function,  # type: ignore[arg-type]
                type="bit" if bits else "uint16",
                unit="ug/m3",
            )
            for address in addresses
        },
        requests=Requests(**limits),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("profile", "blocks"),
    [
        pytest.param(modbus(0), [Block(3, 0, 1)], id="one"),
        pytest.param(modbus(0, 1, 2), [Block(3, 0, 3)], id="neighbours"),
        pytest.param(modbus(4, 9), [Block(3, 4, 6)], id="a hole cheaper than a request"),
        pytest.param(modbus(4, 9, max_hole=3), [Block(3, 4, 1), Block(3, 9, 1)], id="no holes"),
        pytest.param(modbus(4, 9, holes=((6, 6),)), [Block(3, 4, 1), Block(3, 9, 1)], id="taboo"),
        pytest.param(modbus(4, 9, holes=((10, 12),)), [Block(3, 4, 6)], id="taboo elsewhere"),
        pytest.param(modbus(0, 200), [Block(3, 0, 1), Block(3, 200, 1)], id="too far"),
        pytest.param(
            modbus(0, 1, 2, one_field_each=True), [Block(3, i, 1) for i in range(3)], id="alone"
        ),
        pytest.param(
            modbus(0, 1, 2, max_registers=2), [Block(3, 0, 2), Block(3, 2, 1)], id="capped"
        ),
        pytest.param(modbus(9, 12, function=1), [Block(1, 9, 4)], id="coils"),
        pytest.param(
            modbus(9, function=1, coils_from_zero=True), [Block(1, 0, 10)], id="from zero"
        ),
    ],
)
def test_registers_merge_into_few_requests(profile: Modbus, blocks: list[Block]) -> None:
    assert list(plan_blocks(profile, SERIAL)) == blocks


@given(
    st.sets(st.integers(0, 2_000), min_size=1, max_size=40),
    st.integers(1, 125),
    st.integers(0, 124),
)
def test_every_point_is_read_once_and_no_request_is_too_large(
    addresses: set[int], most: int, hole: int
) -> None:
    blocks = plan_blocks(modbus(*addresses, max_registers=most, max_hole=hole), TCP_COST)
    covered = [a for block in blocks for a in range(block.address, block.address + block.count)]
    assert len(covered) == len(set(covered))
    assert addresses <= set(covered)
    assert all(block.count <= most for block in blocks)
    ends = {block.address for block in blocks} | {b.address + b.count - 1 for b in blocks}
    assert ends <= addresses  # nothing is read beyond the points


def test_merging_costs_no_more_than_asking_one_by_one() -> None:
    merged = plan_blocks(modbus(0, 5, 10, 15), SERIAL)
    alone = plan_blocks(modbus(0, 5, 10, 15, one_field_each=True), SERIAL)
    assert poll_time_s(merged, SERIAL) < poll_time_s(alone, SERIAL)


def test_a_serial_exchange_costs_what_its_characters_cost() -> None:
    """8 bytes out, 5 + 2 back, twice 3.5 characters of silence, 11 bits each; turnaround."""
    cost = serial_cost(9600, turnaround_s=0.02)
    assert cost.of(Block(3, 0, 1)) == pytest.approx((8 + 7 + 7) * 11 / 9600 + 0.02)
    assert poll_time_s([Block(3, 0, 1)], cost, pause_s=0.1) == pytest.approx(0.14521, abs=1e-5)


def test_slow_lines_read_over_larger_holes_only_as_far_as_it_pays() -> None:
    assert serial_cost(1200).hole < serial_cost(115200).hole < TCP_COST.hole


def test_utilisation_is_the_share_of_time() -> None:
    assert utilisation([(0.1, 1.0), (0.5, 10.0)]) == pytest.approx(0.15)
    assert utilisation([]) == 0


def test_a_line_is_silent_for_three_and_a_half_characters_and_never_for_too_little() -> None:
    """MODBUS over serial line v1.02 §2.5.1.1: t3.5, and 1.750 ms above 19200 baud."""
    assert silence_s(9600) == pytest.approx(3.5 * transfer_s(1, 9600))
    assert silence_s(115_200) == pytest.approx(0.00175)
    assert transfer_s(8, 9600) == 2 * transfer_s(8, 19_200)
