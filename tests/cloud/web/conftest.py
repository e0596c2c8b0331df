"""The made-up city behind the real application: real SQLite, real lake, ASGI or real sockets."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from cloud.cases.file_store import FileBounds, FileStore
from cloud.series.lake import LakeStore
from cloud.state.database import Database, sqlite_url
from cloud.state.migrate import migrate
from cloud.web import accounts
from cloud.web.app import create_app
from cloud.web.live import Live
from cloud.web.server import listen
from cloud.web.services import Services, Settings
from contract.clock import ManualClock, SystemClock
from tests.cloud.web.seed import RULES, ZONE, City, fill

NOW_MS = 1_790_000_000_000  # 2026-09-21T22:13:20+08:00

Client = Callable[[str], httpx.AsyncClient]


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state database that the tests copy."""
    path = tmp_path_factory.mktemp("city") / "state.sqlite"
    database = Database(sqlite_url(path))
    migrate(database)
    fill(database, NOW_MS)
    database.close()
    return path


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_MS)


@pytest.fixture
def database(seeded: Path, tmp_path: Path) -> Iterator[Database]:
    shutil.copy(seeded, tmp_path / "state.sqlite")
    opened = Database(sqlite_url(tmp_path / "state.sqlite"))
    yield opened
    opened.close()


@pytest.fixture
def city(database: Database) -> City:
    return City.of(database)


@pytest.fixture
def services(database: Database, clock: ManualClock, tmp_path: Path) -> Services:
    return Services(
        database=database,
        series_store=LakeStore(database, tmp_path / "lake", SystemClock()),
        files=FileStore(tmp_path / "files", FileBounds(largest_bytes=2 << 20, keep_free_bytes=0)),
        rules=RULES,
        clock=clock,
        timezone=ZONE,
        settings=Settings(poll_s=0.01, heartbeat_s=0.05, max_streams=2),
    )


@pytest.fixture
def app(services: Services) -> FastAPI:
    return create_app(services, console=False)


@pytest.fixture
async def stranger(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Someone who is not signed in."""
    async with asgi(app) as client:
        yield client


@pytest.fixture
async def guest(app: FastAPI, services: Services) -> AsyncIterator[httpx.AsyncClient]:
    """A viewer with a bearer token."""
    async with asgi(app, bearer=token_of(services, "guest")) as client:
        yield client


@pytest.fixture
async def op(app: FastAPI, services: Services) -> AsyncIterator[httpx.AsyncClient]:
    """An operator with a bearer token."""
    async with asgi(app, bearer=token_of(services, "op")) as client:
        yield client


@pytest.fixture
async def admin(app: FastAPI, services: Services) -> AsyncIterator[httpx.AsyncClient]:
    """An administrator with a bearer token."""
    async with asgi(app, bearer=token_of(services, "admin")) as client:
        yield client


def asgi(app: FastAPI, *, bearer: str = "", address: str = "127.0.0.1") -> httpx.AsyncClient:
    """Return a client that calls the application without a socket."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 50_000)),
        base_url="http://city.example",
        headers={"Authorization": f"Bearer {bearer}"} if bearer else {},
    )


def token_of(services: Services, name: str) -> str:
    """Begin a session for an account."""
    with services.database.write() as connection:
        return accounts.start_session(connection, name, now_ms=services.clock.now_ms())


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """Serve the application on a free port of loopback, with its poller; yield the address."""
    live: Live = app.state.live
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(live.run(), name="live")
        serving = group.create_task(server.serve([listener]), name="server")
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            await live.close()
            server.should_exit = True
            await serving
