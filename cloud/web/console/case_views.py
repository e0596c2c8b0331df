"""What a case's page shows."""

from __future__ import annotations

from cloud.core.case_steps import OPEN_STATES, State
from cloud.web import models
from cloud.web.pages import render
from cloud.web.wording import NOTHING, Wording

# The way a case goes when all is well.
WAY = (*OPEN_STATES, State.CLOSED)


def head(case: models.CaseDetail, w: Wording) -> str:
    """Draw where a case stands and what it is about."""
    state = State(case.state)
    at = WAY.index(state) if state in WAY else -1
    steps = [(each.value, place < at, place == at) for place, each in enumerate(WAY)]
    facts = [
        (w("case.device"), f"{case.device_name} ({case.device})", f"/devices/{case.device}"),
        (w("case.asset"), case.asset, ""),
        (w("case.category"), w.category(case.category), ""),
        (w("case.unit"), case.unit or w("case.no_unit"), ""),
        (w("case.opened"), w.moment(case.opened_ms), ""),
        (w("case.due"), w.moment(case.due_ms) if case.due_ms else NOTHING, ""),
    ]
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


def trail(case: models.CaseDetail, w: Wording) -> str:
    """Draw what happened to a case, the latest first."""
    return render("trail.html", w=w, trail=case.trail[::-1])


def missing_note(case: models.CaseDetail, step: str, note: str, w: Wording) -> str:
    """Say what the note of a step must say, if it must and does not; "" if all is well."""
    if note.strip():
        return ""
    wanted = next((each for each in case.next_steps if each.step == step), None)
    if wanted is not None and wanted.note:
        label = w.pick(wanted.label, wanted.label_en)
        needed = w.pick(wanted.note, wanted.note_en or "")
        return w("case.needs", step=label, note=needed)
    if step == "close" and case.sensor_normal_ms is None:
        return w("case.close_needs")
    return ""
