"""What an installation says about telling people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloud.core.channel_life import DeadWhen
from cloud.core.flood import Bounds
from cloud.core.rota import Rota
from cloud.core.telling import Quiet, Route, Way, What

FLOOD = Bounds(begins=10, ends=5, window_ms=600_000)  # ISA-18.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody to be told."""

    id: str
    name: str
    language: str
    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The section `notify`, without its channels.

    cases: who is told of a case that is due soon or overdue, as in a step.
    digest_ms: how often what a flood brings is told. dead: what makes a channel dead. probe_ms: how
    often channels are tried without a message; 0: never. give_up_ms: how long a message is tried.
    too_old_ms: what was over so long ago wakes nobody after a standstill.
    """

    base_url: str = ""
    people: Mapping[str, Person] = field(default_factory=dict)
    default: tuple[str, ...] = ()
    rotas: Mapping[str, Rota] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    cases: Mapping[What, tuple[str, ...]] = field(default_factory=dict)
    quiet: tuple[Quiet, ...] = ()
    flood: Bounds = FLOOD
    digest_ms: int = 600_000
    dead: DeadWhen = field(default_factory=DeadWhen)
    probe_ms: int = 0
    give_up_ms: int = 86_400_000
    too_old_ms: int = 43_200_000
    keep_ms: int = 34_560_000_000
    keep_rows: int = 200_000
