"""Runs the web application over a socket, and ends it cleanly, whoever is still connected."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI

from cloud.web.app import create_app
from cloud.web.live import Live
from cloud.web.services import Services
from contract.errors import ConfigError

log = logging.getLogger("gridwarden.web")

GOODBYE_S = 2  # after which requests, streams and sockets that still run are cut off
THREADS = 16  # what waits for the database at once; its pool has a few more connections
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve(
    services: Services,
    host: str,
    port: int,
    *,
    ready: Callable[[str], None] | None = None,
    console: bool = True,
) -> None:
    """Serve until SIGTERM or SIGINT, then end within 3 s. Port 0 takes a free one.

    ready: called with the address once it answers.
    Raises: ConfigError, before anything starts, if the address cannot be listened on.
    """
    listener = listen(host, port)
    try:
        app = create_app(services, console=console)
        asyncio.run(_run(app, listener, ready or _log_ready))
    finally:
        listener.close()


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket. Raises: ConfigError naming the address, and why not."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(512)
    except (OSError, OverflowError) as error:
        listener.close()
        number = error.errno if isinstance(error, OSError) else None
        raise ConfigError(f"web: cannot listen on {host}:{port}: {_why(number, error)}") from error
    return listener


def _why(number: int | None, error: Exception) -> str:
    if number == errno.EADDRINUSE:
        return "the port is in use; set another web.port, or stop what uses it"
    if number == errno.EADDRNOTAVAIL:
        return "this machine has no such address; set web.host to 127.0.0.1 or 0.0.0.0"
    if number == errno.EACCES:
        return "ports below 1024 take privileges; set web.port to e.g. 8080"
    return str(error)


async def _run(app: FastAPI, listener: socket.socket, ready: Callable[[str], None]) -> None:
    live: Live = app.state.live
    server = _Server(live, _config(app), lambda: ready(_address(listener)))
    current_default_thread_limiter().total_tokens = THREADS
    async with asyncio.TaskGroup() as group:
        group.create_task(live.run(), name="live")
        await server.serve([listener])
        await live.close()


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GOODBYE_S,
        ws_max_size=1 << 20,
    )


class _Server(uvicorn.Server):
    """Tells when it answers; a signal ends it, and is not raised once more when it has ended."""

    def __init__(self, live: Live, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._live = live
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._live.close()  # streams end by themselves
        await super().shutdown(sockets)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _log_ready(address: str) -> None:
    log.info("console and API on %s", address)
