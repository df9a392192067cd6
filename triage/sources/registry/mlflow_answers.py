"""What MLflow answers, as facts; and its refusals, with what to do about them. Pure.

Fields were read off MLflow 3.17; absent lists are omitted keys, and searches for versions never tell their aliases.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from triage.facts.outcome import Failure, FailureKind
from triage.facts.versions import (
    Document,
    DocumentKind,
    RegisteredModel,
    RegisteredVersion,
    RunInput,
    TrainingRun,
)
from triage.sources.failures import Product
from triage.sources.prometheus_answers import OtherShape
from triage.text import clean

MLFLOW = Product("MLflow", 5000, "the URL may lack a path prefix (--static-prefix of mlflow server)")
DATA_PREFIX = "triage.data."
_PLACES = ("uri", "url", "path", "delta_table_name", "table_name")
"""Fields of a source: of files and stores, of the web, of Hugging Face and Spark, of Delta and Spark tables."""
DIGEST_TAG = "triage.manifest_sha256"
DOCUMENT_TAGS: Mapping[str, DocumentKind] = {f"triage.{kind}": kind for kind in DocumentKind}
"""Tags that hold a whole document."""
_TEXT_LIMIT = 1000
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ModelHead:
    """A model without its versions."""

    name: str
    description: str
    tags: Mapping[str, str]
    aliases: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search."""

    items: tuple[dict[str, Any], ...]
    next_token: str
    """"" on the last page."""


def parse_page(document: Any, key: str) -> Page:
    """A search's answer, ``{}`` when nothing was found. Raises :class:`OtherShape`."""
    if not isinstance(document, dict):
        raise OtherShape("the answer is no object")
    # Other products answer with objects too, and must not pass for a registry that is empty.
    if document and key not in document and "next_page_token" not in document:
        raise OtherShape(f"the answer holds no {key}")
    items = document.get(key, [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise OtherShape(f"{key} is no list of objects")
    token = document.get("next_page_token")
    return Page(tuple(items), token if isinstance(token, str) else "")


def parse_head(item: Mapping[str, Any]) -> ModelHead:
    """One of ``registered_models``. Raises :class:`OtherShape`."""
    aliases = {}
    for alias in _objects(item.get("aliases"), "aliases"):
        aliases[_name(alias, "alias")] = _name(alias, "version")
    return ModelHead(_name(item, "name"), _text(item.get("description")), _tags(item), aliases)


def parse_version(item: Mapping[str, Any]) -> tuple[str, RegisteredVersion]:
    """One of ``model_versions``, and the model that it is of. Raises :class:`OtherShape`."""
    tags = _tags(item, without=DOCUMENT_TAGS)
    documents = {}
    for tag in _objects(item.get("tags"), "tags"):
        kind, value = DOCUMENT_TAGS.get(str(tag.get("key"))), tag.get("value")
        if kind is not None and isinstance(value, str) and value:
            documents[kind] = Document(kind, value.encode("utf-8", "surrogatepass"), f"tag triage.{kind}")
    digest = tags.get(DIGEST_TAG, "").strip().lower()
    stage = _text(item.get("current_stage"))
    return _name(item, "name"), RegisteredVersion(
        version=_name(item, "version"), created_at=_seconds(item.get("creation_timestamp")),
        status=_text(item.get("status")) or "READY", stage="" if stage == "None" else stage,
        source=_text(item.get("source")), run_id=_text(item.get("run_id")),
        description=_text(item.get("description")), tags=tags, updated_at=_seconds(item.get("last_updated_timestamp")),
        manifest_sha256=digest if _SHA256.fullmatch(digest) else "", documents=documents)


def parse_run(document: Any) -> TrainingRun:
    """The answer of ``runs/get``: its ``inputs.dataset_inputs``, then what its tags and params name besides.

    Where data is not logged with ``mlflow.log_input``, a tag or param ``triage.data.<name>`` holds the identity of the
    data set of that name. Raises :class:`OtherShape`.
    """
    run = document.get("run") if isinstance(document, dict) else None
    if not isinstance(run, dict):
        raise OtherShape("the answer holds no run")
    info, given = _object(run.get("info"), "info"), _object(run.get("inputs"), "inputs")
    found = [_input(item) for item in _objects(given.get("dataset_inputs"), "dataset_inputs")]
    recorded = _object(run.get("data"), "data")
    for pair in (*_objects(recorded.get("tags"), "tags"), *_objects(recorded.get("params"), "params")):
        key = pair.get("key")
        name = clean(key[len(DATA_PREFIX):], limit=300) if isinstance(key, str) and key.startswith(DATA_PREFIX) else ""
        if name and all(each.name != name for each in found):
            found.append(RunInput(name, _text(pair.get("value"))))
    return TrainingRun(_name(info, "run_id"), tuple(found))


def _input(item: Mapping[str, Any]) -> RunInput:
    dataset = _object(item.get("dataset"), "dataset")
    context = _tags(item).get("mlflow.data.context", "")
    return RunInput(_name(dataset, "name"), _text(dataset.get("digest")), _where(dataset.get("source")), context)


def _where(source: Any) -> str:
    """Where a data set lies: its source is JSON whose fields go by the type of the source."""
    try:
        told = json.loads(source) if isinstance(source, str) else None
    except (ValueError, RecursionError):
        return ""
    if not isinstance(told, dict):
        return ""
    return next((_text(told[key]) for key in _PLACES if isinstance(told.get(key), str)), "")


def _object(raw: Any, what: str) -> dict[str, Any]:
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise OtherShape(f"{what} is no object")
    return raw


def assembled(head: ModelHead, versions: Iterable[RegisteredVersion], read_at: float, *,
              complete: bool) -> RegisteredModel:
    """A model with its versions, newest first, each with its aliases."""
    of: dict[str, list[str]] = {}
    for alias, version in sorted(head.aliases.items()):
        of.setdefault(version, []).append(alias)
    named = [replace(v, aliases=tuple(of.get(v.version, ()))) for v in versions]
    named.sort(key=lambda v: (int(v.version) if v.version.isdecimal() else -1, v.version), reverse=True)
    return RegisteredModel(head.name, tuple(named), head.aliases, read_at, head.tags, head.description, complete)


def explained(failure: Failure) -> Failure:
    """``failure`` with the hint that fits MLflow."""
    said = failure.message.lower()
    hint = failure.hint
    if failure.kind is FailureKind.FORBIDDEN and "invalid host header" in said:
        hint = ("MLflow takes only the host names that it knows: over a tunnel (ssh -L) write http://127.0.0.1:PORT in "
                "url; else add this host, with its port, to --allowed-hosts of mlflow server")
    elif failure.kind is FailureKind.FORBIDDEN and "cross-origin" in said:
        hint = "a proxy adds an Origin header: remove it there, or see --cors-allowed-origins of mlflow server"
    elif failure.kind is FailureKind.FORBIDDEN and failure.status == 403:
        hint = "the credential is known but not allowed to read this: ask for READ permission on the registered model"
    elif failure.kind is FailureKind.UNAUTHORIZED:
        hint = ("check the context's credential (basic_auth, bearer_token or mlflow_environment): it is missing, wrong "
                "or expired; MLflow's variables are read with mlflow_environment: true only")
    elif failure.kind is FailureKind.TIMEOUT:
        hint = "MLflow or its database is slow: use a longer timeout"
    elif failure.kind is FailureKind.NOT_FOUND and not said.startswith("a web page"):
        hint = ""
    elif failure.kind is FailureKind.TOO_LARGE:
        hint = "raise max_body of the registry"
    return replace(failure, hint=hint) if hint != failure.hint else failure


def _tags(item: Mapping[str, Any], without: Iterable[str] = ()) -> dict[str, str]:
    found = {}
    for tag in _objects(item.get("tags"), "tags"):
        key = tag.get("key")
        if isinstance(key, str) and key not in without:
            found[clean(key, limit=250)] = _text(tag.get("value"))
    return found


def _objects(raw: Any, what: str) -> list[dict[str, Any]]:
    if raw is None:
        return []
    if not isinstance(raw, list) or not all(isinstance(item, dict) for item in raw):
        raise OtherShape(f"{what} is no list of objects")
    return raw


def _name(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key)
    # Other servers of this API have been seen to write versions as numbers.
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise OtherShape(f"an item has no {key}")
    return clean(value, limit=300)


def _text(raw: Any) -> str:
    return clean(raw, limit=_TEXT_LIMIT) if isinstance(raw, str) else ""


def _seconds(raw: Any) -> float | None:
    """Milliseconds, which some servers write as text, as seconds."""
    if isinstance(raw, str) and raw.isascii() and raw.isdecimal() and len(raw) < 16:
        raw = int(raw)
    return raw / 1000 if isinstance(raw, int | float) and not isinstance(raw, bool) and 0 < raw < 1e15 else None
