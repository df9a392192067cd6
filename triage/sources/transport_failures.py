"""Exceptions of the network and of TLS, turned into a :class:`Failure` that says what to do."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from triage.facts.outcome import Failure, FailureKind
from triage.sources.failures import MESSAGE_LIMIT, Product
from triage.text import clean

K = FailureKind


@dataclass(slots=True)
class Progress:
    """How far one request came; filled by httpcore's trace events."""

    fresh: bool = False
    """A new connection was opened for it."""
    phase: str = "start"
    """``start``, ``connect``, ``tls``, ``sent`` or ``headers``."""

    async def trace(self, event: str, _: object) -> None:
        """httpcore's ``trace`` extension."""
        if event.endswith("connect_tcp.started"):
            self.fresh, self.phase = True, "connect"
        elif event.endswith("start_tls.started"):
            self.phase = "tls"
        elif event.endswith("send_request_headers.started"):
            self.phase = "sent"
        elif event.endswith("receive_response_headers.complete"):
            self.phase = "headers"

    @property
    def answer_begun(self) -> bool:
        return self.phase == "headers"


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a request goes to, in words that may be shown."""

    url: str
    """Base URL, cleaned, without user name and password."""
    address: str
    """``host:port``."""
    product: Product
    via: str = ""
    """Forward proxy without user name and password, "" for none."""
    nameless_tls: bool = False
    """It is https, and no client certificate is configured."""


def is_dead_connection(error: Exception, progress: Progress) -> bool:
    """Whether a kept-alive connection turned out closed before any byte of the answer."""
    if progress.fresh or progress.answer_begun:
        return False
    return isinstance(error, httpx.ReadError | httpx.WriteError) or (
        isinstance(error, httpx.RemoteProtocolError) and "disconnected" in str(error).lower())


def timed_out(progress: Progress, timeout: float, target: Target) -> Failure:
    """No answer within ``timeout`` seconds."""
    via = f" through the proxy {target.via}" if target.via else ""
    if progress.phase in ("connect", "tls"):
        what = "no connection to" if progress.phase == "connect" else "no TLS handshake with"
        hint = ("is the host up, the port open to here, and the VPN connected?" if progress.phase == "connect" else
                "does that port speak https?")
        return Failure(K.CONNECT_TIMEOUT, f"{what} {target.address}{via} in time", hint)
    did = "the answer did not end" if progress.answer_begun else "no answer"
    return Failure(K.TIMEOUT, f"{did} within {timeout:g} s",
                   "the query may be too expensive: use recording rules, a shorter window or a longer timeout")


def from_exception(error: Exception, progress: Progress, timeout: float, target: Target) -> Failure:
    """The failure that ``error`` stands for. Messages are ours: exceptions may quote headers."""
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return timed_out(progress, timeout, target)
    for link in _chain(error):
        if isinstance(link, ssl.SSLError):
            return _tls(link, progress, target)
    if isinstance(error, httpx.ProxyError):
        return Failure(K.CONNECT, f"the proxy {target.via} refused: {clean(error, limit=100)}",
                       "does the proxy allow this host and port?")
    if isinstance(error, httpx.RemoteProtocolError) and "location" in str(error).lower():
        # httpx reads the target of a redirect even when it is told not to follow.
        return Failure(K.REDIRECT, "redirected, to an address that cannot be read",
                       "set url to where the API really is")
    if progress.answer_begun:
        return Failure(K.BROKEN, "the connection broke in the middle of the answer",
                       "a proxy or the server cut it off; the next refresh asks again")
    if isinstance(error, httpx.RemoteProtocolError) and "disconnected" not in str(error).lower():
        return Failure(K.NOT_PROMETHEUS, f"{target.address} does not speak HTTP",
                       f"is the port right? {target.product.name} usually listens on {target.product.port}")
    if isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol | httpx.InvalidURL | UnicodeError):
        return Failure(K.CONNECT, "the request cannot be formed", "check url and headers in the configuration")
    return _unreachable(error, progress, target)


def _unreachable(error: Exception, progress: Progress, target: Target) -> Failure:
    via = f" (through the proxy {target.via})" if target.via else ""
    where = target.via or target.address
    for link in _chain(error):
        if isinstance(link, socket.gaierror):
            return Failure(K.CONNECT, f"the name of {where} is not known", "check the host name, DNS and the VPN")
        number = link.errno if isinstance(link, OSError) else None
        if number == errno.ECONNREFUSED:
            return Failure(K.CONNECT, f"{where} refuses connections{via}",
                           f"is {target.product.name} running, and is the port right?")
        if number in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN, errno.EHOSTDOWN):
            return Failure(K.CONNECT, f"{where} cannot be reached{via}", "check the network and the VPN")
        if number in (errno.EMFILE, errno.ENFILE):
            return Failure(K.CONNECT, "no more files or sockets can be opened here", "raise ulimit -n")
    if progress.phase == "tls":
        return Failure(K.TLS, f"{target.address} closed the connection during the TLS handshake",
                       "does that port speak https, and does it want a client certificate (tls.cert)?")
    if progress.phase == "connect":
        return Failure(K.CONNECT, f"no connection to {where}{via}",
                       f"is {target.product.name} running, and is the port right?")
    if target.nameless_tls and progress.fresh and progress.phase == "sent":
        # With TLS 1.3 a server asks for our certificate after our side of the handshake is done, and its complaint is
        # lost when it closes while the query is still being written.
        return Failure(K.TLS, f"{target.address} closed the connection right after the TLS handshake",
                       "it likely wants a client certificate: set tls.cert and tls.key; else it may be restarting")
    return Failure(K.CONNECT, f"{where} closed the connection before it answered{via}",
                   "it may be restarting, or speak https or another protocol on that port")


_VERIFY = {
    9: ("is not valid yet", "check the clocks here and there"),
    10: ("has expired", "the server's certificate must be renewed"),
    18: ("is self-signed", "set tls.ca to that certificate if you trust it"),
    19: ("is signed by an authority that is not trusted here", "set tls.ca to the PEM file of that authority"),
    20: ("is signed by an authority that is not trusted here", "set tls.ca to the PEM file of that authority"),
    21: ("comes without its intermediate certificates", "set tls.ca to the PEM file of the authority"),
    23: ("has been revoked", "the server's certificate must be replaced"),
    62: ("is for another host", "use the host name that the certificate names, in url"),
    64: ("is for another address", "use the host name that the certificate names, in url"),
}
"""OpenSSL ``X509_V_ERR_*`` codes."""


def _tls(error: ssl.SSLError, progress: Progress, target: Target) -> Failure:
    reason = (error.reason or "").upper()
    if isinstance(error, ssl.SSLCertVerificationError):
        said, hint = _VERIFY.get(error.verify_code,
                                 ("cannot be verified", "set tls.ca to the PEM file of the authority"))
        detail = "" if error.verify_code in _VERIFY else f" ({clean(error.verify_message, limit=120)})"
        return Failure(K.TLS, f"the certificate of {target.address} {said}{detail}", hint)
    if any(word in reason for word in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE",
                                       "PACKET_LENGTH_TOO_LONG", "INVALID_VERSION")):
        return Failure(K.TLS, f"{target.address} does not speak TLS", "write http:// in url if it is meant to be plain")
    if any(word in reason for word in ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS")):
        return Failure(K.TLS, f"{target.address} offers no TLS version from 1.2 on", "the server must be updated")
    if "ALERT" in reason or "CERTIFICATE_REQUIRED" in reason:
        return Failure(K.TLS, f"{target.address} refused our side of TLS: {_words(reason)}",
                       "it may want a client certificate: set tls.cert and tls.key, signed by an authority it trusts")
    if progress.answer_begun:
        return Failure(K.BROKEN, "the TLS connection broke in the middle of the answer",
                       "a proxy or the server cut it off; the next refresh asks again")
    detail = f": {_words(reason)}" if reason else ""
    return Failure(K.TLS, f"TLS with {target.address} failed{detail}",
                   "does that port speak https, and does it want a client certificate (tls.cert)?")


def _words(reason: str) -> str:
    return clean(reason.replace("_", " ").lower(), limit=MESSAGE_LIMIT // 3)


def _chain(error: BaseException, depth: int = 0) -> Iterator[BaseException]:
    """The exception, what caused it, and the members of groups in between."""
    if depth > 12:
        return
    yield error
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _chain(member, depth + 1)
    following = error.__cause__ or error.__context__
    if following is not None:
        yield from _chain(following, depth + 1)
