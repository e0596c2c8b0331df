"""/callbacks/{system}: where other case systems say how our cases stand there."""

from __future__ import annotations

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from fastapi.responses import Response

from cloud.cases import callbacks
from cloud.core import signing
from cloud.core.signing import BadSignatureError
from cloud.state.database import retrying
from cloud.web import problems
from cloud.web.auth import services_of
from cloud.web.problems import Problem
from cloud.web.services import Services

router = APIRouter(include_in_schema=False)


@router.post("/callbacks/{system}")
async def take_callback(request: Request, system: str) -> Response:
    """Take a signed CloudEvent. 202: taken; 200: it was taken before."""
    body = await request.body()
    try:
        taken = await run_sync(_take, services_of(request), system, dict(request.headers), body)
    except BadSignatureError as error:
        return problems.response(Problem("bad-signature", str(error)))
    return Response(status_code=202 if taken else 200)


@retrying
def _take(services: Services, system: str, headers: dict[str, str], body: bytes) -> bool:
    secret = services.callback_secrets.get(system)
    if secret is None:
        raise Problem.not_found("case system that calls back", system[:63])
    now_ms = services.clock.now_ms()
    signing.verify(secret, headers, body, now_ms)  # before a forged one can hold up who writes
    with services.database.write() as connection:
        return callbacks.take(connection, system, secret, headers, body, now_ms)
