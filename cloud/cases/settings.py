"""The part of the cloud's YAML file about other case systems: `case_systems`, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Url = Annotated[str, Field(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$", max_length=500)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Text = Annotated[str, Field(min_length=1, max_length=200)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Open311Service(_Section):
    """Our own ledger as a server of Open311 GeoReport v2. Whoever can reach it can read it."""

    enabled: bool = False
    contact: str = ""
    key_service: str = ""
    jurisdiction: str = ""
    posts_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 60


class Open311Settings(_Section):
    """A server of Open311 GeoReport v2."""

    kind: Literal["open311"]
    url: Url
    api_key_file: Path | None = None
    jurisdiction: str = ""
    format: Literal["json", "xml"] = "json"
    services: Annotated[dict[str, Text], Field(min_length=1)]
    reference: Text = "case_id"
    updates: bool = False
    timeout_s: Seconds = 10.0
    settle_s: Seconds = 60.0
    poll_s: Seconds = 300.0
    ca_file: Path | None = None


class WebhookSettings(_Section):
    """Whoever takes signed CloudEvents."""

    kind: Literal["webhook"]
    url: Url
    secret_file: Path
    source: Text = "urn:gridwarden"
    timeout_s: Seconds = 10.0
    ca_file: Path | None = None


class ExchangeSettings(_Section):
    """A platform that takes files, in a folder or over HTTP."""

    kind: Literal["exchange"]
    mapping: Path
    folder: Path | None = None
    receipts: Path | None = None
    url: Url | None = None
    token_file: Path | None = None
    every_h: Annotated[float, Field(gt=0, le=24 * 31, allow_inf_nan=False)] = 24.0
    timeout_s: Seconds = 60.0
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _one_way(self) -> ExchangeSettings:
        if (self.folder is None) == (self.url is None):
            raise ValueError("say either folder or url")
        return self


CaseSystemSettings = Annotated[
    Open311Settings | WebhookSettings | ExchangeSettings, Field(discriminator="kind")
]
CaseSystems = dict[Name, CaseSystemSettings]
FILES = ("api_key_file", "secret_file", "token_file", "mapping", "ca_file")
FOLDERS = ("folder", "receipts")


def resolved(systems: CaseSystems, base: Path) -> CaseSystems:
    """Return the settings with paths that count from the file's own folder."""
    return {
        name: one.model_copy(update={key: base / path for key, path in _paths(one).items()})
        for name, one in systems.items()
    }


def files_of(settings: CaseSystemSettings) -> dict[str, Path]:
    """Return the files that are named, by their keys."""
    return {key: file for key in FILES if (file := getattr(settings, key, None)) is not None}


def _paths(settings: CaseSystemSettings) -> dict[str, Path]:
    folders = {key: path for key in FOLDERS if (path := getattr(settings, key, None)) is not None}
    return files_of(settings) | folders
