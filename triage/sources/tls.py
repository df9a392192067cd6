"""The TLS side of an endpoint: whom to trust, and who we are."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

from triage.endpoints import ConfigError, Tls
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


def context_of(authorities: bytes | None, certificate: bytes | None, key: bytes | None, *,
               where: str) -> ssl.SSLContext:
    """A verifying context from PEM documents in memory; they are never written to a disk.

    ``authorities`` None trusts the system's; ``key`` None means that it is in ``certificate``. ``where`` says in
    messages what holds them. Raises :class:`~triage.config.ConfigError`.
    """
    context = _authorities(Tls()) if authorities is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authorities is not None:
        try:
            context.load_verify_locations(cadata=authorities.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError(f"the certificate authority in {where} cannot be used: {_reason(error)}",
                              "it is one or more certificates in PEM form") from None
    if certificate is not None:
        show_certificate(context, certificate, key, where=where)
    return context


def show_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes | None, *, where: str) -> None:
    """From now on show this client certificate in new connections of ``context``. As :func:`context_of`."""
    try:
        with _readable_once(certificate) as certificate_path, _readable_once(key or certificate) as key_path:
            context.load_cert_chain(certificate_path, key_path, password=lambda: "")
    except (OSError, ssl.SSLError, ValueError) as error:
        raise ConfigError(f"the client certificate in {where} cannot be used: {_reason(error)}",
                          "certificate and key are PEM documents that belong together, the key without a pass "
                          "phrase") from None


@contextlib.contextmanager
def _readable_once(content: bytes) -> Iterator[str]:
    """A path that can be read once and gives ``content``: OpenSSL loads keys from paths only."""
    reading, writing = os.pipe()
    try:
        try:
            # What the pipe does not hold would wait for a reader that comes only afterwards.
            os.set_blocking(writing, False)
            if os.write(writing, content) < len(content):
                raise ValueError("it is too large")
        except BlockingIOError:
            raise ValueError("it is too large") from None
        finally:
            os.close(writing)
        yield f"/dev/fd/{reading}"
    finally:
        os.close(reading)


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
