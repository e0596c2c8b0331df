"""What the resources share: parameters, and the problems each may answer with."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import AwareDatetime

from cloud.web.problems import MEDIA_TYPE, ProblemDetails

Limit = Annotated[int, Query(ge=1, le=500, description="How many rows at most")]
Cursor = Annotated[str, Query(description="`next` of the page before", max_length=300)]
From = Annotated[
    AwareDatetime | None,
    Query(alias="from", description="The first moment, RFC 3339 with offset"),
]
To = Annotated[AwareDatetime | None, Query(alias="to", description="The moment after the last one")]

DESCRIPTIONS: dict[int, str] = {
    400: "The cursor or the range cannot be used",
    401: "Not signed in",
    403: "The role does not allow this, or the request comes from another site",
    404: "There is no such thing",
    409: "Not in this state, or somebody was faster",
    413: "The body is too large",
    422: "The request is not what this address takes",
    429: "Too many attempts",
    503: "Not right now",
    507: "There is no room for more files",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's description of the problems a route may answer with; some it always may."""
    schema = {"schema": ProblemDetails.model_json_schema()}
    return {
        status: {"description": DESCRIPTIONS[status], "content": {MEDIA_TYPE: schema}}
        for status in sorted({401, 422, 503, *statuses})
    }


def milliseconds(at: datetime | None, default_ms: int) -> int:
    """Return a moment as UTC milliseconds."""
    return default_ms if at is None else round(at.timestamp() * 1000)
