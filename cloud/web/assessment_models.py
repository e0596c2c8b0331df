"""The assessment of cases, as the API answers it and the console shows it."""

from __future__ import annotations

from pydantic import Field

from cloud.web.models import Instant, View


class AssessedFigure(View):
    """One figure; its cases are at /cases/assessment/cases."""

    key: str
    title: str = Field(description="In Chinese")
    title_en: str
    form: str = Field(description="count, share (0 to 1) or mean")
    value: float | None = Field(description="null where there is nothing to measure")
    numerator: int
    denominator: int
    before: float | None = Field(
        None, description="Of the period before; null where it has no case"
    )
    year_ago: float | None = Field(None, description="Of the same a year before; null likewise")


class AssessedGroup(View):
    """The figures of cases that have something in common."""

    key: str = Field(description="The unit, cell, category or source; empty for none")
    figures: list[AssessedFigure]


class Assessment(View):
    """The figures of a period."""

    period: str
    from_ms: Instant
    until_ms: Instant
    version: str = Field(description="Of the formulas")
    by: str
    total: AssessedGroup
    groups: list[AssessedGroup]


class FigureCases(View):
    """The cases that a figure is made of."""

    figure: str
    numerator: list[str]
    denominator: list[str]
