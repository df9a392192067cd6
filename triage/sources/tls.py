"""The TLS side of an endpoint: whom to trust, and who we are."""

from __future__ import annotations

import ssl
from pathlib import Path

from triage.config import ConfigError, Tls
from triage.text import clean


def tls_context(tls: Tls, *, needed: bool) -> ssl.SSLContext:
    """A verifying context for ``tls``; it cannot be told not to verify.

    ``needed`` False (a plain http URL) gives a context that trusts nobody, which is cheap to make. Raises
    :class:`~triage.config.ConfigError` when a file cannot be used.
    """
    if not needed:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = _authorities(tls)
    if tls.cert is not None:
        certificate, key = _path(tls.cert), _path(tls.key) if tls.key is not None else None
        try:
            # Without a password callback OpenSSL would ask on the terminal, under the dashboard.
            context.load_cert_chain(certificate, key, password=lambda: "")
        except (OSError, ssl.SSLError, ValueError) as error:
            raise ConfigError(f"the client certificate {clean(tls.cert)} cannot be used: {_reason(error)}",
                              "tls.cert and tls.key are PEM files that belong together, the key without a pass phrase"
                              ) from None
    elif tls.key is not None:
        raise ConfigError("tls.key is given without tls.cert", "add tls.cert, or drop tls.key")
    return context


def _authorities(tls: Tls) -> ssl.SSLContext:
    if tls.ca is None:
        context = ssl.create_default_context()
        defaults = ssl.get_default_verify_paths()
        if defaults.cafile is None and defaults.capath is None:
            import certifi
            context.load_verify_locations(certifi.where())
        return context
    try:
        return ssl.create_default_context(cafile=_path(tls.ca))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"the CA file {clean(tls.ca)} cannot be used: {_reason(error)}",
                          "tls.ca is a PEM file with one or more certificates") from None


def _path(text: str) -> str:
    return str(Path(text).expanduser())


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return clean(error.reason or "not a PEM file").replace("_", " ").lower()
    return clean(error.strerror or "unreadable") if isinstance(error, OSError) else clean(error, limit=100)
