"""Who is told of an alert, when, and why: routes, steps of escalation, quiet hours.

A Story is what is remembered of one alert: when it was raised, how far it was escalated, and who
was told and has not been told of its end yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from cloud.core.isa_18_2 import SUPPRESSED, Event, State
from cloud.core.model import Severity
from cloud.core.rota import DAY_MIN, Hours, How, Rota, on_call, rota_of

UNIT = "unit"  # in a step: the rota of the responsible unit
LONGEST_BACKOFF_MS = 600_000
_FIRST_BACKOFF_MS = 5_000


class What(StrEnum):
    """What a message says."""

    RAISED = "raised"
    AGAIN = "again"  # beyond the limit once more, or re-alarmed
    RELEASED = "released"  # shelving or suppression is over, and the condition holds
    ROSE = "rose"  # its severity
    ESCALATED = "escalated"  # nobody has acknowledged it
    REMINDER = "reminder"
    SHELVED = "shelved"
    RESOLVED = "resolved"
    REFUTED = "refuted"  # late readings showed that it never was
    UNDELIVERED = "undelivered"  # somebody could not be told of it
    DIGEST = "digest"
    FLOOD_BEGAN = "flood began"
    FLOOD_ENDED = "flood ended"
    DUE_SOON = "due soon"  # a case
    OVERDUE = "overdue"
    CHANNEL_DEAD = "channel dead"
    CHANNEL_BACK = "channel back"
    TEST = "test"


CALLS = (What.RAISED, What.AGAIN, What.RELEASED, What.ROSE)  # for somebody to act
COUNTED = (*CALLS, What.ESCALATED)  # towards a flood
# Nobody is told that these could not be told: it would never end.
ABOUT_TELLING = (What.UNDELIVERED, What.CHANNEL_DEAD, What.CHANNEL_BACK, What.TEST)
TO_THOSE_TOLD = (What.REMINDER, What.SHELVED, What.RESOLVED, What.REFUTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An alert as far as routes go. unit: responsible for the device."""

    severity: Severity
    kind: str
    unit: str
    rule: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """So long after it was raised, if nobody has acknowledged it, these are told.

    tell: people, rotas, or "unit" for the rota of the responsible unit.
    """

    after_s: float
    tell: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which alerts, and who is told of them. Empty is any; also: the routes after it count too."""

    name: str
    least: Severity = Severity.LOW
    kinds: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    steps: tuple[Step, ...]
    also: bool = False

    def fits(self, subject: Subject) -> bool:
        """Whether it is about this alert."""
        named = ((self.kinds, subject.kind), (self.units, subject.unit), (self.rules, subject.rule))
        return (
            subject.severity.at_least(self.least)
            and all(not allowed or found in allowed for allowed, found in named)
            and all(subject.tags.get(tag, "") in values for tag, values in self.tags.items())
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A step of the route it is of."""

    route: str
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why a person is told. step: from 0; rota: "" if none had a say."""

    how: How
    route: str = ""
    step: int = 0
    rota: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What is remembered of an alert. raised_ms: None while nobody need act on it."""

    raised_ms: int | None = None
    step: int = 0
    told: tuple[str, ...] = ()

    def begun(self, at_ms: int) -> Story:
        """Return it with the ladder to be climbed from its foot."""
        return replace(self, raised_ms=at_ms, step=0)

    def stopped(self) -> Story:
        """Return it with nothing to escalate."""
        return replace(self, raised_ms=None)

    def telling(self, people: Iterable[str]) -> Story:
        """Return it with more people who will be told of its end."""
        return replace(self, told=tuple(dict.fromkeys((*self.told, *people))))

    def due_ms(self, ladder: Sequence[Rung]) -> int | None:
        """Return when the next step is due; None for never."""
        if self.raised_ms is None or self.step >= len(ladder):
            return None
        return self.raised_ms + round(ladder[self.step].step.after_s * 1000)


def ladder(routes: Sequence[Route], subject: Subject) -> tuple[Rung, ...]:
    """Return the steps for an alert: of the first route that fits, and more where it says `also`.

    In the order of their times; empty if no route fits: then nobody is told.
    """
    rungs: list[Rung] = []
    for route in routes:
        if route.fits(subject):
            rungs += [Rung(route=route.name, step=step) for step in route.steps]
            if not route.also:
                break
    return tuple(sorted(rungs, key=lambda rung: rung.step.after_s))


def climb(story: Story, rungs: Sequence[Rung], now_ms: int) -> tuple[Story, list[int]]:
    """Return the steps, by number, that are due and were not taken, and the story after them."""
    taken: list[int] = []
    while (due_ms := story.due_ms(rungs)) is not None and due_ms <= now_ms:
        taken.append(story.step)
        story = replace(story, step=story.step + 1)
    return story, taken


def who(
    rungs: Sequence[Rung],
    number: int,
    unit: str,
    rotas: Mapping[str, Rota],
    default: Sequence[str],
    at: datetime,
) -> dict[str, Why]:
    """Return the people whom a step tells at a local moment, and why each.

    Where nobody is on call, or the unit has no rota, the default is told, and says so.
    """
    rung = rungs[number]
    found: dict[str, Why] = {}
    for name in rung.step.tell:
        rota = rota_of(rotas.values(), unit) if name == UNIT else rotas.get(name)
        if rota is None and name != UNIT:
            names: Sequence[str] = (name,)
            why = Why(how=How.NAMED, route=rung.route, step=number)
        elif rota is None:
            names, why = default, Why(how=How.NO_ROTA, route=rung.route, step=number)
        else:
            on = on_call(rota, at)
            names = on.people or default
            why = Why(how=on.how, route=rung.route, step=number, rota=rota.name)
        for person in names:
            found.setdefault(person, why)
    return found


def meaning(event: str, from_state: State, to_state: State) -> What | None:
    """Return what a line of an alert's history is to those who are told; None for nothing.

    What happens while it is suppressed wakes nobody; the end of that is told.
    """
    anew = to_state is State.UNACK and from_state is not State.UNACK
    if event in (Event.ESCALATE, "severity"):
        return What.ROSE if to_state is State.UNACK else None
    if anew and event == Event.EXIT_ABNORMAL:
        return What.RELEASED
    if anew:
        return What.RAISED if from_state is State.NORM else What.AGAIN
    if event == "reminder":
        return What.REMINDER
    if event == Event.SHELVE:
        return What.SHELVED
    if event == Event.EXIT_NORMAL or (event == Event.RETURN and to_state not in SUPPRESSED):
        return What.RESOLVED
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """Hours in which what matters less than `below` is held; Monday is 0.

    digest: told in one message when they end, else each by itself.
    """

    hours: Hours
    days: frozenset[int] = frozenset(range(7))
    below: Severity
    digest: bool = True


def quiet_until(quiet: Sequence[Quiet], severity: Severity, at: datetime) -> datetime | None:
    """Return the local moment when the quiet hours over a severity end; None outside of them."""
    ends: list[datetime] = []
    for each in quiet:
        if severity.at_least(each.below):
            continue
        for day in (at.date(), at.date() - timedelta(days=1)):
            if day.weekday() in each.days and each.hours.hold(day, at):
                extra = 0 if each.hours.to_min > each.hours.from_min else DAY_MIN
                begin = datetime.combine(day, datetime.min.time())
                ends.append(begin + timedelta(minutes=each.hours.to_min + extra))
    return max(ends, default=None)


def wants_digest(quiet: Sequence[Quiet], severity: Severity, at: datetime) -> bool:
    """Whether what is held at a local moment is told in one message."""
    days = (at.date(), at.date() - timedelta(days=1))
    return any(
        each.digest
        for each in quiet
        if not severity.at_least(each.below)
        and any(day.weekday() in each.days and each.hours.hold(day, at) for day in days)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a person is reached. least: only for what matters at least so much."""

    channel: str
    to: str = ""
    least: Severity = Severity.LOW


def ways_for(
    ways: Sequence[Way], severity: Severity, dead: Collection[str] = ()
) -> tuple[Way, ...]:
    """Return the ways for a severity that are not over dead channels.

    If all of those are dead, any other way of the person that lives; if none does, those for the
    severity all the same: they are tried until somebody gives up.
    """
    meant = tuple(way for way in ways if severity.at_least(way.least))
    alive = tuple(way for way in meant if way.channel not in dead)
    others = tuple(way for way in ways if way.channel not in dead)
    return alive or others[:1] or meant


def another_way(ways: Sequence[Way], used: Collection[Way], dead: Collection[str]) -> Way | None:
    """Return a way that was not tried and whose channel lives; None if there is none."""
    spent = {(way.channel, way.to) for way in used}
    left = (way for way in ways if (way.channel, way.to) not in spent and way.channel not in dead)
    return next(left, None)


def backoff_ms(failures: int) -> int:
    """Return how long to wait after so many failures in a row: twice as long each time."""
    return min(_FIRST_BACKOFF_MS << min(max(failures - 1, 0), 20), LONGEST_BACKOFF_MS)
