from __future__ import annotations

from typing import Any

import httpx
import pytest

from cloud.web.services import Services
from tests.cloud.cases.pictures import JPEG, PDF, PNG
from tests.cloud.web.test_cases_api import case_of


async def add(
    client: httpx.AsyncClient,
    case: str,
    data: bytes = JPEG,
    name: str = "现场.jpg",
    claim: str = "image/jpeg",
) -> httpx.Response:
    return await client.post(
        f"/api/v1/cases/{case}/files",
        params={"name": name},
        content=data,
        headers={"Content-Type": claim},
    )


async def test_a_photo_goes_in_and_comes_out(op: httpx.AsyncClient) -> None:
    case = await case_of(op, "noise-01")
    assert case["may_add_files"] is True
    answer = await add(op, case["id"])
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    (file,) = found["files"]
    assert (file["name"], file["type"], file["size"]) == ("现场.jpg", "image/jpeg", len(JPEG))
    assert file["by"] == "op"
    assert found["trail"][-1]["step"] == "file"
    assert found["version"] == case["version"]  # nobody who is filling in a step is disturbed
    assert found["chain"]["holds"] is True
    got = await op.get(f"/api/v1/cases/{case['id']}/files/{file['id']}")
    assert got.content == JPEG
    assert got.headers["content-type"] == "image/jpeg"
    assert got.headers["content-disposition"].startswith("attachment; filename*=utf-8''")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in got.headers["content-security-policy"]
    assert "private" in got.headers["cache-control"]


@pytest.mark.parametrize(
    ("data", "name", "claim", "status", "words"),
    [
        (PNG, "a.jpg", "", 422, "the name ends in .jpg, but the content is image/png"),
        (PDF, "", "image/jpeg", 422, "said to be image/jpeg, but its content is application/pdf"),
        (b"<script>", "a.jpg", "image/jpeg", 422, "none of what is taken: JPEG, PNG, PDF"),
        (b"", "a.jpg", "image/jpeg", 422, "none of what is taken"),
        (JPEG[:-10], "a.jpg", "image/jpeg", 422, "cut off"),
        (b"\xff\xd8\xff" + b"0" * (2 << 20), "a.jpg", "", 413, "at most 2097152"),
    ],
)
async def test_what_is_refused(
    op: httpx.AsyncClient, data: bytes, name: str, claim: str, status: int, words: str
) -> None:
    case = await case_of(op, "noise-01")
    answer = await add(op, case["id"], data, name, claim)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]
    assert await case_of(op, "noise-01") == case


async def test_larger_bodies_are_taken_nowhere_else(op: httpx.AsyncClient) -> None:
    case = await case_of(op, "noise-01")
    for path in (f"/api/v1/cases/{case['id']}/steps", "/api/v1/login"):
        assert (await op.post(path, content=b"x" * (3 << 19))).status_code == 413


async def test_who_may(guest: httpx.AsyncClient, op: httpx.AsyncClient) -> None:
    case = await case_of(guest, "noise-01")
    assert case["may_add_files"] is False
    assert (await add(guest, case["id"])).status_code == 403
    assert (await add(op, "20000101-000001")).status_code == 404
    assert (await guest.get(f"/api/v1/cases/{case['id']}/files/1")).status_code == 404
    closed = await case_of(op, "dust-02")
    assert closed["may_add_files"] is False
    assert (await add(op, closed["id"])).status_code == 409


async def test_the_chain_is_verified_with_the_files(
    op: httpx.AsyncClient, services: Services
) -> None:
    case = await case_of(op, "noise-01")
    found = (await add(op, case["id"])).json()
    told = (await op.get(f"/api/v1/cases/{case['id']}/chain")).json()
    assert told == found["chain"]
    assert told["entries"] == 5  # the case, its alert, its opening, the file and its line
    path = services.files.path(found["files"][0]["sha256"])
    path.write_bytes(PNG)
    told = (await op.get(f"/api/v1/cases/{case['id']}/chain")).json()
    assert told["damaged"] == ["现场.jpg"]
    path.unlink()
    file = found["files"][0]["id"]
    assert (await op.get(f"/api/v1/cases/{case['id']}/files/{file}")).status_code == 503
