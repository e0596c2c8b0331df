"""The gatehouse: who may speak for which device, and where those wait who may not yet.

A gateway may speak for itself and its own devices, a device for itself. What is nobody's waits in
the inbox. docs/decisions/0004 and 0007.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace

from cloud.core.model import Series
from cloud.core.waiting import ITSELF, Adopt, Bounds, Standing, State
from cloud.state import ledger, retention, schema
from cloud.state.history import History
from cloud.state.inbox import Inbox
from cloud.state.registry import Registry
from contract.messages import Birth, DeviceBirth
from contract.readings import Reading

log = logging.getLogger("gridwarden.intake")

TIDY_EVERY_MS = 600_000
MOST_AUDITED = 100  # different refusals of one transaction that are written down by name


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """Readings that waited, and may be stored now. sender: ITSELF or a gateway."""

    device: str
    sender: str
    readings: list[Reading]


class Gatehouse:
    """Intake's registry and inbox, asked together."""

    def __init__(self, registry: Registry, inbox: Inbox, history: History, bounds: Bounds) -> None:
        self.registry = registry
        self._inbox = inbox
        self.history = history
        self._bounds = bounds
        # (who, action, device, why)
        self._refused: Counter[tuple[str, str, str, str]] = Counter()
        self._tidied_ms = 0

    @classmethod
    def load(cls, connection: sa.Connection, bounds: Bounds) -> Gatehouse:
        """Read who is known and who waits."""
        return cls(
            Registry.load(connection),
            Inbox.load(connection, bounds),
            History.load(connection),
            bounds,
        )

    def standing(self, sender: str, device: str, measurement: str) -> Standing | str:
        """Say what becomes of a sender's readings of a device: stored, waiting, or why not."""
        owner = self.registry.owner_of(device)
        if owner is None:
            standing = self._inbox.standing(device, sender)
            if isinstance(standing, str):
                self._refuse(sender or device, device, standing)
            return standing
        if owner != sender:
            why = f"device {device} speaks for itself"
            if owner != ITSELF:
                why = f"device {device} belongs to gateway {owner}"
            self._refuse(sender or device, device, why)
            return why
        most = self._bounds.series if owner else self._bounds.series_of_device
        if self.registry.has_room_for(device, measurement, most):
            return Standing.STORED
        return f"{owner or device} has {most} series, and may have no more"

    def impostor(self, device: str, spoken_of: str) -> str:
        """Say why a device may not speak of another one."""
        why = f"device {device} may speak only for itself"
        self._refuse(device, spoken_of[:63], why)
        return why

    def keep(
        self, connection: sa.Connection, sender: str, readings: tuple[Reading, ...], now_ms: int
    ) -> int:
        """Have readings wait with their devices; return how many older ones had to make room."""
        return self._inbox.keep(connection, sender, readings, now_ms)

    def born(
        self, connection: sa.Connection, birth: Birth, now_ms: int
    ) -> tuple[list[Series], list[Released], int]:
        """Write a gateway's devices down, those that it may have.

        Returns: the series of devices that are not what they were; what waited for this birth;
        and how many readings were dropped that others had brought of its devices.
        """
        allowed: list[DeviceBirth] = []
        for told in birth.devices:
            if self._may_have(birth.gateway, told, len(allowed)):
                allowed.append(told)
        adopted = [each.id for each in allowed if self.registry.owner_of(each.id) is None]
        birth = replace(birth, devices=tuple(allowed))
        changed, refused = self.registry.born(connection, birth, now_ms)
        mine = [each for each in allowed if each.id not in refused]
        self.history.born(connection, mine, now_ms)
        self.history.state(connection, birth.gateway, online=True, now_ms=now_ms)
        for device in refused:
            owner = self.registry.owner_of(device)
            self._refuse(birth.gateway, device, f"belongs to gateway {owner}", "device.refused")
        released, dropped = [], 0
        for device in adopted:
            if self.registry.owner_of(device) == birth.gateway:
                one, lost = self._let_in(connection, device, birth.gateway)
                released += one
                dropped += lost
        return changed, released, dropped

    def settle(
        self, connection: sa.Connection, now_ms: int
    ) -> tuple[list[Series], list[Released], int]:
        """Do what people have decided about devices that wait; forget what waited for too long.

        Returns: as born().
        """
        table = schema.inbox
        decided = (State.ADOPTING.value, State.REFUSING.value)
        changed: list[Series] = []
        released: list[Released] = []
        dropped = 0
        for row in connection.execute(
            sa.select(table.c.device, table.c.sender, table.c.state, table.c.told).where(
                table.c.state.in_(decided)
            )
        ).all():
            if (row.device, row.sender) not in self._inbox:
                continue  # adopted from another sender in this very loop
            if row.state == State.REFUSING.value:
                dropped += self._inbox.refuse(connection, row.device, row.sender)
                continue
            told = msgspec.convert(row.told, DeviceBirth)
            changed += self.registry.adopt(connection, row.sender, told, now_ms)
            self.history.born(connection, [told], now_ms)
            one, lost = self._let_in(connection, row.device, row.sender)
            released += one
            dropped += lost
        if now_ms - self._tidied_ms >= TIDY_EVERY_MS or now_ms < self._tidied_ms:
            self._tidied_ms = now_ms
            dropped += self._inbox.forget_old(connection, now_ms)
            self.history.tidy(connection, now_ms)
            for filling in retention.tidy(connection, now_ms):
                log.warning("%s", filling)
        return changed, released, dropped

    def flush(self, connection: sa.Connection, now_ms: int) -> None:
        """Write down who waits and who was refused, at the end of a transaction."""
        self._inbox.flush(connection, now_ms)
        told = self._refused.most_common()
        more = sum(times for _, times in told[MOST_AUDITED:])
        if more:
            rest = ("intake", "reading.refused", "", "of more devices at once")
            told = [*told[:MOST_AUDITED], (rest, more)]
        for (who, action, device, why), times in told:
            ledger.audit_again(
                connection,
                who=who,
                action=action,
                subject=device,
                note=why,
                at_ms=now_ms,
                times=times,
            )
        self._refused.clear()

    def _may_have(self, gateway: str, told: DeviceBirth, so_far: int) -> bool:
        """Whether a birth may name a device; if not, it waits, or the attempt is written down."""
        if self.registry.owner_of(told.id) is not None:
            return True  # the registry asks the database whose it is now
        if self._inbox.is_refused(told.id, gateway):
            self._refuse(gateway, told.id, "was refused", "device.refused")
            return False
        if self._bounds.adopt is Adopt.NOBODY:
            standing = self._inbox.introduce(told, gateway)
            if isinstance(standing, str):
                self._refuse(gateway, told.id, standing, "device.refused")
            return False
        if max(so_far, self.registry.devices_of(gateway)) >= self._bounds.devices:
            why = f"has {self._bounds.devices} devices, and may have no more"
            self._refuse(gateway, told.id, why, "device.refused")
            return False
        return True

    def _let_in(
        self, connection: sa.Connection, device: str, sender: str
    ) -> tuple[list[Released], int]:
        """Empty the inbox of a device that has an owner now; others' readings of it are dropped."""
        dropped = 0
        released = []
        for each in self._inbox.senders_of(device):
            if each == sender:
                readings = self._inbox.release(connection, device, sender)
                released.append(Released(device=device, sender=sender, readings=readings))
            else:
                self._refuse(each or device, device, f"device {device} is {sender or 'its own'}'s")
                dropped += self._inbox.drop(connection, device, each)
        return released, dropped

    def _refuse(self, who: str, device: str, why: str, action: str = "reading.refused") -> None:
        self._refused[who, action, device, why] += 1
