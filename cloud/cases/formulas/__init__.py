"""The formulas of the assessment: one strict YAML file per day they come into effect."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cloud.core.assessment import Count, Form, Formula, Formulas, outside
from cloud.core.assessment_counts import PART_OF
from cloud.core.case_steps import Label
from contract import strict_yaml
from contract.errors import ConfigError

SHIPPED = Path(__file__).parent
Text = Annotated[str, Field(min_length=1, max_length=300)]
Counts = Annotated[tuple[Count, ...], Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Title(_Section):
    zh: Text
    en: Text


class _Figure(_Section):
    key: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    title: _Title
    as_: Annotated[Form, Field(alias="as")]
    numerator: Counts
    denominator: Counts | None = None
    better: Literal["higher", "lower"] = "higher"
    source: Text
    mark: Literal["P", "S", "M", "GAP"]

    def built(self) -> Formula:
        return Formula(
            key=self.key,
            title=Label(zh=self.title.zh, en=self.title.en),
            form=self.as_,
            numerator=self.numerator,
            denominator=self.denominator or (),
            lower_is_better=self.better == "lower",
            source=self.source,
            mark=self.mark,
        )


class _Formulas(_Section):
    version: Text
    effective: date
    figures: Annotated[tuple[_Figure, ...], Field(min_length=1)]
    units: dict[Text, Text] = {}


def load_formulas(path: Path) -> Formulas:
    """Read one version. Raises: ConfigError with every problem, each with file, line and key."""
    document = strict_yaml.read(path)
    found = strict_yaml.check(document, _Formulas)
    problems = [document.problem(where, what) for where, what in _problems(path, found)]
    if problems:
        raise ConfigError(*problems)
    return Formulas(
        version=found.version,
        effective=found.effective,
        figures=tuple(each.built() for each in found.figures),
        units=found.units,
    )


def load_versions(folder: Path | None = None) -> list[Formulas]:
    """Read the versions that are shipped, and a city's own, which win over those of the same day.

    Raises: ConfigError.
    """
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"{folder}: is no folder; it holds formulas named YYYY-MM-DD.yaml")
    own = [load_formulas(path) for path in sorted(folder.glob("*.yaml"))] if folder else []
    shipped = [load_formulas(path) for path in sorted(SHIPPED.glob("*.yaml"))]
    return list({each.effective: each for each in (*shipped, *own)}.values())


def _problems(path: Path, found: _Formulas) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if path.stem != found.effective.isoformat():
        yield ("effective",), f"the file must be called {found.effective}.yaml, not {path.name}"
    for old, new in found.units.items():
        if new in found.units:
            yield ("units", old), f"{new!r} was renamed itself; allowed: a name that is in use now"
    keys = [each.key for each in found.figures]
    for index, each in enumerate(found.figures):
        if each.key in keys[:index]:
            yield ("figures", index, "key"), f"{each.key!r} stands there twice"
        if (each.as_ is Form.COUNT) != (each.denominator is None):
            yield (
                ("figures", index, "as"),
                "a count has no denominator; a share and a mean have one",
            )
        for count in outside(each.built()):
            whole = ", ".join((count.value, *(one.value for one in PART_OF.get(count, ()))))
            yield (
                ("figures", index, "numerator"),
                f"{count.value} may hold cases that the denominator has not, and the share exceed"
                f" 100 %; allowed: a denominator with one of {whole}",
            )
