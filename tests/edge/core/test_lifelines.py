"""The attributes are those of the kernel's documentation; the JSON has the shape of mmcli's."""

from __future__ import annotations

import msgspec
import pytest

from contract.errors import DecodeError
from contract.lifelines import Modem, Supply
from edge.core.lifelines import (
    modem_from_mmcli,
    modem_from_status,
    supply_from_sysfs,
    supply_from_word,
)

MAINS = {"type": "Mains", "online": "1"}
BATTERY = {"type": "Battery", "status": "Full", "capacity": "97"}


def mmcli(state: str = "home", quality: str = "67", sim: str = "/SIM/0", why: str = "--") -> str:
    generic = {
        "signal-quality": {"recent": "yes", "value": quality},
        "sim": sim,
        "state-failed-reason": why,
    }
    told = {"modem": {"3gpp": {"registration-state": state}, "generic": generic, "cdma": {}}}
    return msgspec.json.encode(told).decode()


@pytest.mark.parametrize(
    ("parts", "supply"),
    [
        ([MAINS, BATTERY], Supply(mains=True, battery_percent=97)),
        ([MAINS | {"online": "0"}, BATTERY], Supply(mains=False, battery_percent=97)),
        ([MAINS | {"online": "0"}, {"type": "USB", "online": "1"}], Supply(mains=True)),
        ([BATTERY | {"status": "Discharging"}], Supply(mains=False, battery_percent=97)),
        ([BATTERY | {"status": "Unknown"}], Supply(battery_percent=97)),
        ([{"type": "UPS", "status": "Charging", "capacity": "?"}], Supply(mains=True)),
        ([BATTERY, BATTERY | {"capacity": "5"}], Supply(mains=True, battery_percent=5)),
        ([{"type": "Mains"}], Supply()),
        ([], Supply()),
    ],
)
def test_power_supplies(parts: list[dict[str, str]], supply: Supply) -> None:
    assert supply_from_sysfs(parts) == supply


def test_a_word_is_one_of_two_or_nothing_is_known() -> None:
    assert supply_from_word("OL CHRG\n", "OL", "OB") == Supply(mains=True)
    assert supply_from_word("OB", "OL", "OB") == Supply(mains=False)
    for text in ("", "\n", "ol", "x" * 100_000):
        with pytest.raises(DecodeError, match="'OL' is mains"):
            supply_from_word(text, "OL", "OB")


@pytest.mark.parametrize(
    ("said", "modem"),
    [
        (mmcli(), Modem(sim=True, registered=True, signal_percent=67)),
        (mmcli("roaming", "0"), Modem(sim=True, registered=True, signal_percent=0)),
        (mmcli("searching"), Modem(sim=True, registered=False, signal_percent=67)),
        (mmcli("denied", "--"), Modem(sim=True, registered=False)),
        (mmcli("--", "--", "--", "sim-missing"), Modem(sim=False)),
        (mmcli("unknown", "--", "--"), Modem()),
        ('{"modem": {}}', Modem()),
    ],
)
def test_modem_manager(said: str, modem: Modem) -> None:
    assert modem_from_mmcli(said) == modem


@pytest.mark.parametrize(
    "said", ["", "error: no modem", "{}", '{"modem": 1}', mmcli(quality="101")]
)
def test_what_is_no_modem_s_is_not_guessed(said: str) -> None:
    with pytest.raises(DecodeError):
        modem_from_mmcli(said)


def test_a_status_file_says_what_it_knows() -> None:
    assert modem_from_status('{"registered": false, "rsrp": -117}') == Modem(registered=False)
    whole = '{"sim": true, "registered": true, "signal_percent": 12.5}'
    assert modem_from_status(whole) == Modem(sim=True, registered=True, signal_percent=12.5)
    for text in ("", "[]", '{"sim": "yes"}', '{"signal_percent": -3}', b"\xff"):
        with pytest.raises(DecodeError):
            modem_from_status(text)
