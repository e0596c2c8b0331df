"""A configured device, ready to be read: what to ask, how to decode it, what it can be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from contract.aggregates import computed_names
from contract.messages import DeviceBirth
from contract.quantities import Kind
from device_profiles.core.decode import RegisterDecoder, compile_decoder
from device_profiles.core.values import Block
from device_profiles.schema import Profile, Requests
from edge.core.budget import Load
from edge.core.modbus import Request
from edge.core.plan import LineCost, plan_blocks, poll_time_s
from edge.core.thinning import URGENT_KINDS
from edge.options import DeviceOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """How one device is polled over Modbus.

    requests: one poll. start: requests after connecting, each with the rest after it.
    timeout_s: None for the bus's. busy_s: what one poll costs the bus.
    """

    requests: tuple[Request, ...]
    start: tuple[tuple[Request, float], ...]
    pause_s: float
    pause_after_connect_s: float
    close_after: bool
    timeout_s: float | None
    busy_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device. poll and decoder: of those polled over Modbus only. address: in small letters.

    units: measurement -> unit that this one sends, where not the profile's. password: HJ 212's PW.
    """

    id: str
    kind: Kind
    profile: Profile
    bus: str
    address: str
    period_s: float
    installed: Mapping[str, float]
    measurements: tuple[str, ...]
    ranges: Mapping[str, tuple[float, float]]
    poll: Poll | None
    decoder: RegisterDecoder | None
    birth: DeviceBirth
    units: Mapping[str, str] = field(default_factory=dict)
    password: str = field(default="", repr=False)

    @property
    def urgent(self) -> bool:
        """Whether its readings go ahead of all others."""
        return self.kind in URGENT_KINDS


def build_device(
    options: DeviceOptions, profile: Profile, cost: LineCost | None, *, aggregating: bool = False
) -> Device:
    """Plan and compile one device. cost: of its bus; None if the bus is not polled.

    aggregating: whether this agent computes what the profile's `aggregates` say.
    """
    period_s = options.period_s or profile.period_s
    poll, decoder = None, None
    if profile.modbus is not None and cost is not None and options.unit_id is not None:
        blocks = plan_blocks(profile.modbus, cost)
        poll = _poll(profile, blocks, options.unit_id, cost)
        decoder = compile_decoder(profile, blocks, options.installed)
    return Device(
        id=options.id,
        kind=profile.kind,
        profile=profile,
        bus=options.bus,
        address=(options.address or "").lower(),
        period_s=period_s,
        installed=options.installed,
        measurements=profile.measurement_names(),
        ranges=profile.ranges(),
        poll=poll,
        decoder=decoder,
        birth=_birth(options, profile, period_s, _computed(profile) if aggregating else ()),
        units=options.units,
        password=options.password or "",
    )


def loads_of(devices: Iterable[Device]) -> list[Load]:
    """Return what polled devices ask of their bus."""
    return [
        Load(device=d.id, poll_s=d.poll.busy_s, period_s=d.period_s)
        for d in devices
        if d.poll is not None
    ]


def stretched(device: Device, factor: float) -> Device:
    """Return a device that is polled so much more rarely, and says so."""
    period_s = float(f"{device.period_s * factor:.4g}")
    return replace(
        device,
        period_s=period_s,
        birth=msgspec.structs.replace(device.birth, period_s=period_s),
    )


def _poll(profile: Profile, blocks: tuple[Block, ...], unit_id: int, cost: LineCost) -> Poll:
    if profile.modbus is None:
        raise ValueError(f"{profile.name} is not polled over Modbus")
    limits = profile.modbus.requests
    pause_s = limits.pause_ms / 1000
    start = [Block(s.function, s.address, s.count) for s in limits.start]
    return Poll(
        requests=tuple(
            Request(unit_id=unit_id, function=b.function, address=b.address, count=b.count)
            for b in blocks
        ),
        start=tuple(
            (
                Request(
                    unit_id=unit_id,
                    function=start.function,
                    address=start.address,
                    count=start.count,
                    value=start.value,
                ),
                start.wait_s,
            )
            for start in limits.start
        ),
        pause_s=pause_s,
        pause_after_connect_s=limits.pause_after_connect_ms / 1000,
        close_after=limits.close_after_poll,
        timeout_s=limits.timeout_s,
        busy_s=poll_time_s(blocks, cost, pause_s) + _again_s(limits, cost, start),
    )


def _computed(profile: Profile) -> tuple[str, ...]:
    return tuple(
        name
        for measurement, periods in profile.aggregates.items()
        for period in periods
        for name in computed_names(measurement, period)
    )


def _again_s(limits: Requests, cost: LineCost, start: Iterable[Block]) -> float:
    """Return what it costs to begin anew for every poll, where a device wants that."""
    if not limits.close_after_poll:
        return 0.0
    return limits.pause_after_connect_ms / 1000 + poll_time_s(start, cost)


def _birth(
    options: DeviceOptions, profile: Profile, period_s: float, computed: tuple[str, ...]
) -> DeviceBirth:
    return DeviceBirth(
        id=options.id,
        kind=profile.kind,
        profile=profile.name,
        period_s=period_s,
        measurements=(*profile.measurement_names(), *computed),
        name=options.name,
        asset=options.asset,
        owner=options.owner,
        place=options.place.place() if options.place else None,
        tags=dict(options.tags),
    )
