"""What a gateway lives on, as the figures of `state`: its supply, and its modem with the SIM.

`supply.known` and `modem.known` are there where somebody watches them: 1, or 0 while nothing can be
learnt. What is not known is left out; it is neither good nor bad.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SUPPLY, MODEM = "supply", "modem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """Where the power comes from. mains: whether it is there; battery_percent: what is left."""

    mains: bool | None = None
    battery_percent: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Modem:
    """The way to the network. registered: with an operator; signal_percent: 0 to 100."""

    sim: bool | None = None
    registered: bool | None = None
    signal_percent: float | None = None


def supply_figures(supply: Supply) -> dict[str, float]:
    """Return the figures that `state` carries of a supply that is watched."""
    return _figures(SUPPLY, {"mains": supply.mains, "battery_percent": supply.battery_percent})


def modem_figures(modem: Modem) -> dict[str, float]:
    """Return the figures that `state` carries of a modem that is watched."""
    return _figures(
        MODEM,
        {"sim": modem.sim, "registered": modem.registered, "signal_percent": modem.signal_percent},
    )


def supply_of(health: Mapping[str, float]) -> Supply | None:
    """Return what figures say of the supply; None if nobody watches it."""
    if f"{SUPPLY}.known" not in health:
        return None
    return Supply(
        mains=_yes(health, f"{SUPPLY}.mains"),
        battery_percent=health.get(f"{SUPPLY}.battery_percent"),
    )


def modem_of(health: Mapping[str, float]) -> Modem | None:
    """Return what figures say of the modem; None if nobody watches it."""
    if f"{MODEM}.known" not in health:
        return None
    return Modem(
        sim=_yes(health, f"{MODEM}.sim"),
        registered=_yes(health, f"{MODEM}.registered"),
        signal_percent=health.get(f"{MODEM}.signal_percent"),
    )


def _figures(of: str, known: Mapping[str, float | None]) -> dict[str, float]:
    told = {f"{of}.{name}": float(value) for name, value in known.items() if value is not None}
    return {f"{of}.known": float(bool(told)), **told}


def _yes(health: Mapping[str, float], name: str) -> bool | None:
    value = health.get(name)
    return None if value is None else value >= 0.5
