from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.alert_policy import AlertPolicy
from cloud.core.lifelines import RULE_OF, Cause, Known, cause_of, learn, own_alerts, words
from cloud.core.model import Severity
from cloud.core.topology import UP_MS, Link
from contract.lifelines import Modem, Supply, modem_figures, supply_figures

POLICY = AlertPolicy(gateway_offline_s=60, gateway_battery_s=10, gateway_modem_s=300)
POWER, MODEM, AWAY = "gateway.power", "gateway.modem", "gateway.offline"
ON_BATTERY = Known(supply=Supply(mains=False, battery_percent=40.0))
WEAK = Known(modem=Modem(registered=True, signal_percent=14.0))


def wanted(known: Known, for_s: float, *, online: bool) -> dict[str, Severity | None]:
    link = Link(online=online, since_ms=0)
    return dict(own_alerts(link, known, round(for_s * 1000), POLICY).alerts)


def test_on_battery_is_an_alert_after_a_while_and_worse_when_it_goes_silent() -> None:
    assert wanted(ON_BATTERY, 9.9, online=True) == {}
    assert wanted(ON_BATTERY, 10, online=True) == {POWER: Severity.MEDIUM}
    assert wanted(ON_BATTERY, 59, online=False) == {}
    assert wanted(ON_BATTERY, 60, online=False) == {POWER: Severity.HIGH}


def test_well_for_half_a_minute_is_well() -> None:
    assert wanted(Known(), UP_MS / 1000 - 0.1, online=True) == {}
    assert wanted(Known(), 30, online=True) == {AWAY: None, POWER: None, MODEM: None}
    back = Known(supply=Supply(mains=True), power_ms=20_000)
    assert wanted(back, 49, online=True) == {AWAY: None, MODEM: None}
    assert wanted(back, 50, online=True) == {AWAY: None, POWER: None, MODEM: None}


@pytest.mark.parametrize(
    ("known", "cause", "said"),
    [
        (Known(), Cause.AWAY, "gateway offline"),
        (Known(supply=Supply(), modem=Modem()), Cause.AWAY, "gateway offline"),
        (ON_BATTERY, Cause.POWER, "on battery, 40 % left"),
        (Known(supply=Supply(mains=False)), Cause.POWER, "on battery"),
        (Known(supply=Supply(mains=False), modem=Modem(sim=False)), Cause.POWER, "on battery"),
        (Known(modem=Modem(sim=False, registered=False)), Cause.MODEM, "without SIM"),
        (Known(modem=Modem(registered=False)), Cause.MODEM, "not registered with"),
        (WEAK, Cause.MODEM, "signal weak (14 %)"),
        (Known(modem=Modem(signal_percent=15.0)), Cause.AWAY, "gateway offline"),
    ],
)
def test_what_it_said_last_tells_why_it_is_silent(known: Known, cause: Cause, said: str) -> None:
    assert cause_of(known, POLICY) is cause
    assert words(cause, known).endswith(said) or said in words(cause, known)
    assert wanted(known, 60, online=False) == {RULE_OF[cause].id: Severity.HIGH}


def test_a_weak_signal_alone_is_no_alert() -> None:
    assert MODEM not in {k for k, v in wanted(WEAK, 400, online=True).items() if v}
    cut = Known(modem=Modem(registered=False))
    assert wanted(cut, 299, online=True).get(MODEM) is None
    assert wanted(cut, 300, online=True)[MODEM] is Severity.MEDIUM


def test_what_is_unknown_is_as_it_was_and_what_nobody_watches_is_nothing() -> None:
    known = learn(Known(), supply_figures(Supply(mains=False, battery_percent=50.0)), 5)
    assert (known.on_battery, known.power_ms) == (True, 5)
    known = learn(known, supply_figures(Supply()), 9)
    assert (known.on_battery, known.power_ms) == (True, 5)
    assert learn(known, {}, 12).on_battery is False
    modem = learn(Known(), modem_figures(Modem(sim=True, registered=False)), 7)
    again = learn(modem, modem_figures(Modem(signal_percent=3.0)), 8)
    assert again.modem == Modem(sim=True, registered=False, signal_percent=3.0)
    assert (again.cut_off, again.modem_ms) == (True, 7)


YES = st.none() | st.booleans()


@given(
    st.lists(st.tuples(YES, YES, YES, st.booleans(), st.integers(0, 400)), max_size=15),
)
@settings(max_examples=100, deadline=None)
def test_a_silent_gateway_has_one_reason_and_a_well_one_no_alert(
    turns: list[tuple[bool | None, bool | None, bool | None, bool, int]],
) -> None:
    now_ms, known, link = 0, Known(), Link(online=True, since_ms=0)
    for mains, sim, registered, online, for_s in turns:
        if online:
            health = supply_figures(Supply(mains=mains))
            health |= modem_figures(Modem(sim=sim, registered=registered))
            known = learn(known, health, now_ms)
        if online != link.online:
            link = Link(online=online, since_ms=now_ms)
        now_ms += for_s * 1000
        told = own_alerts(link, known, now_ms, POLICY).alerts
        if not link.online:
            assert list(told.values()) == ([Severity.HIGH] if for_s >= 60 else list(told.values()))
            assert len(told) <= 1
        elif for_s >= 400:
            assert (told[POWER] is None) == (not known.on_battery)
            assert (told[MODEM] is None) == (not known.cut_off)
