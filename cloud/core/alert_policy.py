"""What an installation sets about its alerts: times, limits and bounds that no rule says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloud.core.model import Role

HOUR_S = 3_600.0

# Judgement: a shift for who watches, a weekend for who answers for them, a month for who runs it.
SHELVE_S = {
    Role.OPERATOR: 8 * HOUR_S,
    Role.MANAGER: 72 * HOUR_S,
    Role.ADMIN: 720 * HOUR_S,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPolicy:
    """The figures of `alerts:` in the cloud's configuration.

    reminder_s, realarm_s: for rules that say none themselves; 0 is never.
    shelve_s:     how long each role may shelve at most; a role that is not in it may not.
    group_tags:   devices with the same value of the first of these tags that they have, and the
                  same rule, roll up when they begin within group_within_s.
    group_within_m: so do devices whose places are so near each other; 0 is by tags alone.
    desk_tag:     whose value says which operator's desk an alert is for; "": there is one desk.
    desk_by_unit: where the tag says nothing, the device's unit is the desk.
    flood_*:      a flood begins with more than flood_begins alerts in flood_window_s, and ends
                  with fewer than flood_ends. Source: ISA-18.2, > 10 and < 5 in 10 min.
    gateway_offline_s: how long a gateway must be away before there is an alert.
    gateway_grace_s:   for how long its devices stay suppressed after it is back.
    gateway_battery_s: how long a gateway must be on battery before there is an alert.
    gateway_modem_s:   how long its modem must be without SIM or network, while it is there.
    modem_weak_percent: a signal below it explains that a gateway went silent.
    lag_s:        what time alone decides (silence, delays) waits so long behind the clock for
                  readings that are on their way.
    start_rest_s: nor does it decide anything before intake has run so long, as what waited for
                  it must come first.
    record_days:  for how long what the engine found is kept to hold late readings against; later
                  ones change no alert. 0 is for ever.
    """

    reminder_s: float = 4 * HOUR_S
    realarm_s: float = 24 * HOUR_S
    shelve_s: Mapping[Role, float] = field(default_factory=lambda: dict(SHELVE_S))
    group_tags: tuple[str, ...] = ("power", "sim", "cell", "area")
    group_within_s: float = 300.0
    group_within_m: float = 0.0
    desk_tag: str = ""
    desk_by_unit: bool = False
    flood_begins: int = 10
    flood_ends: int = 5
    flood_window_s: float = 600.0
    gateway_offline_s: float = 60.0
    gateway_grace_s: float = 180.0
    gateway_battery_s: float = 10.0
    gateway_modem_s: float = 300.0
    modem_weak_percent: float = 15.0
    lag_s: float = 30.0
    start_rest_s: float = 60.0
    record_days: float = 800.0


POLICY = AlertPolicy()
