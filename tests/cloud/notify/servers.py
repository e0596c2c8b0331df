"""Real servers on loopback that take mail and posts, and obey a test."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

TIMEOUT_S = 0.5
USER, PASSWORD = "gridwarden", "geheim-7"


class MailServer:
    """aiosmtpd. tls: how it speaks; login: who may send."""

    def __init__(
        self, tls: ssl.SSLContext | None = None, *, implicit: bool = False, login: bool = False
    ) -> None:
        self.mails: list[EmailMessage] = []
        self.answer = "250 ok"
        self.logins: list[str] = []
        self._running = False
        options = {
            "tls_context": None if implicit else tls,
            "require_starttls": tls is not None and not implicit,
            "authenticator": self._login if login else None,
            "auth_required": login,
            "auth_require_tls": login,
        }
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=free_port(),
            ssl_context=tls if implicit else None,
            ready_timeout=10,
            **({} if implicit else options),  # type: ignore[arg-type]
        )
        if implicit:
            self._controller.factory = lambda: SMTP(self)  # type: ignore[method-assign]

    @property
    def port(self) -> int:
        return int(self._controller.port)

    def start(self) -> None:
        # Its thread outlives the stream that a test's command logged to.
        logging.getLogger("mail.log").disabled = True
        self._controller.start()
        self._running = True

    def stop(self) -> None:
        if self._running:
            self._running = False
            self._controller.stop(no_assert=True)

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.answer.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            mail = message_from_bytes(content, policy=policy.SMTP)
            self.mails.append(mail)
        return self.answer

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.answer.startswith("550"):
            return self.answer
        envelope.rcpt_tos.append(address)
        return "250 ok"

    def _login(self, *found: object) -> AuthResult:
        data = found[-1]
        if isinstance(data, LoginPassword):
            self.logins.append(data.login.decode())
            return AuthResult(success=data.password == PASSWORD.encode(), handled=False)
        return AuthResult(success=False, handled=False)


class PostServer:
    """An HTTP server that keeps what is posted."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        self.location = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02])

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.status < 300:
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    outer.posts.append((headers, body))
                self.send_response(outer.status)
                if outer.location:
                    self.send_header("Location", outer.location)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"no")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        return Handler


class Silence:
    """A port that takes connections and never says a word."""

    def __init__(self, port: int = 0) -> None:
        self._socket = socket.create_server(("127.0.0.1", port))

    def close(self) -> None:
        self._socket.close()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(what: Callable[[], bool], timeout_s: float = 10.0) -> None:
    ends_s = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < ends_s, "it did not come"
        time.sleep(0.01)
