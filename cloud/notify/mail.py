"""Mail by SMTP. TLS is verified, and nothing is ever sent in plain text where it was asked for."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP as MAIL_POLICY
from email.utils import formatdate

from cloud.notify.settings import ChannelSettings, Smtp
from cloud.ports import Notice
from contract.clock import Clock
from contract.errors import ConfigError, Disconnected, RejectedError, Timeout, TransportError
from contract.secret_files import read_secret

PERMANENT = 500


class Mail:
    """A NotifyChannel (cloud/ports.py). The key is the Message-ID, and a header of its own."""

    def __init__(self, settings: Smtp, password: str, clock: Clock) -> None:
        self._settings = settings
        self._password = password
        self._clock = clock
        try:
            cafile = str(settings.ca_file) if settings.ca_file else None
            self._tls = ssl.create_default_context(cafile=cafile)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"{settings.ca_file}: no certificates: {error}") from error

    def send(self, notice: Notice) -> None:
        message = self._message(notice)
        with _translated(self._settings.timeout_s), self._logged_in() as server:
            server.send_message(message, self._settings.sender, [notice.to])

    def probe(self) -> None:
        """Log in, and say nothing."""
        with _translated(self._settings.timeout_s), self._logged_in() as server:
            server.noop()

    @contextmanager
    def _logged_in(self) -> Iterator[smtplib.SMTP]:
        with self._connected() as server:
            if self._settings.user:
                server.login(self._settings.user, self._password)
            yield server

    def _connected(self) -> smtplib.SMTP:
        told = self._settings
        if told.security == "tls":
            return smtplib.SMTP_SSL(told.host, told.port, timeout=told.timeout_s, context=self._tls)
        server = smtplib.SMTP(told.host, told.port, timeout=told.timeout_s)
        if told.security == "starttls":
            try:
                server.starttls(context=self._tls)
            except BaseException:
                server.close()
                raise
        return server

    def _message(self, notice: Notice) -> EmailMessage:
        sender = self._settings.sender
        message = EmailMessage(policy=MAIL_POLICY)
        message["From"] = sender
        message["To"] = notice.to
        message["Subject"] = one_line(notice.subject)
        message["Date"] = formatdate(self._clock.now_ms() / 1000)
        message["Message-ID"] = f"<{notice.key}@{sender.partition('@')[2]}>"
        message["X-Gridwarden-Key"] = notice.key
        message["Auto-Submitted"] = "auto-generated"
        message["Content-Language"] = notice.language
        message.set_content(notice.body)
        return message


@contextmanager
def _translated(timeout_s: float) -> Iterator[None]:
    """Say in our own words what a mail server, or the way to it, did."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        code, words = next(iter(error.recipients.values()))
        raise _refused(code, words) from error
    except smtplib.SMTPDataError as error:
        raise _refused(error.smtp_code, error.smtp_error) from error
    except smtplib.SMTPAuthenticationError as error:
        raise TransportError(f"the server refused the login: {error.smtp_code}") from error
    except smtplib.SMTPNotSupportedError as error:
        raise TransportError(f"the server lacks something: {error}") from error
    except TimeoutError as error:
        raise Timeout(f"no answer within {timeout_s:g} s") from error
    except ssl.SSLError as error:
        raise TransportError(f"TLS failed: {error.reason or error}") from error
    except (smtplib.SMTPException, OSError, UnicodeError) as error:
        raise Disconnected(str(error) or type(error).__name__) from error


def build_smtp(settings: ChannelSettings, clock: Clock) -> Mail:
    """Read the password, and open nothing yet."""
    if not isinstance(settings, Smtp):
        raise TypeError(f"{settings.kind} is no mail server")
    password = read_secret(settings.password_file) if settings.password_file else ""
    return Mail(settings, password, clock)


def one_line(text: str) -> str:
    """Return text that may stand in a header: names come from devices, and may hold anything."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _refused(code: int, words: bytes | str) -> RejectedError | TransportError:
    said = one_line(words.decode(errors="replace") if isinstance(words, bytes) else words)[:300]
    text = f"{code} {said}"
    return RejectedError(text) if code >= PERMANENT else TransportError(text)
