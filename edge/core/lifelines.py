"""What files and commands say of the supply and the modem. Whatever is not said stays unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from contract.errors import DecodeError
from contract.lifelines import Modem, Supply

# Source: Linux, Documentation/ABI/testing/sysfs-class-power.
FEEDS = frozenset(("Mains", "USB", "Wireless"))
STORES = frozenset(("Battery", "UPS"))
CHARGED_FROM = {"Charging": True, "Full": True, "Not charging": True, "Discharging": False}

# Source: ModemManager, MMModem3gppRegistrationState.
REGISTERED = frozenset(("home", "roaming", "home-csfb-not-preferred", "roaming-csfb-not-preferred"))
NOTHING = "--"  # mmcli's word for it


def supply_from_sysfs(parts: Iterable[Mapping[str, str]]) -> Supply:
    """Judge the supply by the power supplies of a machine.

    Args: parts: the attributes of each: type, online, status, capacity, as far as it has them.
    """
    known = list(parts)
    feeds = [one["online"] != "0" for one in known if one.get("type") in FEEDS and "online" in one]
    stores = [one for one in known if one.get("type") in STORES]
    charged = [CHARGED_FROM[one["status"]] for one in stores if one.get("status") in CHARGED_FROM]
    left = [float(one["capacity"]) for one in stores if one.get("capacity", "").strip().isdecimal()]
    mains = any(feeds) if feeds else all(charged) if charged else None
    return Supply(mains=mains, battery_percent=min(left, default=None))


def supply_from_word(text: str, mains: str, battery: str) -> Supply:
    """Judge the supply by the first word of a file. Raises: DecodeError if it is neither."""
    word = (text.split() or [""])[0]
    if word not in (mains, battery):
        raise DecodeError(f"says {word!r:.40}; {mains!r} is mains, {battery!r} is battery")
    return Supply(mains=word == mains)


class _Status(msgspec.Struct, frozen=True):
    sim: bool | None = None
    registered: bool | None = None
    signal_percent: float | None = None


class _Quality(msgspec.Struct, frozen=True):
    value: str = NOTHING


class _Generic(msgspec.Struct, frozen=True, rename="kebab"):
    sim: str = NOTHING
    state_failed_reason: str = NOTHING
    signal_quality: _Quality = _Quality()


class _Network(msgspec.Struct, frozen=True, rename="kebab"):
    registration_state: str = NOTHING


class _Told(msgspec.Struct, frozen=True):
    generic: _Generic = _Generic()
    network: _Network = msgspec.field(name="3gpp", default=_Network())


class _Mmcli(msgspec.Struct, frozen=True):
    modem: _Told


def modem_from_mmcli(text: str | bytes) -> Modem:
    """Read what `mmcli -m MODEM -J` prints. Raises: DecodeError if it is not that."""
    try:
        told = msgspec.json.decode(text, type=_Mmcli).modem
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecodeError(f"not mmcli's JSON: {error}") from error
    state, quality = told.network.registration_state, told.generic.signal_quality.value
    missing = told.generic.state_failed_reason == "sim-missing"
    return Modem(
        sim=False if missing else True if told.generic.sim != NOTHING else None,
        registered=None if state in (NOTHING, "unknown") else state in REGISTERED,
        signal_percent=_percent(float(quality)) if quality.isdecimal() else None,
    )


def modem_from_status(text: str | bytes) -> Modem:
    """Read a status file: a JSON object of sim, registered, signal_percent, all of them optional.

    Raises: DecodeError if it is not that.
    """
    try:
        told = msgspec.json.decode(text, type=_Status)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecodeError(f"no status of a modem: {error}") from error
    signal = None if told.signal_percent is None else _percent(told.signal_percent)
    return Modem(sim=told.sim, registered=told.registered, signal_percent=signal)


def _percent(value: float) -> float:
    if not 0 <= value <= 100:
        raise DecodeError(f"a signal of {value:g} %; allowed: 0 to 100")
    return value
