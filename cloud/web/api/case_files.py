"""/cases/{case}/files: photos and papers, in and out; and whether a case's chain holds."""

from __future__ import annotations

from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import FileResponse

from cloud.cases import files
from cloud.cases.file_store import Incoming
from cloud.core.case_roles import Actor
from cloud.core.file_types import FileType
from cloud.web import models
from cloud.web.api.cases import CaseId
from cloud.web.api.common import problems
from cloud.web.auth import Having, Operator, Viewer
from cloud.web.queries import cases
from cloud.web.services import Services
from contract.errors import StorageError

router = APIRouter(prefix="/cases", tags=["cases"])

BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
CONTENT: dict[str, Any] = {each.value: BINARY for each in FileType}
BODY: dict[str, Any] = {"requestBody": {"required": True, "content": CONTENT}}
FILE: dict[int | str, dict[str, Any]] = {200: {"description": "The file", "content": CONTENT}}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, max-age=86400, immutable",  # it never changes
}


@router.post(
    "/{case}/files",
    status_code=201,
    responses=problems(403, 404, 409, 413, 507),
    openapi_extra=BODY,
)
async def add_file(
    request: Request,
    services: Having,
    asking: Operator,
    case: CaseId,
    name: Annotated[str, Query(description="The file's name", max_length=300)] = "",
) -> models.CaseDetail:
    """Add a photo or a paper: the body is the file, JPEG, PNG or PDF.

    What it is, its content says; a name or a `Content-Type` that says something else is refused.
    """
    actor, claim = asking.account.actor, request.headers.get("content-type", "")
    await run_sync(_may_add, services, case, actor, request.headers.get("content-length", "0"))
    with services.files.receiving() as incoming:
        async for piece in request.stream():
            if piece:
                await run_sync(incoming.write, piece)
        return await run_sync(_add, services, incoming, case, actor, name, claim)


@router.get(
    "/{case}/files/{file}", responses={**FILE, **problems(404)}, response_class=FileResponse
)
def get_file(
    services: Having,
    asking: Viewer,
    case: CaseId,
    file: Annotated[int, Path(description="One of the case's files", ge=1, lt=1 << 63)],
) -> FileResponse:
    """Download a file of a case."""
    with services.database.read() as connection:
        found = files.get_file(connection, case, file, asking.account.actor)
    path = services.files.path(found.sha256)
    if not path.is_file():
        raise StorageError(f"{path}, a file of case {case}, is gone")
    return FileResponse(path, media_type=found.type, filename=found.name, headers=HEADERS)


@router.get("/{case}/chain", responses=problems(404))
def verify_chain(services: Having, asking: Viewer, case: CaseId) -> models.CaseChain:
    """Verify a case: that all entries of its chain hold, and that its files are what they were."""
    now_ms = services.clock.now_ms()
    with services.database.read() as connection:
        found = cases.one(connection, case, asking.account.actor, now_ms)
        damaged = files.damaged(services.files, files.files_of(connection, case))
    return found.chain.model_copy(update={"damaged": [each.name for each in damaged]})


def _may_add(services: Services, case: str, actor: Actor, length: str) -> None:
    """Refuse before the content has come what would be refused after it."""
    with services.database.read() as connection:
        files.check_addable(connection, case, actor)
    services.files.check_room(int(length))


def _add(
    services: Services, incoming: Incoming, case: str, actor: Actor, name: str, claim: str
) -> models.CaseDetail:
    received, now_ms = incoming.received(), services.clock.now_ms()
    with services.database.write() as connection:
        files.add_file(
            connection, case, actor, name, claim, received, services.files.bounds, now_ms
        )
        incoming.keep()  # on the disk before the database says that it is there
        return cases.one(connection, case, actor, now_ms)
