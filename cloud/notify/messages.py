"""What messages say, in the recipient's language: pure functions of facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cloud.core.telling import What, Why
from cloud.notify.texts import TEXTS
from cloud.web.wording import Wording

MOST_LINES = 40  # of a digest
SHORT_CHARACTERS = 140  # two SMS in Chinese
COLUMN = {"zh": 0, "en": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What there is to say of an alert. value: of the reading that is told; None for none.

    part_of: of one that was refuted, the alert that late readings showed it to be one with.
    """

    alert: str
    title: str
    title_en: str
    device: str
    device_name: str
    address: str
    unit: str
    kind: str
    measurement: str
    measured_in: str
    severity: str
    value: float | None
    limit: float
    began_ms: int
    returned_ms: int | None
    source: str
    source_zh: str = ""
    by: str = ""
    note: str = ""
    part_of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFacts:
    """What there is to say of a case's due time. unit: whose it is."""

    case: str
    title: str
    title_en: str
    where: str
    unit: str
    severity: str
    state: str
    due_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A message. short: for an SMS."""

    subject: str
    body: str
    short: str


def say(key: str, language: str, **values: object) -> str:
    """Return a text in a language."""
    words = TEXTS[key][COLUMN[language]]
    return words.format(**values) if values else words


def of_alert(
    what: What, facts: Facts, w: Wording, base_url: str, why: Why | None = None, intro: str = ""
) -> Words:
    """Say what happened to an alert: what, where, value, limit, since when, source, what to do."""
    language = w.language
    title = w.pick(facts.title, facts.title_en)
    severity = w(f"severity.{facts.severity}")
    subject = say(
        "subject",
        language,
        what=say(what, language),
        severity=severity,
        device=facts.device_name,
        title=title,
    )
    lines = [f"{subject}", *_facts(what, facts, w)]
    if base_url:
        lines.append(say("line.link", language, text=link(base_url, facts.alert)))
    if why is not None:
        lines.append(say("why", language, text=reason(why, language)))
    if intro:
        lines = [intro, "", *lines]
    return Words(subject=subject, body="\n".join(lines) + "\n", short=_short(what, facts, w))


def _facts(what: What, facts: Facts, w: Wording) -> list[str]:
    language = w.language
    where = " · ".join(part for part in (facts.device_name, facts.address, facts.device) if part)
    found = [say("line.where", language, text=where)]
    if facts.unit:
        found.append(say("line.unit", language, text=facts.unit))
    measured = w.measurement(facts.measurement)
    value = w.value(facts.value, facts.measurement, facts.measured_in)
    limit = w.value(facts.limit, facts.measurement, facts.measured_in)
    found.append(f"{measured} " + say("line.value", language, value=value, limit=limit))
    found.append(say("line.since", language, time=w.moment(facts.began_ms)))
    if what is What.REFUTED and facts.part_of:
        found.append(say("line.part_of", language, alert=facts.part_of))
    elif what is What.REFUTED:
        found.append(say("line.refuted", language))
    elif facts.returned_ms is not None:
        lasted = w.duration(facts.returned_ms - facts.began_ms)
        time = w.moment(facts.returned_ms)
        found.append(say("line.returned", language, time=time, lasted=lasted))
    source = w.pick(facts.source_zh, facts.source)
    found.append(say("line.source", language, text=source))
    found += [
        say(key, language, text=text)
        for key, text in (("line.by", facts.by), ("line.note", facts.note))
        if text
    ]
    found.append(say("line.do", language, text=to_do(what, facts.kind, language)))
    return found


def to_do(what: What, kind: str, language: str) -> str:
    """Return what a person should do about it."""
    if what is What.REFUTED:
        return say("do.refuted", language)
    if what in (What.RESOLVED, What.SHELVED, What.CHANNEL_BACK):
        return say("do.confirm", language)
    key = f"do.{kind}"
    return say(key if key in TEXTS else "do.", language)


def _short(what: What, facts: Facts, w: Wording) -> str:
    value = w.value(facts.value, facts.measurement, facts.measured_in)
    limit = w.value(facts.limit, facts.measurement, facts.measured_in)
    figures = f" {value}/{limit}" if what not in (What.RESOLVED, What.REFUTED) else ""
    at_ms = facts.returned_ms if what is What.RESOLVED and facts.returned_ms else facts.began_ms
    text = (
        f"{say(what, w.language)}({w(f'severity.{facts.severity}')}) {facts.device_name}"
        f" {w.pick(facts.title, facts.title_en)}{figures} {w.local(at_ms):%m-%d %H:%M}"
    )
    return _cut(text)


def digest(
    hold: str, lines: Sequence[str], counts: Mapping[str, int], w: Wording, base_url: str
) -> Words:
    """Say many messages in one, the most severe first; what does not fit is counted.

    counts: by severity.
    """
    language = w.language
    about = say(f"digest.{hold}", language, n=len(lines))
    told = w("list.comma").join(
        f"{w(f'severity.{name}')} {number}" for name, number in counts.items() if number
    )
    return plain(What.DIGEST, f"{about}: {told}", _listed(lines, language), w, base_url)


def _listed(lines: Sequence[str], language: str) -> str:
    shown = list(lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        shown.append(say("digest.more", language, n=len(lines) - MOST_LINES))
    return "\n".join(shown)


def of_case(what: What, case: CaseFacts, w: Wording, base_url: str, why: Why) -> Words:
    """Say that a case, or a unit's task in it, is due soon or overdue."""
    language = w.language
    subject = say(
        "subject",
        language,
        what=say(what, language),
        severity=w(f"severity.{case.severity}"),
        device=case.case,
        title=w.pick(case.title, case.title_en),
    )
    lines = [
        subject,
        say("line.where", language, text=case.where),
        say("line.unit", language, text=case.unit or "—"),
        say("line.case", language, text=w.case_state(case.state)),
        say("line.due", language, time=w.moment(case.due_ms)),
        say("line.do", language, text=say(f"do.{what}", language)),
    ]
    if base_url:
        lines.append(say("line.see", language, text=link(base_url, "", case.case)))
    lines.append(say("why", language, text=reason(why, language)))
    short = _cut(f"{subject} {w.local(case.due_ms):%m-%d %H:%M}")
    return Words(subject=subject, body="\n".join(lines) + "\n", short=short)


def plain(what: What, about: str, text: str, w: Wording, base_url: str) -> Words:
    """Say what is about no single alert."""
    subject = say("subject.plain", w.language, what=say(what, w.language), about=about)
    body = f"{subject}\n{text}\n" if text else f"{subject}\n"
    if base_url:
        body += say("line.link", w.language, text=f"{base_url}/alerts") + "\n"
    first = f" {text.splitlines()[0]}" if text and what is not What.DIGEST else ""
    return Words(subject=_cut(subject), body=body, short=_cut(subject + first))


def reason(why: Why, language: str) -> str:
    """Return in words why a person is told."""
    return say(f"why.{why.how}", language, route=why.route, step=why.step + 1, rota=why.rota or "—")


def link(base_url: str, alert: str, case: str = "") -> str:
    """Return the address of an alert's or a case's page; "" without a base."""
    page = f"/alerts/{alert}" if alert else f"/cases/{case}" if case else ""
    return f"{base_url}{page}" if base_url else ""


def _cut(text: str) -> str:
    return text if len(text) <= SHORT_CHARACTERS else text[: SHORT_CHARACTERS - 1] + "…"
