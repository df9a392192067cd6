"""``MlflowClient``: asks an MLflow tracking server for its registered models (REST API 2.0, MLflow 2.3 and newer).

Over httpx and not with MLflow's own client, which takes seconds and 138 MB to import for four requests.

A refresh of one model costs two requests, and so does one of fifty: a search for the models, which tells aliases, then
one for their versions, which does not. They are asked in this order, so that no alias names a version that is not
there yet. Nothing else changes when an alias moves, no time and no history, so both are asked again every time.

**Documents of a version.** Its manifest and its reference distributions are files of the version,
``triage/manifest.yaml`` and ``triage/references.yaml`` below its ``source``. Whoever registers the version puts them
there: the training run with ``mlflow.log_artifact("manifest.yaml", "<folder of the model>/triage")``, or anybody who
may write with ``PUT /api/2.0/mlflow-artifacts/artifacts/...``; the server hands them out
(``GET /model-versions/get-artifact``) whatever store is behind it. Where files cannot be put there, the version's tags
``triage.manifest`` and ``triage.references`` hold the same text (MLflow takes 100,000 characters; they come along with
every refresh, so files are better). The tag ``triage.manifest_sha256`` holds the digest of the manifest's bytes: it
tells a changed manifest without fetching it.

**What a version was made of.** Its training run tells which data sets it read (``runs/get``, the data sets logged with
``mlflow.log_input``), asked once for a version: what a run read does not change.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from triage.clock import Clock
from triage.facts.outcome import Failure, FailureKind
from triage.facts.versions import Document, DocumentKind, RegisteredModel, RegisteredVersion, TrainingRun
from triage.sources.breaker import Breaker
from triage.sources.failures import Received, shape_failure
from triage.sources.prometheus_answers import OtherShape
from triage.sources.registry.face import MAX_DOCUMENT_BYTES, NAME, no_such_model
from triage.sources.registry.mlflow_answers import (
    MLFLOW,
    Page,
    assembled,
    explained,
    parse_head,
    parse_page,
    parse_run,
    parse_version,
)

if TYPE_CHECKING:
    from triage.endpoints import Endpoint
    from triage.sources.http import HttpSource

Result = TypeVar("Result")
API = "/api/2.0/mlflow"
ARTIFACT = "/model-versions/get-artifact"
PAGE_SIZE = 1000
"""The most that MLflow takes for models."""
MAX_PAGES = 20
CHUNK_NAMES = 50
_NEVER = "v0"
"""An alias that every MLflow refuses (``v`` and a number is reserved), for a version that is no number either."""
_CHUNK_CHARACTERS = 3000
"""Proxies refuse URLs from 8 kB on, and quoting may double it."""
_ASK_AGAIN_SECONDS = 600.0
"""After this a document without a recorded digest is read again."""


class MlflowClient:
    """One MLflow server, as :class:`~triage.sources.registry.face.Registry`.

    Making it reads the secrets and imports httpx; it raises :class:`~triage.config.ConfigError` when a secret or a
    certificate cannot be had.
    """

    def __init__(self, endpoint: Endpoint, clock: Clock, *, name: str = NAME) -> None:
        # Not at the top: the first frame is drawn before httpx is imported.
        from triage.sources.http import HttpSource
        self.name = name
        self.source: HttpSource = HttpSource(endpoint, clock, MLFLOW)
        self._clock = clock
        self._documents: dict[tuple[str, str, DocumentKind], tuple[str, float, Document | None]] = {}

    @property
    def where(self) -> str:
        return self.source.url

    @property
    def requests_sent(self) -> int:
        return self.source.requests_sent

    @property
    def breaker(self) -> Breaker:
        return self.source.breaker

    def next_try_in(self) -> float | None:
        return self.breaker.next_try_in()

    def retry_now(self) -> None:
        self.breaker.reset()

    async def aclose(self) -> None:
        await self.source.aclose()

    async def models(self, names: Sequence[str]) -> Mapping[str, RegisteredModel | Failure]:
        chunks = list(_chunks(dict.fromkeys(names)))
        found: dict[str, RegisteredModel | Failure] = {}
        for part in await asyncio.gather(*(self._chunk(chunk) for chunk in chunks)):
            found.update(part)
        return {name: found[name] for name in names}

    async def document(self, model: str, version: RegisteredVersion,
                       kind: DocumentKind) -> Document | Failure | None:
        along = version.documents.get(kind)
        if along is not None:
            return along
        digest = version.manifest_sha256 if kind is DocumentKind.MANIFEST else ""
        known = self._documents.get((model, version.version, kind))
        now = self._clock.monotonic()
        if known is not None and known[0] == digest:
            same = known[2] is not None and digest == known[2].sha256
            if same or now - known[1] < _ASK_AGAIN_SECONDS:
                return known[2]
        path = f"triage/{kind}.yaml"
        answer = await self.source.get(ARTIFACT, lambda received: _document(kind, received, path),
                                       params={"name": model, "version": version.version, "path": path})
        if isinstance(answer, Failure) and not is_absent(answer):
            return _unpassed(answer) if answer.kind is FailureKind.NOT_FOUND else explained(answer)
        found = None if isinstance(answer, Failure) else answer
        self._documents[(model, version.version, kind)] = (digest, now, found)
        return found

    async def run(self, version: RegisteredVersion) -> TrainingRun | Failure | None:
        if not version.run_id:
            return None
        return await self._ask(f"{API}/runs/get", {"run_id": version.run_id}, parse_run)

    async def may_move_aliases(self, model: str) -> bool | None:
        """Whether this credential gets as far as having its alias examined; None when that cannot be told.

        Changes nothing: the alias is one that MLflow refuses to everybody.
        """
        body = {"name": model, "alias": _NEVER, "version": "none"}
        answer = await self.source.post_json(f"{API}/registered-models/alias", json.dumps(body).encode(),
                                             lambda received: received.status)
        status = answer.status if isinstance(answer, Failure) else answer
        if status in (400, 404, 422) and not (isinstance(answer, Failure) and answer.message.startswith("a web page")):
            return True
        return False if status in (401, 403, 404, 405, 501) else None

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Any | Failure:
        """Another endpoint: decoded JSON, its texts as they came."""
        return await self._ask(path, params or {}, lambda document: document)

    async def _chunk(self, names: Sequence[str]) -> Mapping[str, RegisteredModel | Failure]:
        if any("'" in name and '"' in name for name in names):
            return {name: no_such_model(name, "no model can have that name: check spec.registry.name")
                    for name in names}
        read_at = self._clock.now()
        heads = await self._search("registered-models/search", "registered_models", names, parse_head)
        if isinstance(heads, Failure):
            return await self._one_by_one(heads, names)
        models = {head.name: head for head in heads[0] if head.name in names}
        versions: dict[str, list[RegisteredVersion]] = {name: [] for name in models}
        complete = True
        if models:
            pages = await self._search("model-versions/search", "model_versions", tuple(models), parse_version)
            if isinstance(pages, Failure):
                return await self._one_by_one(pages, names)
            for name, version in pages[0]:
                if name in versions:
                    versions[name].append(version)
            complete = pages[1]
        hint = "check spec.registry.name, and whether this credential may read the model: MLflow hides the others"
        return {name: assembled(models[name], versions[name], read_at, complete=complete) if name in models
                else no_such_model(name, hint) for name in names}

    async def _one_by_one(self, failure: Failure, names: Sequence[str]) -> Mapping[str, RegisteredModel | Failure]:
        """Servers before MLflow 2.9 or so know no lists of names, and one name must not spoil it for the others."""
        if failure.kind is not FailureKind.BAD_QUERY or len(names) == 1:
            return dict.fromkeys(names, failure)
        found: dict[str, RegisteredModel | Failure] = {}
        for name in names:
            found.update(await self._chunk((name,)))
        return found

    async def _search(self, path: str, key: str, names: Sequence[str],
                      parse: Callable[[Mapping[str, Any]], Result]) -> tuple[list[Result], bool] | Failure:
        """Everything of these names, and whether that is all of it."""
        asked = {"filter": _filter(names), "max_results": str(PAGE_SIZE)}
        if key == "model_versions":
            asked["order_by"] = "version_number DESC"
        found: list[Result] = []
        for _ in range(MAX_PAGES):
            page = await self._ask(f"{API}/{path}", asked, lambda document: _parsed(document, key, parse))
            if isinstance(page, Failure):
                # That the route is not there says nothing about the model.
                return replace(page, kind=FailureKind.NOT_PROMETHEUS) if page.kind is FailureKind.NOT_FOUND else page
            items, token = page
            found += items
            if not token or token == asked.get("page_token"):
                return found, True
            asked["page_token"] = token
        return found, False

    async def _ask(self, path: str, params: Mapping[str, str],
                   parse: Callable[[Any], Result]) -> Result | Failure:
        def decode(received: Received) -> Result | Failure:
            document = self.source.json(received)
            if isinstance(document, Failure):
                return document
            try:
                return parse(document)
            except OtherShape as error:
                return shape_failure(str(error))
        answer = await self.source.get(path, decode, params=params)
        return explained(answer) if isinstance(answer, Failure) else answer


def is_absent(answer: Failure) -> bool:
    """Whether MLflow itself says that it has no such thing; a 404 without its word is that of whoever stands before it,
    or of a route that is not there."""
    return answer.kind is FailureKind.NOT_FOUND and answer.code == "RESOURCE_DOES_NOT_EXIST"


def _unpassed(answer: Failure) -> Failure:
    return replace(answer, message=f"{ARTIFACT} is not answered by MLflow: {answer.message}",
                   hint=f"let the proxy pass {ARTIFACT}, or keep the document in the version's tags")


def _document(kind: DocumentKind, received: Received, path: str) -> Document | Failure:
    if len(received.body) > MAX_DOCUMENT_BYTES:
        return Failure(FailureKind.TOO_LARGE, f"{path} has more than {MAX_DOCUMENT_BYTES:,} bytes",
                       "keep data out of it: reference it by URI and digest", received.status)
    return Document(kind, received.body, f"artifact {path}")


def _parsed(document: Any, key: str, parse: Callable[[Mapping[str, Any]], Result]) -> tuple[list[Result], str]:
    page: Page = parse_page(document, key)
    return [parse(item) for item in page.items], page.next_token


def _filter(names: Sequence[str]) -> str:
    """MLflow's filters have no escape: the quote is the one that the name does not hold."""
    quoted = [f'"{name}"' if "'" in name else f"'{name}'" for name in names]
    # Models could be compared with a list later than with a text.
    return f"name = {quoted[0]}" if len(quoted) == 1 else f"name IN ({', '.join(quoted)})"


def _chunks(names: Mapping[str, None]) -> Iterator[tuple[str, ...]]:
    """Names in groups whose filters fit into a URL; one that cannot be quoted stands alone."""
    group: list[str] = []
    length = 0
    for name in names:
        if "'" in name or len(name) > _CHUNK_CHARACTERS:
            yield (name,)
            continue
        if group and (len(group) == CHUNK_NAMES or length + len(name) > _CHUNK_CHARACTERS):
            yield tuple(group)
            group, length = [], 0
        group.append(name)
        length += len(name) + 4
    if group:
        yield tuple(group)
