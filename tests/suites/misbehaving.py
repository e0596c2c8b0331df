"""A real HTTP server that does as a test says: refuses, fails, falls silent, answers late or twice.

It keeps what it has taken over a restart, as a server with a database does.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


class Fault(Enum):
    """What the server does with one call."""

    REFUSES = "answers 400"
    FAILS = "answers 500 and takes nothing"
    FAILS_AFTER = "takes it, then answers 500"
    IS_BUSY = "answers 503, come again in 5 s"
    FORGETS_THE_KEY = "answers 401"
    DROPS = "closes the connection and takes nothing"
    CUTS = "takes it, then closes the connection in the middle of the answer"
    IS_SILENT = "takes it and does not answer"
    IS_LATE = "does nothing until the caller has gone, then takes it"
    ANSWERS_TWICE = "takes it and sends the answer twice"
    RAMBLES = "takes it and answers what is no answer"
    LEADS_AWAY = "answers 302"


@dataclass(frozen=True)
class Call:
    """What came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What goes back."""

    status: int
    body: bytes
    media_type: str = "application/json"


@dataclass
class Server:
    """Serves `app` on a port that stays the same from start to start."""

    app: Callable[[Call], Reply]
    faults: deque[Fault] = field(default_factory=deque)
    calls: list[Call] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._gone = threading.Event()
        self._late: list[threading.Thread] = []
        self._http: ThreadingHTTPServer | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin to listen."""
        self._gone.clear()
        self._http = _Http(("127.0.0.1", self.port), _handler(self))
        self.port = self._http.server_address[1]
        poll = {"poll_interval": 0.01}
        threading.Thread(target=self._http.serve_forever, kwargs=poll, name="misbehaving").start()

    def stop(self) -> None:
        """Listen no more; what still runs comes to an end."""
        self.let_go()
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None

    def let_go(self) -> None:
        """The caller has gone: what was late or silent goes on now, to its end."""
        self._gone.set()
        for thread in self._late:
            thread.join()
        self._late.clear()
        self._gone.clear()

    def take(self, call: Call) -> Reply:
        """Take a call, one at a time."""
        with self._lock:
            return self.app(call)

    def wait(self) -> None:
        """Wait until the caller has gone."""
        self._late.append(threading.current_thread())
        self._gone.wait(30)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that has gone is what the tests are about."""


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def _any(self) -> None:
            size = int(self.headers.get("Content-Length", "0"))
            split = urlsplit(self.path)
            call = Call(
                method=self.command,
                path=split.path,
                query=dict(parse_qsl(split.query, keep_blank_values=True)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(size),
            )
            server.calls.append(call)
            fault = server.faults.popleft() if server.faults else None
            self.close_connection = True
            self._do(call, fault)

        def _do(self, call: Call, fault: Fault | None) -> None:
            match fault:
                case None:
                    self._send(server.take(call))
                case Fault.REFUSES:
                    self._send(Reply(400, b'[{"code": 400, "description": "no"}]'))
                case Fault.FAILS:
                    self._send(Reply(500, b"oops"))
                case Fault.FAILS_AFTER:
                    server.take(call)
                    self._send(Reply(500, b"oops"))
                case Fault.IS_BUSY:
                    self._send(Reply(503, b"busy"), {"Retry-After": "5"})
                case Fault.FORGETS_THE_KEY:
                    self._send(Reply(401, b"who are you"))
                case Fault.DROPS:
                    pass
                case Fault.CUTS:
                    reply = server.take(call)
                    self._head(reply, {})
                    self.wfile.write(reply.body[: len(reply.body) // 2])
                case Fault.IS_SILENT:
                    server.take(call)
                    server.wait()
                case Fault.IS_LATE:
                    server.wait()
                    self._send(server.take(call))
                case Fault.ANSWERS_TWICE:
                    reply = server.take(call)
                    self._send(reply)
                    self._send(reply)
                case Fault.RAMBLES:
                    server.take(call)
                    self._send(Reply(200, b"<html>Welcome!"))
                case Fault.LEADS_AWAY:
                    self._send(Reply(302, b""), {"Location": "http://127.0.0.1:9/"})

        def _send(self, reply: Reply, headers: Mapping[str, str] | None = None) -> None:
            self._head(reply, headers or {})
            self.wfile.write(reply.body)

        def _head(self, reply: Reply, headers: Mapping[str, str]) -> None:
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.media_type)
            self.send_header("Content-Length", str(len(reply.body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.flush()

        do_GET = do_POST = do_PUT = _any  # noqa: N815

    return Handler
