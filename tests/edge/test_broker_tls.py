"""Brokers over TLS: who they are is verified, and so are we; secrets are nobody else's."""

from __future__ import annotations

import gc
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from contract.errors import ConfigError, Disconnected
from edge.broker import connect
from edge.options import Endpoint
from edge.tls import tls_context
from tests.edge.certificates import Certificates, Pair, make_certificates
from tests.edge.kit import Mosquitto, mosquitto

USER, PASSWORD = "cabinet-1", "swordfish"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@asynccontextmanager
async def broker(folder: Path, server: Pair, *settings: str) -> AsyncIterator[Mosquitto]:
    tls = (f"certfile {server.cert}", f"keyfile {server.key}")
    async with mosquitto(folder, *tls, *settings) as started:
        yield started


def endpoint(port: int, certificates: Certificates, **more: Path | str) -> Endpoint:
    return Endpoint.model_validate(
        {"host": "127.0.0.1", "port": port, "ca_file": certificates.ca, **more}
    )


async def test_a_user_proves_itself_with_the_password_in_a_file(
    tmp_path: Path, certificates: Certificates
) -> None:
    users, secret = tmp_path / "users", tmp_path / "password"
    subprocess.run(  # noqa: ASYNC221  returns at once
        ["mosquitto_passwd", "-b", "-c", str(users), USER, PASSWORD],
        check=True,
        capture_output=True,
    )
    secret.touch(mode=0o600)
    settings = ("allow_anonymous false", f"password_file {users}")
    async with broker(tmp_path, certificates.server, *settings) as here:
        who = endpoint(here.port, certificates, user=USER, password_file=secret)
        secret.write_text(PASSWORD)
        async with connect(who, USER, clean=True) as client:
            await client.publish("here", b"", qos=1)
        secret.write_text("guess")
        with pytest.raises(Disconnected, match=r"(?i)not authori"):
            async with connect(who, USER, clean=True):
                pass
        secret.chmod(0o644)
        with pytest.raises(ConfigError, match=f"run: chmod 600 {secret}"):
            async with connect(who, USER, clean=True):
                pass


async def test_a_certificate_is_asked_for_and_shown(
    tmp_path: Path, certificates: Certificates
) -> None:
    settings = (f"cafile {certificates.ca}", "require_certificate true")
    own = certificates.client
    async with broker(tmp_path, certificates.server, *settings) as here:
        who = endpoint(here.port, certificates, cert_file=own.cert, key_file=own.key)
        async with connect(who, USER, clean=True) as client:
            await client.publish("here", b"", qos=1)
        with pytest.raises(Disconnected):
            async with connect(endpoint(here.port, certificates), USER, clean=True) as client:
                await client.publish("here", b"", qos=1)
    gc.collect()


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_certificate_for_another_name_is_not_believed(tmp_path: Path) -> None:
    other = make_certificates(tmp_path, "DNS:elsewhere.example")
    async with broker(tmp_path, other.server) as here:
        with pytest.raises(Disconnected, match=r"IP address mismatch|not valid for"):
            async with connect(endpoint(here.port, other), USER, clean=True):
                pass
    gc.collect()


def test_a_private_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    own = make_certificates(tmp_path).client
    own.key.chmod(0o640)
    files = Endpoint(host="h", cert_file=own.cert, key_file=own.key)
    with pytest.raises(
        ConfigError, match=f"others may read this private key; run: chmod 600 {own.key}"
    ):
        tls_context(files)
    own.key.chmod(0o600)
    tls_context(files)


def test_a_key_with_a_passphrase_asks_nobody(tmp_path: Path) -> None:
    own = make_certificates(tmp_path).client
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "pkey", "-in", own.key, "-aes256", "-passout", "pass:x", "-out", locked],
        check=True,
        capture_output=True,
    )
    locked.chmod(0o600)
    with pytest.raises(ConfigError, match="encrypted"):
        tls_context(Endpoint(host="h", cert_file=own.cert, key_file=locked))
