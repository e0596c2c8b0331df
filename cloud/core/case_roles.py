"""Who takes part in a case: the roles of digital urban management, and who has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from cloud.core.model import Role


class CaseRole(StrEnum):
    """A part in a case. The 监督中心 collects, accepts and verifies; the 指挥中心 dispatches."""

    COLLECTOR = "collector"
    ACCEPTOR = "acceptor"
    DISPATCHER = "dispatcher"
    HANDLER = "handler"
    VERIFIER = "verifier"
    MANAGER = "manager"


# What an account may do in cases for which nobody has said its roles.
OF_ACCOUNT: dict[Role, frozenset[CaseRole]] = {
    Role.VIEWER: frozenset(),
    Role.OPERATOR: frozenset(CaseRole) - {CaseRole.MANAGER},
    Role.MANAGER: frozenset(CaseRole),
    Role.ADMIN: frozenset(CaseRole),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who takes a step. unit: the handling unit they belong to; "" for none, or for all."""

    name: str
    roles: frozenset[CaseRole]
    unit: str = ""

    @property
    def only_handles(self) -> bool:
        """Whether this is a handling unit's person, who sees and handles its own cases alone."""
        return bool(self.unit) and self.roles == {CaseRole.HANDLER}

    @property
    def own_unit(self) -> str:
        """The unit whose matters alone they see and touch; "" for everybody's."""
        return self.unit if self.only_handles else ""


def roles_of(role: Role, told: Iterable[CaseRole] = ()) -> frozenset[CaseRole]:
    """Return the case roles of an account: those it was told, or those of its own role.

    A viewer has none, whatever was told; an admin has them all.
    """
    wanted = frozenset(told)
    if role in (Role.VIEWER, Role.ADMIN) or not wanted:
        return OF_ACCOUNT[role]
    return wanted


def spell_roles(roles: Iterable[CaseRole]) -> str:
    """Write roles in the order of the seven steps, as the database and people have them."""
    wanted = frozenset(roles)
    return ",".join(role.value for role in CaseRole if role in wanted)


def parse_roles(text: str) -> frozenset[CaseRole]:
    """Read what spell_roles() wrote. Raises: ValueError naming those there are."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in list(CaseRole)]
    if unknown:
        raise ValueError(f"case role {unknown[0]!r}; allowed: {', '.join(CaseRole)}")
    return frozenset(CaseRole(word) for word in words)
