"""The part of ``triage doctor`` that examines a model registry: an MLflow server or a folder."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from triage.clock import Clock
from triage.config import Active
from triage.config_sources import FolderRegistry
from triage.endpoints import Endpoint
from triage.facts.outcome import Failure, SourceState
from triage.sources.checkup import Capability, SourceCheck
from triage.sources.decode import clean_tree
from triage.sources.examination import clock_capability, examine
from triage.sources.failures import Received
from triage.sources.registry.face import NAME
from triage.sources.registry.folder import FolderClient
from triage.sources.registry.mlflow import API, ARTIFACT, MlflowClient, is_absent
from triage.sources.registry.mlflow_answers import explained
from triage.text import clean

_ALIASES_SINCE = (2, 3)
_OLD_SECONDS = 86400.0


async def check_registry(active: Active, clock: Clock) -> SourceCheck:
    """Examine the context's registry. Raises :class:`~triage.config.ConfigError` when its secrets cannot be had.

    Nothing is changed. To learn whether the credential may move aliases, MLflow is asked to set an alias that it
    refuses whoever asks: whoever may not write is told that (403) before it looks at the alias (400).
    """
    configured = active.context.registry
    if configured is None:
        return SourceCheck(NAME, "", SourceState.OFF, capabilities=(Capability(
            "missing", "versions and approvals", "whether what serves is registered and approved is not checked",
            "add registry: {kind: mlflow, url: ...} or {kind: folder, path: ...} to the context"),))
    if isinstance(configured, FolderRegistry):
        return await _folder(active.beside_config(configured.path), configured.ref, clock)
    endpoint = configured.endpoint()
    client = MlflowClient(endpoint, clock)
    try:
        return await _mlflow(client, clock, endpoint, active.context.allow_write)
    finally:
        await client.aclose()


async def _mlflow(client: MlflowClient, clock: Clock, endpoint: Endpoint, allow_write: bool) -> SourceCheck:
    models: Any = None

    async def cheap() -> Received | Failure:
        nonlocal models
        client.breaker.reset()
        found = await client.source.get(f"{API}/registered-models/search", lambda r: (r, client.source.json(r)),
                                        params={"max_results": "1"})
        if isinstance(found, Failure):
            return found
        received, models = found
        return models if isinstance(models, Failure) else received

    examined = await examine(cheap, clock)
    if isinstance(examined, Failure):
        failure = explained(examined)
        return SourceCheck(client.name, client.where, SourceState.DOWN, error=failure.sentence(), fix=failure.hint)
    client.breaker.reset()
    version = await _version(client)
    client.breaker.reset()
    versions = await client.get(f"{API}/model-versions/search", {"max_results": "1"})
    client.breaker.reset()
    files = await _files(client, versions)
    client.breaker.reset()
    name = _first(models, "registered_models").get("name")
    may_write = await client.may_move_aliases(name if isinstance(name, str) and name else "triage")
    capabilities = [_models(models), _versions(versions), _aliases(version), files,
                    clock_capability(examined.clock_difference_seconds)]
    if allow_write:
        capabilities.append(_writable(may_write))
    warnings = () if allow_write or not may_write else (_warning(endpoint),)
    return SourceCheck(client.name, client.where, SourceState.OK, "MLflow", version, examined.latency_seconds,
                       examined.clock_difference_seconds, capabilities=tuple(capabilities), warnings=warnings)


async def _version(client: MlflowClient) -> str:
    """``3.17.2``; "" when it is not served."""
    said = await client.source.get("/version", lambda r: r.body[:40].decode("ascii", errors="replace").strip())
    return said if isinstance(said, str) and re.fullmatch(r"\d+\.\d+[\w.+-]*", said) else ""


async def _files(client: MlflowClient, versions: Any) -> Capability:
    """Whether files of a version can be read; the one asked for need not exist."""
    what = "files of versions"
    consequence = "registered manifests and reference distributions are read from tags only"
    found = _first(versions, "model_versions")
    name, number = found.get("name"), found.get("version")
    if not isinstance(name, str) or not isinstance(number, str):
        return Capability("unknown", what, "there is no version to try it on")
    answer = await client.source.get(ARTIFACT, lambda received: received.status,
                                     params={"name": name, "version": number, "path": "triage/manifest.yaml"})
    if not isinstance(answer, Failure):
        return Capability("ok", what)
    if is_absent(answer):
        return Capability("ok", what, "no manifest is kept with the version tried: triage/manifest.yaml")
    if answer.status is not None and answer.status >= 500:
        return Capability("missing", what, f"{consequence}: {answer.sentence()}",
                          "the server cannot read its artifact store: give it access, or keep the manifest in the tag "
                          "triage.manifest")
    failure = explained(answer)
    return Capability("missing", what, f"{consequence}: {failure.sentence()}",
                      failure.hint or "keep the manifest in the version's tag triage.manifest")


def _models(document: Any) -> Capability:
    what = "models"
    if _first(document, "registered_models"):
        return Capability("ok", what, required=True)
    return Capability("unknown", what, "none is registered, or this credential may read none")


def _versions(document: Any) -> Capability:
    if isinstance(document, Failure):
        return Capability("missing", "versions", f"what is registered is not known: {document.sentence()}",
                          document.hint, required=True)
    return Capability("ok", "versions", required=True)


def _aliases(version: str) -> Capability:
    what = "aliases"
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None:
        return Capability("unknown", what, "it does not tell its version")
    if (int(numbers[1]), int(numbers[2])) < _ALIASES_SINCE:
        return Capability("missing", what, f"{version} has none: which version is stable is read from the traffic",
                          "MLflow 2.3 or newer has them")
    return Capability("ok", what)


def _warning(endpoint: Endpoint) -> str:
    if endpoint.bearer_token is None and endpoint.basic_auth is None and not endpoint.secret_headers:
        return ("whoever reaches it can move aliases and approve versions, this context too, which is meant for "
                "reading: start it with --app-name basic-auth, or let only GET through on the way")
    return ("this credential can move aliases and approve versions, in a context meant for reading: give it one with "
            "READ permission only")


def _writable(may_write: bool | None) -> Capability:
    what = "moving aliases"
    if may_write:
        return Capability("ok", what)
    if may_write is None:
        return Capability("unknown", what)
    return Capability("missing", what, "the context allows writing, the credential does not",
                      "use a credential with EDIT permission on the registered models")


def _first(document: Any, key: str) -> dict[str, Any]:
    items = document.get(key) if isinstance(document, dict) else None
    first = items[0] if isinstance(items, list) and items else None
    return clean_tree(first, limit=300) if isinstance(first, dict) else {}


async def _folder(path: Path, ref: str | None, clock: Clock) -> SourceCheck:
    client = FolderClient(path, ref, clock)
    began = time.perf_counter()
    found = await client.survey()
    took = time.perf_counter() - began
    if isinstance(found, Failure):
        return SourceCheck(client.name, client.where, SourceState.DOWN, error=found.sentence(), fix=found.hint)
    count = f"{found.models} model{'' if found.models == 1 else 's'}, {found.versions} versions"
    capabilities = [Capability("ok" if found.models else "unknown", "models", count if found.models else
                               "none is registered", "" if found.models else found.how_to_add),
                    Capability("ok", "aliases")]
    if found.fetch_failed_at is not None:
        minutes = max(0.0, clock.now() - found.fetch_failed_at) / 60
        capabilities.append(Capability(
            "missing", "up to date", f"its last fetch, {minutes:.0f} min ago, failed or is not over: how old it is "
            "cannot be told", f"run git -C {clean(path, limit=200)} fetch --tags and see why; triage never fetches"))
    elif found.as_of is not None:
        age = max(0.0, clock.now() - found.as_of)
        days = f"fetched {age / 86400:.0f} d ago" if age >= 2 * 86400 else f"fetched {age / 3600:.0f} h ago"
        old = Capability("missing", "up to date", f"{days}: what was registered since is not seen",
                         f"git -C {clean(path, limit=200)} fetch --tags, best by a timer; triage never fetches")
        capabilities.append(old if age > _OLD_SECONDS else Capability("ok", "up to date", days))
    elif found.is_git:
        capabilities.append(Capability("unknown", "up to date", "this clone was never fetched since it was made"))
    checked = SourceCheck(client.name, client.where, SourceState.OK, found.product, found.revision, took,
                          capabilities=tuple(capabilities))
    # A folder cannot be written by whoever only reads it here: triage has no way to write one.
    return replace(checked, warnings=())
