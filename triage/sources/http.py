"""``HttpSource``: how a server is asked over HTTP. What the Prometheus and Alertmanager clients share.

httpx does the protocol. By hand are only the things it has no word for: a cap on the *decompressed* size, one deadline
for the whole request, and secrets that cannot get into a message.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote as url_quote
from urllib.parse import urlsplit

import httpx

from triage import __version__
from triage.clock import Clock
from triage.endpoints import ConfigError, Endpoint, without_userinfo
from triage.facts.outcome import Failure, FailureKind
from triage.sources.breaker import Breaker, BreakerState
from triage.sources.decode import OFF_LOOP_BYTES, NotJson, load_json
from triage.sources.failures import Product, Received, from_answer, not_the_api
from triage.sources.tls import tls_context
from triage.sources.transport_failures import Progress, Target, from_exception, is_dead_connection, timed_out
from triage.text import clean

CONNECT_SECONDS = 5.0
KEEPALIVE_SECONDS = 90.0
"""Longer than the usual refresh interval: httpx' own 5 s would open new connections at every refresh."""
RECENT_SECONDS = 60.0
_PIECE = 256 * 1024
_READ_ONLY_PROXY = frozenset({403, 404, 405, 501})
_PARTIAL_REFUSALS = frozenset({FailureKind.FORBIDDEN, FailureKind.UNAUTHORIZED, FailureKind.NOT_PROMETHEUS,
                               FailureKind.REDIRECT})

Result = TypeVar("Result")
Decode = Callable[[Received], Result | Failure]
Form = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Own:
    """What a source knows about its server that an endpoint of the configuration cannot say."""

    token: Callable[[], str] | None = None
    """Reads the bearer token, in place of the endpoint's; "" for none. May raise
    :class:`~triage.config.ConfigError`."""
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers; a name may come more than once."""
    shown: Callable[[], object] | None = None
    """What tells one client certificate from the next, where :attr:`token` may put another one into ``tls``."""
    expired: Callable[[], bool] | None = None
    """Whether the known end of the credential has come; None when it has none."""
    tls: ssl.SSLContext | None = None
    """In place of the endpoint's certificates."""
    has_certificate: bool = False
    """Whether ``tls`` holds a client certificate."""
    server_name: str | None = None
    """Host name to ask for and to verify in TLS; None for that of the URL."""
    refuses_apart: bool = False
    """Whether a 403 is about one object: it then says nothing about the server, and does not open the breaker."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How a server is reached and who we are to it, for a request that is sent apart from its source."""

    base_url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    """Credentials included."""
    tls: ssl.SSLContext = field(repr=False)
    proxy: httpx.Proxy | None = field(repr=False)
    server_name: str | None
    target: Target


class HttpSource:
    """One server: its connections, its limits and its breaker.

    Raises :class:`~triage.config.ConfigError` when a secret or certificate cannot be had. Afterwards nothing is raised:
    every trouble is a :class:`Failure`. At most ``endpoint.concurrency`` requests are under way; the time-out of a
    request counts from the moment it is sent, not while it waits for its turn.
    """

    def __init__(self, endpoint: Endpoint, clock: Clock, product: Product, own: Own | None = None) -> None:
        own = own or Own()
        self.requests_sent = 0
        self.breaker = Breaker(clock)
        self.timeout = endpoint.timeout
        self.url = clean(without_userinfo(endpoint.url), limit=300)
        self._base = endpoint.url
        self._endpoint = endpoint
        self._own = own
        self._clock = clock
        self._max_body = endpoint.max_body
        self._slots = asyncio.Semaphore(endpoint.concurrency)
        self._secrets: list[str] = []
        self._probe_over: asyncio.Event | None = None
        self._last_failure: Failure | None = None
        self._successes = 0
        self._last_success = -RECENT_SECONDS
        self._get_only = False
        self._get_refused = False
        self._post_works = False
        headers = self._headers(endpoint)
        parts = urlsplit(endpoint.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        via = clean(without_userinfo(endpoint.proxy), limit=200) if endpoint.proxy else ""
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        self._target = Target(self.url, clean(f"{host}:{port}", limit=200), product, via,
                              parts.scheme == "https" and endpoint.tls.cert is None and not own.has_certificate)
        verify = own.tls or tls_context(
            endpoint.tls, needed=parts.scheme == "https" or (endpoint.proxy or "").startswith("https"))
        self._verify = verify
        try:
            proxy = httpx.Proxy(endpoint.proxy, ssl_context=verify if endpoint.proxy.startswith("https") else None
                                ) if endpoint.proxy else None
            if endpoint.proxy and (password := urlsplit(endpoint.proxy).password):
                self._keep_secret(password)
            self._proxy = proxy
            self._outdated: list[httpx.AsyncClient] = []
            self._client = self._connections(headers)
        except (ValueError, httpx.InvalidURL, ImportError):
            raise ConfigError(f"the proxy {via} cannot be used", "such as http://proxy.example:3128") from None

    def _connections(self, headers: Mapping[str, str]) -> httpx.AsyncClient:
        most = self._endpoint.concurrency
        return httpx.AsyncClient(
            headers=[*headers.items(), *self._own.headers], verify=self._verify, proxy=self._proxy, trust_env=False,
            follow_redirects=False, limits=httpx.Limits(max_connections=most, max_keepalive_connections=most,
                                                        keepalive_expiry=KEEPALIVE_SECONDS))

    async def aclose(self) -> None:
        """Close the connections."""
        for client in (*self._outdated, self._client):
            await client.aclose()

    async def close_outdated(self) -> None:
        """Close the connections of a certificate that was replaced before the last one."""
        while len(self._outdated) > 1:
            await self._outdated.pop(0).aclose()

    def renew(self) -> bool:
        """Read the secrets anew; True when they differ from those used so far. It may take seconds (commands).

        Raises :class:`~triage.config.ConfigError` when they cannot be had any more; the old ones are kept then.
        """
        shown = None if self._own.shown is None else self._own.shown()
        headers = self._headers(self._endpoint)
        changed = any(self._client.headers.get(name) != value for name, value in headers.items())
        if self._own.shown is not None and self._own.shown() != shown:
            # Connections that are open go on showing the old certificate. Whoever waits for an answer on one gets it.
            self._outdated.append(self._client)
            self._client, changed = self._connections(headers), True
        self._client.headers.update(headers)
        return changed

    def reach(self) -> Reach:
        """How the server is reached at present."""
        return Reach(self._base, tuple(self._client.headers.multi_items()), self._verify, self._proxy,
                     self._own.server_name, self._target)

    @property
    def get_only(self) -> bool | None:
        """Whether a proxy refuses POST; None while no form has been answered."""
        return True if self._get_only else False if self._post_works else None

    def redact(self, text: str) -> str:
        """``text`` without our secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "(secret)")
        return text

    def failed(self, received: Received, path: str, document: Any = None) -> Failure:
        """The failure an answer stands for, for use in decoders."""
        return from_answer(received, self._base + path, self._target.product, self.redact, document)

    def json(self, received: Received) -> Any:
        """The body as JSON of whatever shape; a :class:`Failure` when it is none. The content type is not believed."""
        try:
            return load_json(received.body)
        except NotJson:
            return not_the_api(received, self._target.product, self.redact)

    async def get(self, path: str, decode: Decode[Result], *, params: Mapping[str, str] | Form | None = None,
                  timeout: float | None = None) -> Result | Failure:
        """GET ``path`` below the base URL."""
        pairs = tuple(params.items() if isinstance(params, Mapping) else params or ())
        return await self._guarded([("GET", path, httpx.QueryParams(pairs), None)], decode, timeout)

    async def post_json(self, path: str, content: bytes, decode: Decode[Result], *,
                        timeout: float | None = None) -> Result | Failure:
        """POST a JSON document."""
        return await self._guarded([("POST", path, None, ("application/json", content))], decode, timeout)

    async def form(self, path: str, fields: Form, decode: Decode[Result], *,
                   timeout: float | None = None) -> Result | Failure:
        """POST a form; where a read-only proxy refuses POST, GET with the same fields, remembered from then on."""
        params = httpx.QueryParams(tuple(fields))
        as_get = ("GET", path, params, None)
        if self._get_only:
            return await self._guarded([as_get], decode, timeout)
        as_post = ("POST", path, None, ("application/x-www-form-urlencoded", str(params).encode()))
        return await self._guarded([as_post, as_get], decode, timeout)

    async def _guarded(self, ways: Sequence[_Way], decode: Decode[Result], timeout: float | None) -> Result | Failure:
        """Ask in the first of ``ways`` that the server takes, under the limits and the breaker."""
        limit = self.timeout if timeout is None else timeout
        async with self._slots:
            if not await self._admitted(limit):
                return self._not_asked()
            is_probe = self.breaker.state is BreakerState.HALF_OPEN
            probe_over = asyncio.Event()
            if is_probe:
                self._probe_over = probe_over
            judged = False
            successes = self._successes
            try:
                answer = await self._in_turn(ways, decode, limit)
                self._judge(answer if isinstance(answer, Failure) else None, successes)
                judged = True
                return answer
            finally:
                if is_probe:
                    if not judged:
                        self.breaker.record_abandoned()
                    self._probe_over = None
                    probe_over.set()

    async def _admitted(self, limit: float) -> bool:
        """Whether a request may leave; while another finds out whether the source is back, its outcome is awaited."""
        if self.breaker.allow():
            return True
        if self._probe_over is not None:
            try:
                async with asyncio.timeout(limit / 2):
                    await self._probe_over.wait()
            except TimeoutError:
                return False
            return self.breaker.allow()
        return False

    def _not_asked(self) -> Failure:
        last = self._last_failure
        if last is None:
            return Failure(FailureKind.CIRCUIT_OPEN, "not asked: it failed just before")
        return Failure(FailureKind.CIRCUIT_OPEN, f"not asked, it failed just before: {last.sentence()}", last.hint)

    def _judge(self, failure: Failure | None, successes_before: int) -> None:
        """Tell the breaker. A source that answered something else meanwhile is not gone, whatever this request got."""
        now = self._clock.monotonic()
        if failure is None:
            self._successes += 1
            self._last_success = now
            self.breaker.record_success()
            return
        if failure.kind is FailureKind.FORBIDDEN and failure.status == 403 and self._own.refuses_apart:
            self.breaker.record_success()
            return
        self._last_failure = failure
        if self._successes != successes_before and self.breaker.state is not BreakerState.HALF_OPEN:
            return
        # An endpoint that is closed to this credential must not take the others down with it.
        if failure.kind in _PARTIAL_REFUSALS and now - self._last_success < RECENT_SECONDS and (
                self.breaker.state is BreakerState.CLOSED):
            return
        self.breaker.record_failure(failure.kind)

    async def _in_turn(self, ways: Sequence[_Way], decode: Decode[Result], limit: float) -> Result | Failure:
        first: Failure | None = None
        for number, way in enumerate(ways):
            answer = await self._sent(way, decode, limit)
            status = answer.status if isinstance(answer, Failure) else 200
            if len(ways) == 1:
                return answer
            if number == 0:
                refused = status in (405, 501) or (status in _READ_ONLY_PROXY and not self._post_works
                                                   and not self._get_refused)
                if not refused:
                    self._post_works = self._post_works or not isinstance(answer, Failure)
                    return answer
                first = answer if isinstance(answer, Failure) else None
            elif status in _READ_ONLY_PROXY and first is not None:
                # Not the method is refused but the path: do not ask everything twice from now on.
                self._get_refused = True
                return answer if first.status in (405, 501) else first
            else:
                self._get_only = self._get_only or not isinstance(answer, Failure)
                return answer
        raise AssertionError("a request has at least one way")

    async def _sent(self, way: _Way, decode: Decode[Result], limit: float) -> Result | Failure:
        progress = Progress()
        try:
            async with asyncio.timeout(limit):
                try:
                    received = await self._exchange(way, progress, limit)
                except httpx.TransportError as error:
                    if not is_dead_connection(error, progress):
                        raise
                    progress = Progress()
                    received = await self._exchange(way, progress, limit)
        except TimeoutError:
            return timed_out(progress, limit, self._target)
        except Exception as error:
            return from_exception(error, progress, limit, self._target)
        if isinstance(received, Failure):
            return received
        answer: Result | Failure
        if not 200 <= received.status < 300:
            return self.failed(received, way[1])
        if len(received.body) >= OFF_LOOP_BYTES:
            answer = await asyncio.to_thread(decode, received)
        else:
            answer = decode(received)
        return answer

    async def _exchange(self, way: _Way, progress: Progress, limit: float) -> Received | Failure:
        method, path, params, body = way
        extensions: dict[str, Any] = {"trace": progress.trace}
        if self._own.server_name is not None:
            extensions["sni_hostname"] = self._own.server_name
        self.requests_sent += 1
        began = self._clock.monotonic()
        async with self._client.stream(
                method, self._base + path, params=params, content=body[1] if body else None,
                headers={"Content-Type": body[0]} if body else None,
                timeout=httpx.Timeout(limit, connect=min(CONNECT_SECONDS, limit)),
                extensions=extensions) as response:
            content = await self._body(response)
            if isinstance(content, Failure):
                return content
            return Received(response.status_code, response.headers, content, self._clock.monotonic() - began)

    async def _body(self, response: httpx.Response) -> bytes | Failure:
        """The decompressed body, or the failure that it is too large, broken or compressed in an unknown way."""
        encoding = response.headers.get("content-encoding", "").strip().lower()
        status = response.status_code
        out = bytearray()
        if encoding in ("", "identity"):
            async for piece in response.aiter_raw():
                out += piece
                if len(out) > self._max_body:
                    return self._too_large(status)
            return bytes(out)
        if encoding not in ("gzip", "x-gzip", "deflate"):
            return Failure(FailureKind.BROKEN, f"the answer is compressed as {clean(encoding, limit=40)}, unasked",
                           "a proxy on the way changes it", status)
        inflater = zlib.decompressobj(31 if "gzip" in encoding else 15)
        try:
            async for piece in self._inflated(response.aiter_raw(), inflater):
                out += piece
                if len(out) > self._max_body:
                    return self._too_large(status)
        except zlib.error:
            return Failure(FailureKind.BROKEN, "the answer cannot be decompressed", "a proxy on the way damages it",
                           status)
        if not inflater.eof and out:
            return Failure(FailureKind.BROKEN, f"the compressed answer is cut off after {len(out):,} bytes",
                           "the server or a proxy broke off; the next refresh asks again", status)
        return bytes(out)

    @staticmethod
    async def _inflated(pieces: AsyncIterator[bytes], inflater: zlib._Decompress) -> AsyncIterator[bytes]:
        """Decompressed in pieces of bounded size, however far a small input would expand."""
        async for piece in pieces:
            while piece:
                yield inflater.decompress(piece, _PIECE)
                piece = inflater.unconsumed_tail

    def _too_large(self, status: int) -> Failure:
        return Failure(FailureKind.TOO_LARGE, f"the answer is larger than {self._max_body:,} bytes",
                       "ask for fewer series or a shorter range, or raise max_body", status)

    def _headers(self, endpoint: Endpoint) -> dict[str, str]:
        headers = {"User-Agent": f"triage/{__version__}", "Accept": "application/json", "Accept-Encoding": "gzip"}
        headers.update(endpoint.headers)
        read_token = self._own.token or (None if endpoint.bearer_token is None else endpoint.bearer_token.read)
        if read_token is not None:
            token = read_token()
            self._keep_secret(token)
            if token:
                headers["Authorization"] = f"Bearer {token}"
        if endpoint.basic_auth is not None:
            password = endpoint.basic_auth.password.read()
            pair = base64.b64encode(f"{endpoint.basic_auth.username}:{password}".encode()).decode()
            self._keep_secret(password, pair)
            headers["Authorization"] = f"Basic {pair}"
        for name, reference in endpoint.secret_headers.items():
            headers[name] = reference.read()
            self._keep_secret(headers[name])
        for name, value in headers.items():
            if not (name.isascii() and name.replace("-", "").replace("_", "").isalnum()):
                raise ConfigError(f"the header name {clean(name, limit=80)} cannot be sent",
                                  "letters, digits, - and _ only")
            if not (value.isascii() and value.isprintable()):
                raise ConfigError(f"the value of the header {name} cannot be sent",
                                  "it holds something else than printable ASCII characters")
        return headers

    def _keep_secret(self, *secrets: str) -> None:
        spellings = {s for secret in secrets for s in (secret, url_quote(secret, safe=""))}
        # Longest first, so that no part of one is left when another is contained in it.
        self._secrets = sorted({*self._secrets, *spellings} - {""}, key=len, reverse=True)


_Way = tuple[str, str, "httpx.QueryParams | None", "tuple[str, bytes] | None"]
"""(method, path, parameters of the URL, (content type, body))."""
