"""What is wrong with a configuration between its sections: names, places, profiles, bus time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

from pydantic import ValidationError

from contract.commands import read_key
from contract.errors import ConfigError, ProfileError
from contract.secret_files import read_secret
from contract.strict_yaml import Document, Where, suggest
from device_profiles.loader import catalog, load_profile
from device_profiles.schema import Profile
from edge.core.budget import say_blocking, say_overload, share_of, stretching
from edge.devices import Device, build_device, loads_of, stretched
from edge.drivers import DRIVERS
from edge.drivers.bus import Bus, ModbusBus
from edge.north import NORTHS
from edge.options import BufferOptions, CommandOptions, DeviceOptions, Endpoint, Section, TlsFiles
from edge.tls import tls_context

S = TypeVar("S", bound=Section)
Record: TypeAlias = tuple[Where, DeviceOptions]


@dataclass(frozen=True, slots=True, kw_only=True)
class BusPlan:
    """A bus with its devices. utilisation: share of its time that polling takes, if polled."""

    bus: Bus
    devices: tuple[Device, ...]
    utilisation: float | None


def resolved(section: S, base: Path) -> S:
    """Return the section with its relative paths counted from the folder `base`."""
    paths = {
        name: base / value
        for name in type(section).model_fields
        if isinstance(value := getattr(section, name), Path)
    }
    return section.model_copy(update=paths)


def with_secret(options: DeviceOptions) -> DeviceOptions:
    """Return a device's record with the password that its password_file holds.

    Raises: ConfigError if the file cannot be used.
    """
    if options.password_file is None:
        return options
    return options.model_copy(update={"password": read_secret(options.password_file)})


class Checker:
    """Finds what is wrong between the sections, also where a section is wrong in itself.

    It works on those items that can be read by themselves; what is wrong in the others has been
    told already.
    """

    def __init__(self, document: Document, base: Path) -> None:
        self._document, self._base = document, base
        self._data: Mapping[str, object] = document.data if isinstance(document.data, dict) else {}
        self.problems: list[str] = []
        self.warnings: list[str] = []  # what does not keep the agent from running
        self._profiles: dict[str, Profile | None] = {}
        folder = self._data.get("profiles")
        self._own_profiles = base / folder if isinstance(folder, str) else None
        if self._own_profiles is not None and not self._own_profiles.is_dir():
            self._report(("profiles",), f"no such folder: {self._own_profiles}")
        self._catalog = catalog(extra=self._own_profiles)

    def plans(self) -> tuple[BusPlan, ...]:
        """Check everything; return what a sound file comes to."""
        self._check_endpoint(("broker",), self._read(self._data.get("broker"), Endpoint))
        self._check_buffer()
        self._check_commands()
        records = tuple(self._devices())
        buses = self._settled(self._buses(), records)
        members: dict[str, list[Device]] = {bus.id: [] for bus in buses.values()}
        for where, options in records:
            device = self._build(where, options, buses)
            if device is not None:
                members[device.bus].append(device)
        self._check_norths([device for each in members.values() for device in each])
        return tuple(self._plan(where, bus, members[bus.id]) for where, bus in buses.items())

    def _plan(self, where: Where, bus: Bus, devices: Sequence[Device]) -> BusPlan:
        if not isinstance(bus, ModbusBus):
            return BusPlan(bus=bus, devices=tuple(devices), utilisation=None)
        loads = loads_of(devices)
        told, factor = say_overload(loads), stretching(loads)
        if share_of(loads) <= 1:
            if blocking := say_blocking(loads):
                self._warn(where, blocking)
        elif bus.overload == "stretch":
            self._warn(where, f"{told}; all its periods are {factor:.2f} times as long")
            devices = [stretched(device, factor) for device in devices]
        else:
            self._report(
                where,
                f"{told}; make each period_s {factor:.2f} times as long, move devices to another"
                " bus, or say overload: stretch",
            )
        return BusPlan(bus=bus, devices=tuple(devices), utilisation=share_of(loads_of(devices)))

    def _buses(self) -> dict[Where, Bus]:
        """Return the buses that can be read, by their place in the file."""
        found: dict[Where, Bus] = {}
        seen: dict[str, Where] = {}
        for where, item in self._items("buses"):
            self._check_unique(where, item, seen)
            model = DRIVERS.get(str(item.get("driver")))
            bus = self._read(item, model) if model else None
            if bus is not None and bus.id not in {other.id for other in found.values()}:
                bus = resolved(bus, self._base)
                for key, what in bus.clashes(tuple(found.values())):
                    self._report((*where, key), what)
                found[where] = bus
                if isinstance(bus, Endpoint):
                    self._check_endpoint(where, bus)
                elif isinstance(bus, TlsFiles):
                    self._check_tls(where, bus)
        return found

    def _settled(self, buses: Mapping[Where, Bus], records: Sequence[Record]) -> dict[Where, Bus]:
        """Return the buses with what their devices' profiles say of them filled in."""
        settled = dict(buses)
        for where, bus in buses.items():
            members = [
                (options.id, profile)
                for place, options in records
                if options.bus == bus.id
                and (profile := self._profile((*place, "profile"), options.profile)) is not None
            ]
            try:
                settled[where] = bus.settled(members)
            except ConfigError as error:
                for problem in error.problems:
                    self._report(where, problem)
            for key, what in bus.warnings():
                self._warn((*where, key), what)
        return settled

    def _devices(self) -> Iterator[Record]:
        seen: dict[str, Where] = {}
        for where, item in self._items("devices"):
            self._check_unique(where, item, seen)
            options = self._read(item, DeviceOptions)
            if options is not None:
                yield where, resolved(options, self._base)

    def _build(
        self, where: Where, options: DeviceOptions, buses: Mapping[Where, Bus]
    ) -> Device | None:
        before = len(self.problems)
        profile = self._profile((*where, "profile"), options.profile)
        bus = self._bus_of(where, options, buses)
        if profile is None or bus is None:
            return None
        if not self._fits(where, profile, bus):
            return None
        self._check_place(where, options, bus)
        self._check_installed(where, options, profile)
        for key, what in bus.device_problems(options, profile):
            self._report((*where, *filter(None, key.split("."))), what)
        self._attempt((*where, "password_file"), lambda: with_secret(options))
        if len(self.problems) > before:
            return None
        aggregating = self._data.get("aggregates") is not None
        return build_device(with_secret(options), profile, bus.cost(), aggregating=aggregating)

    def _bus_of(
        self, where: Where, options: DeviceOptions, buses: Mapping[Where, Bus]
    ) -> Bus | None:
        names = [str(item.get("id")) for _, item in self._items("buses")]
        if options.bus not in names:
            self._report(
                (*where, "bus"), f"unknown bus {options.bus!r}; {suggest(options.bus, names)}"
            )
        return next((bus for bus in buses.values() if bus.id == options.bus), None)

    def _profile(self, where: Where, name: str) -> Profile | None:
        if name not in self._catalog:
            what = f"unknown profile {name!r}; {suggest(name, list(self._catalog))}"
            self._report(where, what)
            return None
        if name not in self._profiles:
            self._profiles[name] = None
            try:
                self._profiles[name] = load_profile(name, extra=self._own_profiles)
            except ProfileError as error:
                self.problems += error.problems
        return self._profiles[name]

    def _fits(self, where: Where, profile: Profile, bus: Bus) -> bool:
        if profile.protocol == bus.protocol:
            return True
        fitting = [name for name, model in DRIVERS.items() if model.protocol == profile.protocol]
        self._report(
            (*where, "bus"),
            f"profile {profile.name} is for {profile.protocol}, but bus {bus.id} is {bus.driver};"
            f" allowed drivers: {', '.join(fitting) or 'none yet'}",
        )
        return False

    def _check_place(self, where: Where, options: DeviceOptions, bus: Bus) -> None:
        """On a Modbus bus a device has a unit id of its own, elsewhere an address of its own."""
        key, other = ("unit_id", "address") if bus.protocol == "modbus" else ("address", "unit_id")
        value = getattr(options, key)
        if value is None:
            self._report(where, f"{key} is missing; devices on {bus.driver} have one")
        if getattr(options, other) is not None:
            self._report((*where, other), f"devices on {bus.driver} have {key}, not {other}")
        for place, item in self._items("devices"):
            if place[1] == where[1]:
                break
            if value is not None and (item.get("bus"), item.get(key)) == (options.bus, value):
                self._report(
                    (*where, key),
                    f"{value!r} on bus {bus.id} is {item.get('id')!r} already,"
                    f" line {self._document.lines[*place, key]}",
                )

    def _check_installed(self, where: Where, options: DeviceOptions, profile: Profile) -> None:
        may = {of for derived in profile.derived.values() for of in derived.of}
        for name in options.installed:
            if name not in may:
                self._report(
                    (*where, "installed", name), f"not needed; {suggest(name, sorted(may))}"
                )
        for name in profile.installed_needed():
            if name not in options.installed:
                self._report((*where, "installed"), f"{name} is missing: its value when installed")

    def _check_endpoint(self, where: Where, endpoint: Endpoint | None) -> None:
        if endpoint is None:
            return
        endpoint = resolved(endpoint, self._base)
        if endpoint.password_file is not None:
            password_file = endpoint.password_file
            self._attempt((*where, "password_file"), lambda: read_secret(password_file))
            if endpoint.user is None:
                self._report(where, "user is missing; there is a password_file")
        self._check_tls(where, endpoint)

    def _check_tls(self, where: Where, files: TlsFiles) -> None:
        if files.tls:
            self._attempt(where, lambda: tls_context(files))
        elif files.ca_file or files.cert_file or files.key_file:
            self._report((*where, "tls"), "false, but there are certificates; say tls: true")

    def _check_commands(self) -> None:
        options = self._read(self._data.get("commands", {}), CommandOptions)
        if options is not None and (key := resolved(options, self._base).key_file) is not None:
            self._attempt(("commands", "key_file"), lambda: read_key(key))

    def _check_norths(self, devices: Sequence[Device]) -> None:
        known = {device.id: device for device in devices}
        names = [str(item.get("id")) for _, item in self._items("devices")]
        seen: dict[str, Where] = {}
        for where, item in self._items("north"):
            self._check_unique(where, item, seen)
            model = NORTHS.get(str(item.get("protocol")))
            north = self._read(item, model) if model else None
            if north is None:
                continue
            north = resolved(north, self._base)
            for key, what in north.problems(known, names):
                self._report(
                    (*where, *(int(k) if k.isdigit() else k for k in key.split("."))), what
                )
            for place, what in self._attempted((*where, "password_file"), north.secret_problems):
                self._report(place, what)

    def _attempted(
        self, where: Where, look: Callable[[], Iterator[tuple[str, str]]]
    ) -> list[tuple[Where, str]]:
        try:
            return [(where, what) for _, what in look()]
        except ConfigError as error:
            return [(where, problem) for problem in error.problems]

    def _check_buffer(self) -> None:
        options = self._read(self._data.get("buffer", {}), BufferOptions)
        if options is not None:
            folder = resolved(options, self._base).path.parent
            if not folder.is_dir():
                self._report(("buffer", "path"), f"no such folder: {folder}")

    def _check_unique(
        self, where: Where, item: Mapping[str, object], seen: dict[str, Where]
    ) -> None:
        name = item.get("id")
        if not isinstance(name, str):
            return
        if name in seen:
            line = self._document.lines[*seen[name], "id"]
            self._report((*where, "id"), f"{name!r} is there already, line {line}")
        seen.setdefault(name, where)

    def _items(self, section: str) -> Iterator[tuple[Where, Mapping[str, object]]]:
        items = self._data.get(section)
        for index, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, dict):
                yield (section, index), item

    def _read(self, item: object, model: type[S]) -> S | None:
        try:
            return model.model_validate(item)
        except ValidationError:
            return None

    def _attempt(self, where: Where, attempt: Callable[[], object]) -> None:
        try:
            attempt()
        except ConfigError as error:
            for problem in error.problems:
                self._report(where, problem)

    def _report(self, where: Where, what: str) -> None:
        self.problems.append(self._document.problem(where, what))

    def _warn(self, where: Where, what: str) -> None:
        self.warnings.append(self._document.problem(where, what))
