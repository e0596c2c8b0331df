"""The assessment as people see it."""

from __future__ import annotations

from datetime import UTC, date, datetime

from cloud.assessment import Assessment, Period, assess
from cloud.core.assessment import By, Group
from cloud.web import assessment_models as models
from cloud.web.services import Services


def today(services: Services) -> date:
    """Return the day that it is in the city."""
    now_s = services.clock.now_ms() / 1000
    return datetime.fromtimestamp(now_s, UTC).astimezone(services.timezone).date()


def assessed(
    services: Services, period: Period, by: By, unit: str, *, comparing: bool = True
) -> Assessment:
    """Assess a period under the city's formulas. Raises: InvalidError, as assess()."""
    now_ms = services.clock.now_ms()
    with services.database.read() as connection:
        return assess(
            connection, period, services.formulas, (by,), unit, now_ms=now_ms, comparing=comparing
        )


def view(found: Assessment, by: By) -> models.Assessment:
    """Return the figures as the API shows them."""
    return models.Assessment(
        period=found.period.name,
        from_ms=found.period.from_ms,
        until_ms=found.period.until_ms,
        version=found.formulas.version,
        by=by.value,
        total=_group(found, found.total, None),
        groups=[_group(found, group, by) for group in found.groups[by]],
    )


def _group(found: Assessment, group: Group, by: By | None) -> models.AssessedGroup:
    return models.AssessedGroup(
        key=group.key,
        figures=[
            models.AssessedFigure(
                key=formula.key,
                title=formula.title.zh,
                title_en=formula.title.en,
                form=formula.form.value,
                value=group.figures[formula.key].value,
                numerator=group.figures[formula.key].numerator,
                denominator=group.figures[formula.key].denominator,
                before=found.before.value(formula.key, by, group.key),
                year_ago=found.year_ago.value(formula.key, by, group.key),
            )
            for formula in found.formulas.figures
        ],
    )
