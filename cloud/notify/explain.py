"""Who would be told, when, by what, and why: the same functions that plan, with nothing written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from cloud.core.model import Severity
from cloud.core.telling import Subject, ladder, quiet_until, wants_digest, ways_for, who
from cloud.notify.messages import reason
from cloud.notify.policy import Policy


def explain(policy: Policy, subject: Subject, at: datetime, language: str = "en") -> Iterator[str]:
    """Yield lines for people. at: local, when the alert is raised; steps follow from it."""
    rungs = ladder(policy.routes, subject)
    if not rungs:
        yield "no route fits: nobody is told"
        return
    for number, rung in enumerate(rungs):
        then = at + timedelta(seconds=rung.step.after_s)
        unless = ", if nobody has acknowledged it" if number else ""
        yield f"{then:%Y-%m-%d %H:%M} (after {rung.step.after_s:g} s{unless})"
        people = who(rungs, number, subject.unit, policy.rotas, policy.default, then)
        for name, why in people.items():
            yield f"  {name}: {reason(why, language)}; {_ways(policy, name, subject.severity)}"
        yield from _quiet(policy, subject.severity, then)


def _ways(policy: Policy, name: str, severity: Severity) -> str:
    ways = ways_for(policy.people[name].ways, severity)
    return "by " + ", ".join(f"{way.channel} {way.to}".rstrip() for way in ways)


def _quiet(policy: Policy, severity: Severity, at: datetime) -> Iterator[str]:
    until = quiet_until(policy.quiet, severity, at)
    if until is not None:
        then = "in a digest" if wants_digest(policy.quiet, severity, at) else "each by itself"
        yield f"  quiet hours for {severity.value}: held until {until:%Y-%m-%d %H:%M}, {then}"
