"""What to look at: the likeliest first, in words that name this very line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contract.errors import Disconnected, Timeout, TransportError
from device_profiles.schema import Serial
from edge.core.advice import Site, Wire, to_check
from edge.core.modbus import Disturbed, Refused

SITE = Site(
    config="edge.yaml",
    bus="line",
    unit_id=6,
    baud=9600,
    wire=Wire.SERIAL,
    maker=Serial(baud=4800, unit_id=1),
)


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (
            Timeout("no answer"),
            ("asked was 6, the maker ships it as 1", "bus is at 9600", "A and B"),
        ),
        (Timeout("no answer"), ("gridwarden edge scan edge.yaml line", "ships it at 4800 8N1")),
        (Disturbed("wrong CRC"), ("baud rate", "this unit id")),
        (Refused(1), ("function 3", "input registers 4")),
        (Refused(2), ("registers_count_from: 1",)),
        (Refused(3), ("max_registers",)),
        (Refused(6), ("busy",)),
        (Refused(11), ("gateway hears nobody", "asked was 6")),
        (Disconnected("closed"), ("one connection", "modbus_rtu_over_tcp")),
    ],
)
def test_each_problem_has_its_checks(problem: TransportError, words: tuple[str, ...]) -> None:
    said = " ".join(to_check(problem, SITE, connecting=False))
    for word in words:
        assert word in said


def test_where_connecting_fails_it_depends_on_the_wire() -> None:
    problem = Disconnected("no connection")
    assert "dialout" in " ".join(to_check(problem, SITE, connecting=True))
    over_net = replace(SITE, wire=Wire.NETWORK)
    assert "host and port" in " ".join(to_check(problem, over_net, connecting=True))
    dials_in = replace(SITE, wire=Wire.DIALS_IN)
    assert "SIM card" in " ".join(to_check(problem, dials_in, connecting=True))


def test_an_unknown_maker_is_not_spoken_of() -> None:
    said = " ".join(to_check(Timeout("x"), replace(SITE, maker=None, baud=None), connecting=False))
    assert "maker" not in said
    assert "gateway's own settings" in said
