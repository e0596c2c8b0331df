"""An authority of the tests' own, made by openssl for each test run, and what it signs."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

OPENSSL = "/usr/bin/openssl"
EC_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate and its key."""

    cert: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """ca signed server (for `name`) and client; other_ca signed neither, but stranger."""

    ca: Path
    server: Pair
    client: Pair
    other_ca: Path
    stranger: Pair


def make_certificates(folder: Path, name: str = "IP:127.0.0.1") -> Certificates:
    """Make them all in a folder. name: as subjectAltName has it."""
    ca, other = _authority(folder, "ca"), _authority(folder, "other-ca")
    return Certificates(
        ca=ca.cert,
        server=_signed(folder, "server", name, ca),
        client=_signed(folder, "client", "DNS:cabinet-1", ca),
        other_ca=other.cert,
        stranger=_signed(folder, "stranger", name, other),
    )


def _authority(folder: Path, name: str) -> Pair:
    pair = Pair(cert=folder / f"{name}.pem", key=folder / f"{name}.key")
    _openssl(
        *("req", "-x509", *EC_KEY, "-days", "2", "-subj", f"/CN={name}"),
        *("-keyout", pair.key, "-out", pair.cert),
        *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
    )
    return pair


def _signed(folder: Path, name: str, alternative: str, authority: Pair) -> Pair:
    pair = Pair(cert=folder / f"{name}.pem", key=folder / f"{name}.key")
    request, extension = folder / f"{name}.csr", folder / f"{name}.ext"
    extension.write_text(
        f"subjectAltName={alternative}\nauthorityKeyIdentifier=keyid\n", encoding="ascii"
    )
    _openssl("req", *EC_KEY, "-subj", f"/CN={name}", "-keyout", pair.key, "-out", request)
    _openssl(
        *("x509", "-req", "-in", request, "-CA", authority.cert, "-CAkey", authority.key),
        *("-CAcreateserial", "-days", "2", "-extfile", extension, "-out", pair.cert),
    )
    return pair


def _openssl(*words: str | Path) -> None:
    subprocess.run([OPENSSL, *map(str, words)], check=True, capture_output=True)
