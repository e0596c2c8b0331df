"""Docking with a platform that takes files: dropped into a folder, or put over HTTP."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from cloud.cases import uploads
from cloud.cases.courier import Round
from cloud.cases.mapping import FieldMapping
from cloud.cases.systems.http import Caller
from cloud.cases.uploads import State, Upload
from cloud.core.assessment import Formulas
from cloud.core.backoff import backoff_ms
from cloud.errors import RetryLater
from cloud.state.database import Database
from contract.clock import Clock
from contract.errors import RejectedError, TransportError
from contract.folders import sync_folder

log = logging.getLogger("gridwarden.cases")

MOST_RECEIPT = 16_384
CLAIM_MS = 300_000
MEDIA_TYPES = {"json": "application/json", "csv": "text/csv; charset=utf-8", "xml": "text/xml"}


class Drop(Protocol):
    """Where files go."""

    def put(self, upload: Upload, body: bytes) -> str | None:
        """Put a file there, as often as it is called; return its receipt, None if it comes later.

        Raises: TransportError to be called again; RejectedError if it was refused.
        """
        ...

    def receipt(self, upload: Upload) -> str | None:
        """Return the receipt of a file, None if there is none yet. Raises: as put()."""
        ...


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that the other side empties. A file is there whole or not at all.

    receipts: where the other side writes NAME.ok or NAME.err; None: a file that lies there is
    received.
    """

    folder: Path
    receipts: Path | None = None

    def put(self, upload: Upload, body: bytes) -> str | None:
        part = self.folder / f".{upload.name}.part"
        try:
            with part.open("wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.folder / upload.name)
            sync_folder(self.folder)
        except OSError as error:
            raise TransportError(f"{self.folder}: {error.strerror or error}") from error
        return "" if self.receipts is None else None

    def receipt(self, upload: Upload) -> str | None:
        if self.receipts is None:
            return ""
        refused = _read(self.receipts / f"{upload.name}.err")
        if refused is not None:
            raise RejectedError(refused or "refused without a word")
        return _read(self.receipts / f"{upload.name}.ok")


@dataclass(frozen=True, slots=True)
class Address:
    """A URL that files are put below; the answer is the receipt."""

    url: str
    caller: Caller
    token: str = ""

    def put(self, upload: Upload, body: bytes) -> str | None:
        bearer = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers: Mapping[str, str] = {
            "Content-Type": MEDIA_TYPES[upload.name.rpartition(".")[2]],
            "Idempotency-Key": upload.name,
            "X-Content-SHA256": upload.sha256,
            **bearer,
        }
        url = f"{self.url.rstrip('/')}/{upload.name}"
        answer = self.caller.call("PUT", url, headers=headers, body=body)
        return answer.body[:MOST_RECEIPT].decode(errors="replace")

    def receipt(self, upload: Upload) -> str | None:  # noqa: ARG002
        return None


class Exchanger:
    """One thread's, like a Courier."""

    def __init__(
        self,
        name: str,
        drop: Drop,
        mapping: FieldMapping,
        database: Database,
        clock: Clock,
        draw: Callable[[], float],
        zone: ZoneInfo,
        formulas: Sequence[Formulas],
        *,
        every_ms: int,
    ) -> None:
        self._name = name
        self._drop = drop
        self._mapping = mapping
        self._database = database
        self._clock = clock
        self._draw = draw
        self._zone = zone
        self._formulas = formulas
        self._every_ms = every_ms
        self._complained_ms = 0

    def work(self) -> Round:
        """Prepare what it is time for, and send one file. Raises: StorageError."""
        self._prepare()
        now_ms = self._clock.now_ms()
        with self._database.write() as connection:
            claimed = uploads.claim(connection, self._name, now_ms, now_ms + CLAIM_MS)
        if claimed is None:
            return Round()
        upload, body = claimed
        try:
            receipt = self._drop.put(upload, body)
        except RejectedError as error:
            self._mark(upload, state=State.DEAD.value, error=str(error))
            log.error("%s refused %s: %s", self._name, upload.name, error)
            return Round(dead=1)
        except TransportError as error:
            wait_ms = backoff_ms(upload.attempts, self._draw())
            if isinstance(error, RetryLater):
                wait_ms = max(wait_ms, round(error.after_s * 1000))
            again_ms = self._clock.now_ms() + wait_ms
            self._mark(upload, next_attempt_ms=again_ms, error=str(error))
            return Round(failed=1)
        self._sent(upload, receipt)
        return Round(told=1, more=True)

    def poll(self) -> int:
        """Look for receipts; return how many came. Raises: StorageError."""
        with self._database.read() as connection:
            lying = uploads.without_receipt(connection, self._name)
        came = 0
        for upload in lying:
            try:
                receipt = self._drop.receipt(upload)
            except RejectedError as error:
                self._mark(upload, state=State.DEAD.value, error=str(error))
                log.error("%s refused %s: %s", self._name, upload.name, error)
                continue
            if receipt is not None:
                self._mark(upload, state=State.RECEIVED.value, receipt=receipt, error="")
                came += 1
        return came

    def _prepare(self) -> None:
        now_ms = self._clock.now_ms()
        try:
            with self._database.write() as connection:
                uploads.prepare(
                    connection,
                    self._name,
                    self._mapping,
                    self._every_ms,
                    self._zone,
                    self._formulas,
                    now_ms,
                )
        except RejectedError as error:  # the mapping has a hole: nothing is lost, it is tried again
            if now_ms - self._complained_ms > self._every_ms:
                log.error("%s: nothing was prepared: %s", self._name, error)
                self._complained_ms = now_ms

    def _sent(self, upload: Upload, receipt: str | None) -> None:
        if receipt is None:
            self._mark(upload, state=State.SENT.value, error="")
        else:
            self._mark(upload, state=State.RECEIVED.value, receipt=receipt, error="")

    def _mark(self, upload: Upload, **values: object) -> None:
        with self._database.write() as connection:
            uploads.mark(connection, upload, **values)


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(MOST_RECEIPT).decode(errors="replace").strip()
    except OSError:
        return None
