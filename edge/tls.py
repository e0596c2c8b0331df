"""TLS that verifies the peer, always; for brokers and for devices."""

from __future__ import annotations

import ssl

from contract.errors import ConfigError
from contract.secret_files import check_private
from edge.options import TlsFiles


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """Return a context that verifies the peer's certificate and name.

    Raises: ConfigError if a file is no certificate or key, or others may read our own key.
    """
    if files.cert_file is not None:
        check_private(files.key_file or files.cert_file, "this private key")
    try:
        context = ssl.create_default_context(cafile=files.ca_file)
        if files.cert_file is not None:
            context.load_cert_chain(files.cert_file, files.key_file, password=_nobody_there)
    except (OSError, ssl.SSLError) as error:
        used = [f for f in (files.ca_file, files.cert_file, files.key_file) if f]
        raise ConfigError(
            f"{', '.join(map(str, used))}: cannot be used for TLS: {error}"
        ) from error
    return context


def _nobody_there() -> str:
    """OpenSSL would ask at the terminal for the passphrase of a key, and wait for ever."""
    raise ConfigError("the private key is encrypted, and nobody is there to type its passphrase")
