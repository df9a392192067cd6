"""What an HTTP answer that is no success means: status, headers and body into a :class:`Failure`. Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from triage.facts.outcome import Failure, FailureKind
from triage.sources.decode import NotJson, load_json
from triage.text import clean

MESSAGE_LIMIT = 300
_PREVIEW_BYTES = 8192
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_PLAIN_TO_HTTPS = re.compile(rb"HTTP request (?:to an HTTPS server|was sent to HTTPS port)", re.IGNORECASE)
"""What Go's server and nginx answer to plain http."""
_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)

K = FailureKind

_BY_ERROR_TYPE: Mapping[str, FailureKind] = {
    "timeout": K.TIMEOUT, "canceled": K.CANCELED, "bad_data": K.BAD_QUERY, "execution": K.EXECUTION,
    "internal": K.INTERNAL, "not_found": K.NOT_FOUND, "unavailable": K.UNAVAILABLE, "not_acceptable": K.BAD_QUERY,
    "too_many_requests": K.THROTTLED, "unauthorized": K.UNAUTHORIZED, "forbidden": K.FORBIDDEN,
}
"""Prometheus ``web/api/v1/api.go``, and the further ones of Mimir."""

_BY_STATUS: Mapping[int, FailureKind] = {
    400: K.BAD_QUERY, 401: K.UNAUTHORIZED, 403: K.FORBIDDEN, 404: K.NOT_FOUND, 405: K.NOT_PROMETHEUS,
    407: K.FORBIDDEN, 408: K.TIMEOUT, 410: K.NOT_FOUND, 413: K.BAD_QUERY, 414: K.BAD_QUERY, 422: K.EXECUTION,
    429: K.THROTTLED, 431: K.BAD_QUERY, 499: K.CANCELED, 500: K.INTERNAL, 501: K.NOT_PROMETHEUS,
    502: K.UNAVAILABLE, 503: K.UNAVAILABLE, 504: K.UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class Product:
    """What is expected at the other end, for hints."""

    name: str
    """Such as ``Prometheus``."""
    port: int
    """Its usual port."""
    prefix_hint: str
    """What to check when the path is not found."""


PROMETHEUS = Product("Prometheus", 9090, "the URL may lack a path prefix: /prometheus (Mimir, Cortex), "
                     "/select/0/prometheus (VictoriaMetrics cluster), or --web.route-prefix")
ALERTMANAGER = Product("Alertmanager", 9093, "the URL may lack a path prefix: /alertmanager (Mimir, Cortex) or "
                       "--web.route-prefix; API v2 needs Alertmanager 0.16 or newer")


@dataclass(frozen=True, slots=True)
class Received:
    """One complete HTTP answer."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    """Decompressed."""
    elapsed_seconds: float


Redact = Callable[[str], str]
"""Takes our own secrets out of a text: servers and proxies like to quote what they were sent."""


def from_answer(received: Received, requested: str, product: Product, redact: Redact, document: Any = None) -> Failure:
    """The failure that ``received`` stands for; it is called for answers that are no success.

    ``requested`` is the full URL asked for; ``document`` the decoded body, when the caller has decoded it already.
    """
    failure = _from_answer(received, requested, product, redact, document)
    return replace(failure, retry_after_seconds=_retry_after(received)) if failure.kind is K.THROTTLED else failure


def _from_answer(received: Received, requested: str, product: Product, redact: Redact, document: Any) -> Failure:
    if 300 <= received.status < 400:
        return _redirect(redact(received.headers.get("location", "")), requested, received.status)
    if document is None:
        try:
            document = load_json(received.body)
        except NotJson:
            document = None
    error_type, told = _told(document)
    kind = _kind(received.status, error_type)
    if received.status == 400 and _PLAIN_TO_HTTPS.search(received.body[:_PREVIEW_BYTES]):
        return Failure(K.TLS, "the server speaks https on that port", "write https:// in url", 400)
    if document is None:
        return _from_text(received, kind, product, redact)
    message = clean(redact(told), limit=MESSAGE_LIMIT) or f"HTTP status {received.status} without a reason"
    return Failure(kind, message, _hint(kind, received, product, message), received.status, code=_code(document))


def _code(document: Any) -> str:
    code = document.get("error_code") if isinstance(document, dict) else None
    return clean(code, limit=100) if isinstance(code, str) else ""


def not_the_api(received: Received, product: Product, redact: Redact) -> Failure:
    """For a successful status whose body is not JSON."""
    if not received.body.strip():
        return Failure(K.BROKEN, "the answer is empty", "the server or a proxy cut it off", received.status)
    if received.body.lstrip()[:1] in (b"{", b"["):
        return Failure(K.BROKEN, f"the answer is cut off or no JSON after {len(received.body):,} bytes",
                       "the server or a proxy broke off; the next refresh asks again", received.status)
    return _from_text(received, K.NOT_PROMETHEUS, product, redact)


def shape_failure(message: str, status: int | None = 200) -> Failure:
    """For JSON of another shape than the API promises."""
    return Failure(K.BROKEN, clean(message, limit=MESSAGE_LIMIT),
                   "is the URL that of another product? triage doctor says what answers there", status)


def _told(document: Any) -> tuple[str, str]:
    """(error type, message) of an error body: Prometheus' and Alertmanager's objects, or a bare string."""
    if isinstance(document, str):
        return "", document
    if isinstance(document, dict):
        message = next((document[k] for k in ("error", "message", "detail", "msg")
                        if isinstance(document.get(k), str) and document[k]), "")
        kind = document.get("errorType")
        return kind if isinstance(kind, str) else "", message
    return "", ""


def _kind(status: int, error_type: str) -> FailureKind:
    # Whoever guards the server speaks by status; its words are not Prometheus'.
    if status in (401, 403, 429):
        return _BY_STATUS[status]
    known = _BY_ERROR_TYPE.get(error_type)
    if known is not None:
        return known
    # VictoriaMetrics writes the status as the error type.
    if error_type.isascii() and error_type.isdigit() and int(error_type[:3]) in _BY_STATUS:
        return _BY_STATUS[int(error_type[:3])]
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return K.UNAVAILABLE if status > 504 else K.INTERNAL
    return K.BAD_QUERY if 400 <= status < 500 else K.BROKEN


def _from_text(received: Received, kind: FailureKind, product: Product, redact: Redact) -> Failure:
    """A body that is a web page or plain text."""
    text = redact(received.body[:_PREVIEW_BYTES].decode("utf-8", errors="replace"))
    page = text.lstrip("\ufeff \t\r\n").startswith("<")
    if page:
        title = _TITLE.search(text)
        told = " ".join(html.unescape(title[1] if title else _TAGS.sub(" ", text)).split())
        message = f"a web page came back: {told}" if told else "a web page came back"
    else:
        message = " ".join(text.split()) or f"HTTP status {received.status} without a reason"
    if kind is K.INTERNAL and page:
        kind = K.UNAVAILABLE
    message = clean(message, limit=MESSAGE_LIMIT)
    return Failure(kind, message, _hint(kind, received, product, message), received.status)


def _redirect(location: str, requested: str, status: int) -> Failure:
    where, base = _target(location, requested)
    if not where:
        return Failure(K.REDIRECT, "redirected, without saying where", "set url to where the API really is", status)
    hint = (f"set url to {base}" if base else
            "this looks like a login page: use an address that takes the credential directly"
            if re.search(r"login|oauth|signin|sso|auth", where, re.IGNORECASE) else
            "set url to where the API really is; redirects are not followed, credentials would go with them")
    return Failure(K.REDIRECT, f"redirected to {where}", hint, status)


def _target(location: str, requested: str) -> tuple[str, str]:
    """(where a redirect leads, the base URL to configure instead or ""), without user name, password and query."""
    try:
        parts = urlsplit(location.strip())
        asked = urlsplit(requested)
        scheme = parts.scheme or asked.scheme
        host = parts.netloc.rpartition("@")[2] or asked.netloc.rpartition("@")[2]
    except ValueError:
        return "", ""
    if not location.strip():
        return "", ""
    where = clean(f"{scheme}://{host}{parts.path}", limit=200)
    for start in ("/loki/api/v1/", "/select/logsql/", "/api/v1/", "/api/v2/", "/api/2.0/", "/-/"):
        if start in asked.path:
            tail = asked.path[asked.path.index(start):]
            if parts.path.endswith(tail) and scheme in ("http", "https"):
                base = clean(f"{scheme}://{host}{parts.path.removesuffix(tail)}", limit=200)
                same = f"{asked.scheme}://{asked.netloc}{asked.path.removesuffix(tail)}"
                return where, base if base != same else ""
    return where, ""


def _retry_after(received: Received) -> float | None:
    """Seconds of ``Retry-After``; None when there is none, or a date."""
    text = received.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else None


def _hint(kind: FailureKind, received: Received, product: Product, message: str) -> str:
    lowered = message.lower()
    if kind is K.UNAVAILABLE:
        if received.headers.get("x-prometheus-stopping", "").lower() == "true":
            return "the server is shutting down"
        if received.status == 503:
            return f"{product.name} is starting or replaying its log, or a proxy has no backend for it"
        return f"a proxy answers, {product.name} behind it does not"
    if kind is K.BAD_QUERY and received.status in (413, 414, 431):
        return "the query is too long for a proxy on the way"
    if kind is K.BAD_QUERY and "maximum resolution" in lowered:
        return "use a longer step or a shorter range"
    if kind is K.BAD_QUERY and "org id" in lowered:
        return "set the tenant: headers: {X-Scope-OrgID: ...}"
    if kind is K.UNAUTHORIZED:
        if "org id" in lowered:
            return "set the tenant: headers: {X-Scope-OrgID: ...}"
        return "check bearer_token or basic_auth: the credential is missing, wrong or expired"
    if kind is K.FORBIDDEN:
        if received.status == 407:
            return "the forward proxy wants a credential: use one that lets this host through without"
        return "the credential is known but not allowed to read this: ask for read access to the query API"
    if kind is K.NOT_FOUND:
        return product.prefix_hint
    if kind is K.THROTTLED:
        wait = _retry_after(received)
        asked = "" if wait is None else f"; the server asks to wait {wait:.0f} s"
        return f"use a longer interval or a lower concurrency{asked}"
    if kind is K.NOT_PROMETHEUS:
        return f"is {product.name} (usually port {product.port}) behind that URL, or a login page?"
    if kind is K.TIMEOUT:
        return "the query is too expensive for the server's time limit: use recording rules or a shorter window"
    if kind is K.EXECUTION and "too many samples" in lowered:
        return "use a shorter window, a narrower selector or recording rules"
    return ""
