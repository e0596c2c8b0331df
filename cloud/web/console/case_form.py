"""What a person fills in with a step: a note, a time, a unit, how content people are."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from nicegui import ui

from cloud.cases.steps import Given
from cloud.web import models
from cloud.web.wording import Wording

SCORES = (1, 2, 3, 4, 5)


class Form:
    """The fields that a case's next steps can use; those that none of them uses are not shown."""

    def __init__(self, case: models.CaseDetail, w: Wording) -> None:
        offered = {step.step for step in case.next_steps}
        self._note = ui.textarea(w("case.note")).props("outlined autogrow dense maxlength=4000")
        self._until = self._unit = None
        self._score = None
        if any(step.until for step in case.next_steps):
            self._until = ui.input(w("case.until")).props(
                "outlined dense type=datetime-local stack-label"
            )
        if "dispatch" in offered:
            self._unit = ui.input(w("case.other_unit")).props("outlined dense maxlength=200")
        if "close" in offered:
            self._score = ui.select(list(SCORES), label=w("case.satisfaction"), clearable=True)
            self._score.props("outlined dense")

    def given(self, zone: ZoneInfo) -> Given:
        """Return what was filled in; a time without a zone is the city's."""
        until = str(self._until.value or "") if self._until else ""
        score = self._score.value if self._score else None
        return Given(
            note=str(self._note.value or ""),
            until_ms=moment(until, zone),
            unit=str(self._unit.value or "").strip() if self._unit else "",
            satisfaction=int(score) if score else None,
        )

    def take_over(self, earlier: Form) -> None:
        """Keep what was filled in while other steps became possible."""
        for mine, theirs in zip(self._fields(), earlier._fields(), strict=True):
            if mine is not None and theirs is not None:
                mine.set_value(theirs.value)

    def clear(self) -> None:
        """Empty the fields."""
        for field in self._fields():
            if field is not None:
                field.set_value(None if field is self._score else "")

    def _fields(self) -> tuple[ui.textarea, ui.input | None, ui.input | None, ui.select | None]:
        return self._note, self._until, self._unit, self._score


def moment(text: str, zone: ZoneInfo) -> int | None:
    """Return local time as a browser has it (2026-11-23T09:30) in milliseconds; None for none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return round(found.replace(tzinfo=found.tzinfo or zone).timestamp() * 1000)
