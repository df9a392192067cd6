"""The query of a request to the Kubernetes API: options of writes, deletions and watches."""

from __future__ import annotations

import re
from typing import Any

from starlette.datastructures import QueryParams

from triage.lab.apis.kubernetes_selectors import Matches
from triage.lab.apis.kubernetes_watch import Watch
from triage.lab.cluster import refusals
from triage.lab.cluster.apiserver import Options
from triage.lab.cluster.objects import Json
from triage.lab.cluster.refusals import Refusal
from triage.lab.cluster.resources import Resource

_LONGEST_MANAGER = 128
_VALIDATION = ("Ignore", "Warn", "Strict")


def write_options(query: QueryParams, user_agent: str) -> Options:
    """Options of a write. A writer who gives itself no name is named after its ``User-Agent``.

    Raises a 422 :class:`Refusal` for a value that does not exist: a mistyped ``dryRun`` must not write.
    """
    manager = query.get("fieldManager") or user_agent.partition("/")[0][:_LONGEST_MANAGER] or "unknown"
    if len(manager.encode()) > _LONGEST_MANAGER:
        raise _invalid(f"fieldManager: Too long: may not be more than {_LONGEST_MANAGER} bytes")
    validation = query.get("fieldValidation") or "Warn"
    if validation not in _VALIDATION:
        raise _invalid(f'fieldValidation: Unsupported value: "{validation}": supported values: '
                       '"Ignore", "Strict", "Warn"')
    return Options(manager, _dry_run(query.getlist("dryRun")), validation == "Strict")


def delete_options(query: QueryParams, body: Any) -> tuple[Json, Options]:
    """(preconditions, options) of a deletion, which may have them in its body."""
    if not isinstance(body, dict):
        raise refusals.bad_request("the options of a deletion are an object")
    preconditions = body.get("preconditions") or {}
    asked = body.get("dryRun") or query.getlist("dryRun")
    if not isinstance(preconditions, dict) or not isinstance(asked, list):
        raise refusals.bad_request("the options of a deletion are not of their types")
    return preconditions, Options(dry_run=_dry_run(asked))


def _dry_run(values: list[Any]) -> bool:
    for value in values:
        if value != "All":
            raise _invalid(f'dryRun: Unsupported value: "{value}": supported values: "All"')
    return bool(values)


def watch_of(query: QueryParams, resource: Resource, namespace: str, matches: Matches, table_of: str) -> Watch:
    """What a watch asks for. Raises a 400 :class:`Refusal` for numbers that are none."""
    if query.get("sendInitialEvents", "") in ("1", "true"):
        raise Refusal(422, "Invalid", 'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: '
                      "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled")
    version = query.get("resourceVersion", "")
    since = None if version in ("", "0") else _number(version, "resourceVersion")
    timeout = query.get("timeoutSeconds", "")
    # The server takes 0 for no wish.
    seconds = _number(timeout, "timeoutSeconds") or None if timeout else None
    bookmarks = query.get("allowWatchBookmarks", "") in ("1", "true")
    return Watch(resource, namespace, matches, since, seconds, bookmarks, table_of)


def _number(text: str, name: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise refusals.bad_request(f'{name}: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": '
                                   "invalid syntax")
    return int(text)


def _invalid(finding: str) -> Refusal:
    return Refusal(422, "Invalid", f' "" is invalid: {finding}', {"causes": [
        {"reason": "FieldValueInvalid", "message": finding.partition(": ")[2], "field": finding.partition(":")[0]}]})
