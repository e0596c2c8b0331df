"""Verifies every file of the lake, and repairs what it can: from kept blocks, or what is readable.

A file is compared with its row in `lake_files`: its bytes and SHA-256, the schema, the order, the
counts and the times. A damaged one is set aside in `lake/quarantine`, and what cannot be had back
is written down as a hole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from cloud.core.columns import Columns, concatenate
from cloud.core.merge import in_order, repeated
from cloud.series import day_files, hot
from cloud.series.day_files import DAY_MS, LakeFile
from cloud.series.parquet import SCHEMA, columns_of, open_file, parts
from cloud.series.sealer import series_names
from cloud.state import ledger, schema
from cloud.state.database import Database
from contract.errors import StorageError

QUARANTINE = "quarantine"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a file or block, and what became of it. missing: readings not had back."""

    path: str
    day: str
    readings: int
    wrong: str
    done: Literal["nothing", "repaired", "quarantined"] = "nothing"
    missing: int = 0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a check came to."""

    files: int
    readings: int
    blocks: int
    strays: int
    findings: list[Finding]

    @property
    def whole(self) -> bool:
        """Whether everything that was stored can be read now."""
        return all(finding.done == "repaired" for finding in self.findings)


def check(database: Database, folder: Path, *, repair: bool, now_ms: int) -> Report:
    """Look at everything; with `repair`, mend. Others may go on writing. Raises: StorageError."""
    with database.read() as connection:
        files = day_files.listed(connection)
    findings = []
    for file in files:
        wrong = fault(folder, file)
        if wrong and _still_listed(database, file):
            found = Finding(path=file.path, day=file.day, readings=file.readings, wrong=wrong)
            if repair:
                found = _mend(database, folder, file, found, now_ms)
            findings.append(found)
    blocks, damaged = _blocks(database)
    return Report(
        files=len(files),
        readings=sum(file.readings for file in files),
        blocks=blocks,
        strays=len(day_files.strays(database, folder)),
        findings=findings + damaged,
    )


def fault(folder: Path, file: LakeFile) -> str:
    """Say what is wrong with a file; "" if nothing is."""
    path = folder / file.path
    try:
        if path.stat().st_size != file.bytes:
            return f"has {path.stat().st_size} bytes, and had {file.bytes}"
        with path.open("rb") as opened:
            if hashlib.file_digest(opened, "sha256").hexdigest() != file.sha256:
                return "its SHA-256 is another than when it was written"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    try:
        return _content_fault(path, file)
    except StorageError as error:
        return str(error)


def _content_fault(path: Path, file: LakeFile) -> str:
    """Compare what the file says with what its row says."""
    with open_file(path) as opened:
        if not pq.read_schema(opened.handle).equals(SCHEMA):
            return "has other columns than docs/lake.md says"
        opened.handle.seek(0)
        readings = duplicates = 0
        last: tuple[int, int] | None = None
        times: list[int] = []
        for part in parts(opened):
            first = int(part.series[0]), int(part.observed_ms[0])
            if not in_order(part) or (last is not None and first < last):
                return "is not sorted by series and time"
            duplicates += repeated(part, last)
            last = int(part.series[-1]), int(part.observed_ms[-1])
            readings += len(part)
            times += [int(part.observed_ms.min()), int(part.observed_ms.max())]
    if readings != file.readings or duplicates != file.duplicates:
        return (
            f"holds {readings} readings, {duplicates} of them again;"
            f" its list says {file.readings} and {file.duplicates}"
        )
    begin = day_files.day_begin_ms(file.day)
    if (min(times), max(times)) != (file.first_ms, file.last_ms) or not (
        begin <= min(times) <= max(times) < begin + DAY_MS
    ):
        return "has other times than its list says"
    return ""


def _still_listed(database: Database, file: LakeFile) -> bool:
    """Whether the file was not merged away while we looked at it."""
    with database.read() as connection:
        return file in day_files.listed(connection, file.day)


def _mend(database: Database, folder: Path, file: LakeFile, found: Finding, now_ms: int) -> Finding:
    """Put a whole file in the place of a damaged one, or what is left of it."""
    columns = _from_blocks(database, file)
    if columns is None or len(columns) != file.readings:
        columns = concatenate(list(_readable(_found(folder, file))))
    _set_aside(folder, file)
    missing = file.readings - len(columns)
    new = []
    if len(columns):
        with database.read() as connection:
            names = series_names(connection)
        blocks = (file.first_block if missing == 0 else 0), file.last_block
        new = [day_files.write_day(folder, file.day, [columns], names, blocks, file.sealed_ms)]
    note = partial(_note, file=file, found=found, missing=missing, now_ms=now_ms)
    day_files.replace(database, folder, [file], new, also=note)
    done: Literal["repaired", "quarantined"] = "quarantined" if missing else "repaired"
    return msgspec.structs.replace(found, done=done, missing=missing)


def _from_blocks(database: Database, file: LakeFile) -> Columns | None:
    """Return the file's readings from the blocks they came in, if all of these are still kept."""
    begin = day_files.day_begin_ms(file.day)
    span = begin, begin + DAY_MS
    with database.read() as connection:
        oldest = connection.scalar(sa.select(sa.func.min(schema.blocks.c.id)))
        if oldest is None or not oldest <= file.first_block:
            return None
        try:
            found = [
                block.columns.take(block.columns.observed_ms // DAY_MS == begin // DAY_MS)
                for block in hot.blocks_after(
                    connection, file.first_block - 1, file.last_block, between=span
                )
            ]
        except StorageError:
            return None
    return concatenate(found).by_series_and_time()


def _readable(path: Path) -> Iterator[Columns]:
    """Yield what pages with a right checksum hold."""
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError):
        return
    with file:
        for group in range(file.num_row_groups):
            try:
                columns = columns_of(file.read_row_group(group))
            except (pa.ArrowException, OSError, KeyError):
                continue
            if in_order(columns):
                yield columns


def _found(folder: Path, file: LakeFile) -> Path:
    """Return where the damaged file is: set aside already, if a repair was cut short."""
    path = folder / file.path
    return path if path.exists() else folder / QUARANTINE / path.name


def _set_aside(folder: Path, file: LakeFile) -> None:
    path = folder / file.path
    if path.exists():
        aside = folder / QUARANTINE / path.name
        try:
            aside.parent.mkdir(exist_ok=True)
            path.rename(aside)
        except OSError as error:
            raise StorageError(f"{path} cannot be set aside: {error.strerror}") from error


def _note(
    connection: sa.Connection, *, file: LakeFile, found: Finding, missing: int, now_ms: int
) -> None:
    """Write down what was done, and what is lost."""
    ledger.audit(
        connection,
        who="series check",
        action="lake.repaired",
        subject=file.path,
        note=f"{found.wrong}; {missing} of {file.readings} readings are missing",
        at_ms=now_ms,
    )
    if missing:
        connection.execute(
            schema.lake_holes.insert().values(
                path=file.path,
                day=file.day,
                readings=missing,
                first_ms=file.first_ms,
                last_ms=file.last_ms,
                reason=found.wrong,
                found_ms=now_ms,
            )
        )


def _blocks(database: Database) -> tuple[int, list[Finding]]:
    """Decode every block that is hot or kept."""
    table = schema.blocks
    found, count = [], 0
    with database.read() as connection:
        query = sa.select(table.c.id, table.c.readings, table.c.data).order_by(table.c.id)
        for row in connection.execution_options(yield_per=20).execute(query):
            count += 1
            wrong = ""
            try:
                readings = len(hot.decode(row.data))
                if readings != row.readings:
                    wrong = f"holds {readings} readings, and held {row.readings}"
            except StorageError as error:
                wrong = str(error)
            if wrong:
                name = f"block {row.id}"
                found.append(Finding(path=name, day="", readings=row.readings, wrong=wrong))
    return count, found
