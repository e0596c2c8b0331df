"""The suite of the port, run on every channel there is, against real servers."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from cloud.core import signing
from cloud.notify import CHANNELS, open_channel
from cloud.notify.settings import Apprise, Smtp, Webhook
from cloud.ports import Notice, NotifyChannel, ProbedChannel
from contract.clock import ManualClock
from contract.errors import ConfigError, RejectedError, TransportError
from tests.cloud.notify.servers import (
    PASSWORD,
    TIMEOUT_S,
    USER,
    MailServer,
    PostServer,
    Silence,
)
from tests.edge.certificates import Certificates, make_certificates
from tests.suites.notify_channel import NOTICE, NotifyChannelSuite, Taken

CLOCK = ManualClock()


def secret_file(folder: Path, text: str) -> Path:
    path = folder / "secret"
    path.write_text(text)
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


def server_tls(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.server.cert, certificates.server.key)
    return context


@dataclass
class MailBench:
    server: MailServer
    channel: NotifyChannel
    silences: list[Silence] = field(default_factory=list)
    secret: str = PASSWORD
    knows_keys: ClassVar[bool] = True
    tells_refusals: ClassVar[bool] = True

    def taken(self) -> list[Taken]:
        return [
            Taken(text=f"{mail['Subject']}\n{mail.get_content()}", key=mail["X-Gridwarden-Key"])
            for mail in self.server.mails
        ]

    def fail(self) -> None:
        self.server.answer = "451 try again"

    def refuse(self) -> None:
        self.server.answer = "550 no such user"

    def hang(self) -> None:
        port = self.server.port
        self.server.stop()
        self.silences.append(Silence(port))

    def stop(self) -> None:
        self.server.stop()


@dataclass
class PostBench:
    server: PostServer
    channel: NotifyChannel
    secret: str
    knows_keys: bool
    tells_refusals: bool
    silences: list[Silence] = field(default_factory=list)

    def taken(self) -> list[Taken]:
        found = []
        for headers, body in self.server.posts:
            said = msgspec.json.decode(body)
            text = (
                f"{said.get('subject') or said.get('title')}\n{said.get('body') or said['message']}"
            )
            found.append(Taken(text=text, key=headers.get("webhook-id", "")))
        return found

    def fail(self) -> None:
        self.server.status = 503

    def refuse(self) -> None:
        self.server.status = 422

    def hang(self) -> None:
        port = self.server.port
        self.server.stop()
        self.silences.append(Silence(port))

    def stop(self) -> None:
        self.server.stop()


def mail_settings(server: MailServer, certificates: Certificates, folder: Path) -> Smtp:
    return Smtp(
        kind="smtp",
        host="127.0.0.1",
        port=server.port,
        user=USER,
        password_file=secret_file(folder, PASSWORD),
        sender="gw@city.example",
        ca_file=certificates.ca,
        timeout_s=TIMEOUT_S,
    )


class TestMail(NotifyChannelSuite):
    @pytest.fixture
    def bench(self, certificates: Certificates, tmp_path: Path) -> Iterator[MailBench]:
        server = MailServer(server_tls(certificates), login=True)
        server.start()
        channel = open_channel(mail_settings(server, certificates, tmp_path), CLOCK)
        bench = MailBench(server, channel)
        yield bench
        bench.stop()
        for each in bench.silences:
            each.close()

    def test_a_name_cannot_write_headers(self, bench: MailBench) -> None:
        """Names come from devices."""
        bench.channel.send(NOTICE)
        (mail,) = bench.server.mails
        assert mail["Bcc"] is None
        assert mail["To"] == NOTICE.to
        assert mail["Message-ID"] == f"<{NOTICE.key}@city.example>"
        assert bench.server.logins == [USER]

    def test_a_trial_logs_in_and_tells_nobody(self, bench: MailBench) -> None:
        assert isinstance(bench.channel, ProbedChannel)
        bench.channel.probe()
        assert (bench.server.logins, bench.server.mails) == ([USER], [])
        bench.stop()
        with pytest.raises(TransportError):
            bench.channel.probe()

    def test_no_tls_is_no_mail(self, certificates: Certificates, tmp_path: Path) -> None:
        """Nothing goes in plain text where STARTTLS was asked for."""
        server = MailServer()
        server.start()
        try:
            channel = open_channel(mail_settings(server, certificates, tmp_path), CLOCK)
            with pytest.raises(TransportError, match="STARTTLS"):
                channel.send(NOTICE)
            assert server.mails == []
        finally:
            server.stop()

    def test_a_stranger_s_certificate_gets_no_mail(
        self, bench: MailBench, certificates: Certificates, tmp_path: Path
    ) -> None:
        settings = mail_settings(bench.server, certificates, tmp_path)
        channel = open_channel(
            settings.model_copy(update={"ca_file": certificates.other_ca}), CLOCK
        )
        with pytest.raises(TransportError, match="TLS failed"):
            channel.send(NOTICE)
        assert bench.server.logins == []

    def test_a_wrong_password_is_the_channel_s_failure_and_no_message_s(
        self, bench: MailBench, certificates: Certificates, tmp_path: Path
    ) -> None:
        settings = mail_settings(bench.server, certificates, tmp_path)
        secret_file(tmp_path, "falsch")
        with pytest.raises(TransportError, match="refused the login: 535") as caught:
            open_channel(settings, CLOCK).send(NOTICE)
        assert "falsch" not in str(caught.value)

    def test_tls_from_the_first_byte(self, certificates: Certificates) -> None:
        server = MailServer(server_tls(certificates), implicit=True)
        server.start()
        try:
            settings = Smtp(
                kind="smtp",
                host="127.0.0.1",
                port=server.port,
                security="tls",
                sender="gw@city.example",
                ca_file=certificates.ca,
                timeout_s=TIMEOUT_S,
            )
            open_channel(settings, CLOCK).send(NOTICE)
            assert len(server.mails) == 1
        finally:
            server.stop()


def webhook(server: PostServer, folder: Path, secret: str = "s3cret-of-hook") -> Webhook:
    return Webhook(
        kind="webhook",
        url=f"http://127.0.0.1:{server.port}/hook?a=1",
        secret_file=secret_file(folder, secret),
        timeout_s=TIMEOUT_S,
    )


@pytest.fixture
def posts() -> Iterator[PostServer]:
    server = PostServer()
    server.start()
    yield server
    server.stop()


class TestWebhook(NotifyChannelSuite):
    @pytest.fixture
    def bench(self, posts: PostServer, tmp_path: Path) -> Iterator[PostBench]:
        channel = open_channel(webhook(posts, tmp_path), CLOCK)
        bench = PostBench(posts, channel, "s3cret-of-hook", True, True)
        yield bench
        for each in bench.silences:
            each.close()

    def test_it_is_signed_and_the_signature_grows_old(self, bench: PostBench) -> None:
        bench.channel.send(NOTICE)
        ((headers, body),) = bench.server.posts
        now_ms = CLOCK.now_ms()
        assert signing.verify(bench.secret, headers, body, now_ms) == NOTICE.key
        assert headers["idempotency-key"] == NOTICE.key
        assert msgspec.json.decode(body, type=Notice) == NOTICE
        for secret, sent, at_ms in (
            ("another", body, now_ms),
            (bench.secret, body + b" ", now_ms),
            (bench.secret, body, now_ms + signing.TOLERANCE_MS + 1_000),
        ):
            with pytest.raises(signing.BadSignatureError):
                signing.verify(secret, headers, sent, at_ms)

    def test_one_that_has_it_already_has_taken_it(self, bench: PostBench) -> None:
        bench.server.status = 409
        bench.channel.send(NOTICE)

    def test_no_answer_leads_elsewhere(self, bench: PostBench) -> None:
        """A redirect is not followed: the configuration alone says where messages go."""
        elsewhere = PostServer()
        elsewhere.start()
        try:
            bench.server.status = 307
            bench.server.location = f"http://127.0.0.1:{elsewhere.port}/"
            with pytest.raises(TransportError, match="leads elsewhere"):
                bench.channel.send(NOTICE)
            assert elsewhere.posts == []
        finally:
            elsewhere.stop()

    def test_a_wrong_key_may_be_mended(self, bench: PostBench) -> None:
        bench.server.status = 401
        with pytest.raises(TransportError, match="HTTP 401: no"):
            bench.channel.send(NOTICE)

    def test_a_secret_that_is_no_base64_is_told_at_start(
        self, posts: PostServer, tmp_path: Path
    ) -> None:
        with pytest.raises(ConfigError, match="no base64 after whsec_"):
            open_channel(webhook(posts, tmp_path, "whsec_???"), CLOCK)


class TestApprise(NotifyChannelSuite):
    @pytest.fixture
    def bench(self, posts: PostServer, tmp_path: Path) -> Iterator[PostBench]:
        pytest.importorskip("apprise")
        url = f"json://user:t0ken@127.0.0.1:{posts.port}/{{to}}?cto=3&rto=3"
        settings = Apprise(kind="apprise", url_file=secret_file(tmp_path, url))
        bench = PostBench(posts, open_channel(settings, CLOCK), "t0ken", False, False)
        yield bench
        for each in bench.silences:
            each.close()

    def test_the_short_form_is_one_line(self, bench: PostBench, tmp_path: Path) -> None:
        url = f"json://127.0.0.1:{bench.server.port}/"
        settings = Apprise(kind="apprise", url_file=secret_file(tmp_path, url), short=True)
        open_channel(settings, CLOCK).send(replace(NOTICE, to=""))
        ((_, body),) = bench.server.posts
        assert msgspec.json.decode(body)["message"] == NOTICE.short

    def test_a_url_that_nobody_knows_is_told_and_not_shown(self, tmp_path: Path) -> None:
        settings = Apprise(kind="apprise", url_file=secret_file(tmp_path, "nonsense://t0ken"))
        with pytest.raises(ConfigError, match="not a URL that apprise knows") as caught:
            open_channel(settings, CLOCK)
        assert "t0ken" not in str(caught.value)


def test_every_channel_has_its_suite() -> None:
    assert set(CHANNELS) == {"smtp", "webhook", "apprise"}


def test_a_refusal_of_mail_says_what_the_server_said(
    certificates: Certificates, tmp_path: Path
) -> None:
    server = MailServer(server_tls(certificates), login=True)
    server.start()
    try:
        server.answer = "550 no such user"
        channel = open_channel(mail_settings(server, certificates, tmp_path), CLOCK)
        with pytest.raises(RejectedError, match="550 no such user"):
            channel.send(NOTICE)
    finally:
        server.stop()
