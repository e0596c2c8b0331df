"""Register numbers as manuals print them: from 0, from 1, or 40001 style. Off by one is common."""

from __future__ import annotations

from dataclasses import dataclass

from device_profiles.schema import FunctionCode

# The leading digit says the table; five digits, or six where there are more than 9999 registers.
TABLES: dict[int, FunctionCode] = {4: 3, 3: 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One way to take a manual's number.

    address: on the wire. counts_from: what registers_count_from must be then, and number what the
    profile's `address` is. function: told by the number's style; None if it tells nothing.
    """

    address: int
    counts_from: int
    number: int
    function: FunctionCode | None = None

    def say(self) -> str:
        """Say what it means for the profile."""
        if self.counts_from == 0:
            return f"the manual counts from 0: address: {self.number}"
        return f"the manual counts from 1: registers_count_from: 1, address: {self.number}"


def places_of(number: int) -> tuple[Place, ...]:
    """Return the ways to take a manual's number, the likeliest first.

    Args: number: 7, 40007 or 400007.
    """
    found: list[Place] = []
    digits = str(number)
    table = TABLES.get(int(digits[0])) if len(digits) in (5, 6) else None
    inner = int(digits[1:]) if table else 0
    if table and 1 <= inner <= 65_536:
        found.append(Place(address=inner - 1, counts_from=1, number=inner, function=table))
        found.append(Place(address=inner, counts_from=0, number=inner, function=table))
    if number <= 65_535:
        found.append(Place(address=number, counts_from=0, number=number))
    if 1 <= number <= 65_536:
        found.append(Place(address=number - 1, counts_from=1, number=number))
    return tuple(found)
