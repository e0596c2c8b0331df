"""What a case's page shows."""

from __future__ import annotations

from cloud.cases.reports import SOURCES, TAGS
from cloud.cases.steps import Given
from cloud.core.case_roles import Actor
from cloud.core.case_steps import MAIN_WAY, OPEN_STATES, TRANSITIONS, State, Step, may
from cloud.web import models
from cloud.web.pages import render
from cloud.web.wording import NOTHING, Wording


def head(case: models.CaseDetail, w: Wording) -> str:
    """Draw where a case stands and what it is about."""
    state = State(case.state)
    at = MAIN_WAY.index(state) if state in MAIN_WAY else -1
    steps = [(each.value, place < at, place == at) for place, each in enumerate(MAIN_WAY)]
    facts = [
        *_place(case, w),
        (w("case.category"), w.category(case.category), ""),
        (w("case.unit"), case.unit or w("case.no_unit"), ""),
        (w("case.opened"), w.moment(case.opened_ms), ""),
        (w("case.due"), w.moment(case.due_ms) if case.due_ms else NOTHING, ""),
    ]
    times = (
        ("case.secure_due", case.secure_due_ms),
        ("case.handle_due", case.handle_due_ms),
        ("case.verify_due", case.verify_due_ms),
        ("case.close_due", case.close_due_ms),
        ("case.resume", case.resume_ms),
    )
    facts += [(w(key), w.moment(at_ms), "") for key, at_ms in times if at_ms]
    told = (
        ("case.cell", case.cell),
        ("case.address", case.address),
        ("case.description", case.description),
        ("case.satisfaction", str(case.satisfaction or "")),
    )
    facts += [(w(key), text, "") for key, text in told if text]
    facts += [(w(f"gate.{key}"), value, "") for key, value in case.tags.items() if key in TAGS]
    facts += [(w("case.gate"), _passed(each, w), "") for each in case.gate]
    facts += [(w("case.task"), task_line(task, w), "") for task in case.tasks]
    if case.merged_into:
        facts.append((w("case.merged_into"), case.merged_into, f"/cases/{case.merged_into}"))
    if case.closed_ms:
        facts.append((w("case.closed"), w.moment(case.closed_ms), ""))
    return render(
        "case_head.html",
        w=w,
        case=case,
        steps=steps if at >= 0 else [],
        facts=facts,
        ended=state not in OPEN_STATES,
    )


def _place(case: models.CaseDetail, w: Wording) -> list[tuple[str, str, str]]:
    if not case.device:
        source = w(f"gate.{case.source}") if case.source in SOURCES else case.source
        return [(w("case.source"), source, "")]
    name = f"{case.device_name} ({case.device})"
    return [
        (w("case.device"), name, f"/devices/{case.device}"),
        (w("case.asset"), case.asset, ""),
    ]


def _passed(passed: models.CasePassed, w: Wording) -> str:
    by = w("case.gate_by", name=passed.by) if passed.by else ""
    at = w.moment(passed.decided_ms) if passed.decided_ms else ""
    return " · ".join(part for part in (w(f"gate.{passed.why}"), by, at, passed.note) if part)


def task_line(task: models.CaseTask, w: Wording) -> str:
    """Say what a unit does in a case, until when, and whether it is done."""
    by = w.moment(task.due_ms) if task.due_ms else ""
    how = w("case.task_done" if task.done_ms else "case.task_open")
    return " · ".join(part for part in (task.unit, task.what, by, how) if part)


def apart(case: models.CaseDetail, actor: Actor) -> frozenset[Step]:
    """Return which of the steps with a form of their own this person may take."""
    state = State(case.state)
    return frozenset(
        step
        for step in (Step.INVITE, Step.MERGE, Step.SPLIT)
        if (state, step) in TRANSITIONS and may(actor, step, case.unit)
    )


def to_finish(case: models.CaseDetail, actor: Actor) -> list[models.CaseTask]:
    """Return the tasks that this person may say are done."""
    if (State(case.state), Step.TASK_DONE) not in TRANSITIONS:
        return []
    waiting = [task for task in case.tasks if task.done_ms is None]
    return [task for task in waiting if may(actor, Step.TASK_DONE, task.unit)]


def files(case: models.CaseDetail, w: Wording) -> str:
    """Draw the photos and papers of a case, and whether its chain holds."""
    return render("case_files.html", w=w, case=case)


def trail(case: models.CaseDetail, w: Wording) -> str:
    """Draw what happened to a case, the latest first."""
    return render("trail.html", w=w, trail=case.trail[::-1])


def missing(case: models.CaseDetail, step: str, given: Given, w: Wording) -> str:
    """Say what a step must come with, if it must and does not; "" if all is well."""
    wanted = next((each for each in case.next_steps if each.step == step), None)
    if wanted is not None and wanted.until and given.until_ms is None:
        label = w.pick(wanted.label, wanted.label_en)
        return w("case.needs", step=label, note=w.pick(wanted.until, wanted.until_en or ""))
    if given.note.strip():
        return ""
    if wanted is not None and wanted.note:
        label = w.pick(wanted.label, wanted.label_en)
        needed = w.pick(wanted.note, wanted.note_en or "")
        return w("case.needs", step=label, note=needed)
    if step == "close" and case.sensor_normal_ms is None:
        return w("case.close_needs")
    return ""
