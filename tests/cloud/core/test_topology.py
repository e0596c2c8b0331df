from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.alert_policy import AlertPolicy
from cloud.core.topology import UP_MS, Link, Outage, channel_id, device_id, outage
from contract import topics

POLICY = AlertPolicy(gateway_offline_s=60, gateway_grace_s=180)


def away(for_s: float, *, held: bool = True) -> Outage:
    return outage(Link(online=False, since_ms=0), round(for_s * 1000), POLICY, held=held)


def back(for_s: float, *, held: bool = True) -> Outage:
    return outage(Link(online=True, since_ms=0), round(for_s * 1000), POLICY, held=held)


def test_its_devices_are_held_at_once_and_it_is_an_alert_after_a_while() -> None:
    assert away(0, held=False) == Outage(down=None, held=True)
    assert away(59.9) == Outage(down=None, held=True)
    assert away(60) == Outage(down=True, held=True)


def test_back_it_must_stay_and_its_devices_have_a_time_of_grace() -> None:
    assert back(UP_MS / 1000 - 0.1) == Outage(down=None, held=True)
    assert back(UP_MS / 1000) == Outage(down=False, held=True)
    assert back(179.9).held
    assert not back(180).held


def test_what_never_went_holds_nothing() -> None:
    assert not back(1, held=False).held


def test_no_device_can_have_a_gateways_name() -> None:
    assert not topics.ID.fullmatch(device_id("gw-1"))
    assert len(device_id("g" * 63)) <= 63


def test_no_device_and_no_gateway_can_have_a_channels_name() -> None:
    assert channel_id("mail") == "@channel.mail"
    assert not topics.ID.fullmatch(channel_id("mail").removeprefix("@"))
    long, longer = channel_id("c" * 62 + "a"), channel_id("c" * 62 + "b")
    assert len(long) == len(longer) == 63
    assert long != longer


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 400)), max_size=20))
@settings(max_examples=100, deadline=None)
def test_while_it_is_an_alert_its_devices_are_held(turns: list[tuple[bool, int]]) -> None:
    now_ms, held, down = 0, False, False
    link = Link(online=True, since_ms=-1_000_000)
    for online, for_s in turns:
        if online != link.online:
            link = Link(online=online, since_ms=now_ms)
        for _ in range(for_s):
            now_ms += 1_000
            wanted = outage(link, now_ms, POLICY, held=held)
            held, down = wanted.held, down if wanted.down is None else wanted.down
            assert held or not down
            assert held or link.online
