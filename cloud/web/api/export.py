"""/export: readings as a file, streamed."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Generator, Iterable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Annotated, Any, Literal, cast

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import iterate_in_threadpool

from cloud.series import export
from cloud.series.export import FORMATS, Piece
from cloud.web.api.common import From, To, milliseconds, problems
from cloud.web.auth import Having, Viewer
from cloud.web.problems import Problem
from contract.clock import iso_utc

router = APIRouter(prefix="/export", tags=["series"])

DAY_MS = 86_400_000
AT_ONCE = 4
ANY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file", "content": {f.media_type: ANY for f in FORMATS.values()}}
}


class Exports:
    """Counts what runs, so that exports leave threads to others."""

    def __init__(self) -> None:
        self._free = BoundedSemaphore(AT_ONCE)

    def begin(self) -> None:
        """Take a place. Raises: Problem if there is none."""
        if not self._free.acquire(blocking=False):
            raise Problem(
                "too-many-exports",
                f"{AT_ONCE} exports are running; try again when one has ended",
                headers={"Retry-After": "30"},
            )

    def end(self) -> None:
        self._free.release()


@router.get("", responses={**FILE, **problems(400, 404)}, response_class=StreamingResponse)
def get_export(
    request: Request,
    services: Having,
    _: Viewer,
    form: Annotated[
        Literal["csv", "parquet", "arrow"], Query(alias="format", description="The file's format")
    ] = "csv",
    device: Annotated[list[str] | None, Query(description="Only these; all if left out")] = None,
    measurement: Annotated[
        list[str] | None, Query(description="Only these; all if left out")
    ] = None,
    begin: From = None,
    end: To = None,
) -> StreamingResponse:
    """Download readings, the last 24 hours unless said otherwise; docs/series.md has the columns.

    However much that is, it is streamed. An export that fails half way breaks the connection off.
    """
    to_ms = milliseconds(end, services.clock.now_ms())
    from_ms = milliseconds(begin, to_ms - DAY_MS)
    if from_ms >= to_ms:
        raise Problem("bad-range", "`from` must lie before `to`")
    with services.database.read() as connection:
        names = export.choose(connection, device or (), measurement or ())
    exports: Exports = request.app.state.exports
    exports.begin()
    with _ended_if_it_fails(exports):
        pieces = export.stream(services.series_store, names, from_ms, to_ms, FORMATS[form])
        first = next(pieces)  # what fails at once is told as a problem
    name = f"{_word(device)}_{_stamp(from_ms)}_{_stamp(to_ms)}.{form}"
    return StreamingResponse(
        _body(exports, first, cast("Generator[Piece]", pieces)),
        media_type=FORMATS[form].media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _body(exports: Exports, first: Piece, rest: Generator[Piece]) -> AsyncIterator[bytes]:
    try:
        async for data in iterate_in_threadpool(_bytes(itertools.chain([first], rest))):
            yield data
    finally:
        exports.end()
        await run_sync(rest.close)


def _bytes(pieces: Iterable[Piece]) -> Iterator[bytes]:
    return (piece.data for piece in pieces if piece.data)


@contextmanager
def _ended_if_it_fails(exports: Exports) -> Iterator[None]:
    try:
        yield
    except BaseException:
        exports.end()
        raise


def _word(devices: list[str] | None) -> str:
    """Return what the file's name begins with; a device's id is [a-z0-9_-]+ where it is known."""
    return devices[0] if devices and len(devices) == 1 else "gridwarden"


def _stamp(at_ms: int) -> str:
    return iso_utc(at_ms)[:16].replace(":", "").replace("-", "") + "Z"
