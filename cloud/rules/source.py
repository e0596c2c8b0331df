"""Where an installation's rules are from: presets, files and overrides, read when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from cloud.calendar_files import Calendars, load_calendars
from cloud.core.rules import Rule, RuleSet
from cloud.rules.loader import load_changes, load_rules
from contract.errors import RuleError
from contract.strict_yaml import Document, parse, read


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSource:
    """What the configuration names."""

    presets: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    overrides: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    calendar: Calendars = ()

    def load(self, on: date) -> RuleSet:
        """Read all of it as it is now. Raises: ConfigError with every problem."""
        holidays = load_calendars(self.calendar)
        return load_rules(self.presets, self.files, self.overrides, on, holidays)

    def changes_in(self, path: Path) -> list[Rule]:
        """Read a file of rules to lay over others. Raises: ConfigError with every problem."""
        return self._changes(read(path, RuleError))

    def changes_of(self, text: str, name: str) -> list[Rule]:
        """Read the same from text that came from `name`."""
        return self._changes(parse(text, name, RuleError))

    def _changes(self, document: Document) -> list[Rule]:
        return load_changes(document, load_calendars(self.calendar))
