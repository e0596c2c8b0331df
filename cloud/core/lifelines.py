"""What gateways last said of their mains and modem: what is an alert, and why one went silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cloud.core.alert_policy import AlertPolicy
from cloud.core.model import Severity
from cloud.core.rules import Rule
from cloud.core.topology import MODEM_RULE, OFFLINE_RULE, POWER_RULE, UP_MS, Link
from contract.lifelines import Modem, Supply, modem_of, supply_of


class Cause(StrEnum):
    """Why a gateway is silent, as far as it can be told from what it said last."""

    AWAY = "away"
    POWER = "power"
    MODEM = "modem"


RULE_OF: Mapping[Cause, Rule] = {
    Cause.AWAY: OFFLINE_RULE,
    Cause.POWER: POWER_RULE,
    Cause.MODEM: MODEM_RULE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a gateway's lifelines; None where nobody watches them.

    power_ms, modem_ms: since when it is as it is: lost, or not.
    """

    supply: Supply | None = None
    modem: Modem | None = None
    power_ms: int = 0
    modem_ms: int = 0

    @property
    def on_battery(self) -> bool:
        """Whether the mains are gone."""
        return self.supply is not None and self.supply.mains is False

    @property
    def cut_off(self) -> bool:
        """Whether the modem has no SIM, or no network has taken it."""
        return self.modem is not None and False in (self.modem.sim, self.modem.registered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What must be so of a gateway's own alerts: by rule how severe at least, None for none.

    What is not named stays as it is.
    """

    alerts: Mapping[str, Severity | None] = field(default_factory=dict)


def learn(known: Known, health: Mapping[str, float], now_ms: int) -> Known:
    """Return what is known after a `state`: what it leaves open is as it was last known."""
    supply, modem = supply_of(health), modem_of(health)
    if supply is not None and known.supply is not None and supply.mains is None:
        supply = Supply(mains=known.supply.mains, battery_percent=supply.battery_percent)
    if modem is not None and known.modem is not None:
        before = known.modem
        modem = Modem(
            sim=before.sim if modem.sim is None else modem.sim,
            registered=before.registered if modem.registered is None else modem.registered,
            signal_percent=(
                before.signal_percent if modem.signal_percent is None else modem.signal_percent
            ),
        )
    found = Known(supply=supply, modem=modem)
    return Known(
        supply=supply,
        modem=modem,
        power_ms=known.power_ms if found.on_battery == known.on_battery else now_ms,
        modem_ms=known.modem_ms if found.cut_off == known.cut_off else now_ms,
    )


def cause_of(known: Known, policy: AlertPolicy) -> Cause:
    """Say why a gateway is silent. What runs on battery is taken to have run out of it."""
    if known.on_battery:
        return Cause.POWER
    weak = known.modem is not None and _is_weak(known.modem, policy)
    return Cause.MODEM if known.cut_off or weak else Cause.AWAY


def own_alerts(link: Link, known: Known, now_ms: int, policy: AlertPolicy) -> Wanted:
    """Say which alerts a gateway must have of itself."""
    since_ms = now_ms - link.since_ms
    if not link.online:
        rule = RULE_OF[cause_of(known, policy)].id
        late = since_ms >= policy.gateway_offline_s * 1000
        return Wanted(alerts={rule: Severity.HIGH} if late else {})
    wanted: dict[str, Severity | None] = {}
    if since_ms >= UP_MS:
        wanted[OFFLINE_RULE.id] = None
    for rule_, lost, from_ms, after_s in (
        (POWER_RULE, known.on_battery, known.power_ms, policy.gateway_battery_s),
        (MODEM_RULE, known.cut_off, known.modem_ms, policy.gateway_modem_s),
    ):
        if lost and now_ms - from_ms >= after_s * 1000:
            wanted[rule_.id] = rule_.severity
        elif not lost and now_ms - max(from_ms, link.since_ms) >= UP_MS:
            wanted[rule_.id] = None
    return Wanted(alerts=wanted)


def words(cause: Cause, known: Known) -> str:
    """Say in Chinese and English what is the matter; for the history of alerts and for holds."""
    if cause is Cause.AWAY:
        return "网关离线 · gateway offline"
    if cause is Cause.POWER:
        left = known.supply.battery_percent if known.supply else None
        zh = "" if left is None else f"，电池剩余 {left:.0f}%"
        en = "" if left is None else f", {left:.0f} % left"
        return f"网关停电，电池供电{zh} · gateway without mains, on battery{en}"
    modem = known.modem or Modem()
    if modem.sim is False:
        return "网关无 SIM 卡 · gateway without SIM"
    if modem.registered is False:
        return "网关未注册到移动网络 · gateway not registered with a mobile network"
    signal = f"{modem.signal_percent or 0:.0f}"
    return f"网关信号弱（{signal}%） · gateway's signal weak ({signal} %)"


def _is_weak(modem: Modem, policy: AlertPolicy) -> bool:
    return modem.signal_percent is not None and modem.signal_percent < policy.modem_weak_percent
