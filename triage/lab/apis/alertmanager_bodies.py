"""JSON of Alertmanager's API v2, both ways (``api/v2/openapi.yaml``), refused in the words of the real server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from triage.lab.alerting.book import AlertGroup, HeldAlert
from triage.lab.alerting.matchers import AlertMatcher, MatcherError, is_label_name
from triage.lab.alerting.notices import Notice
from triage.lab.alerting.silences import Silence, SilenceDraft
from triage.lab.apis.json_bodies import read_json
from triage.lab.wire.times import milliseconds, parse_time

RESOLVE_SECONDS = 300.0
"""When an alert without an end is taken for resolved (``resolve_timeout``)."""
_LOOSE_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(\.\d+)?(Z?)", re.ASCII)
_GO_ZERO = -62_135_596_800.0
_REQUIRED = 602
_TOO_FEW = 612
_KINDS: tuple[tuple[type, str], ...] = ((bool, "bool"), (int, "number"), (float, "number"), (str, "string"),
                                        (list, "array"), (dict, "object"))


class Refused(Exception):
    """A body is not taken. ``code`` is go-openapi's; from 600 on it is about the content, and the status is 422."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def read_silence(body: bytes) -> tuple[SilenceDraft, str]:
    """A silence to store, and the id of the one that it changes ("" for a new one).

    Raises :class:`Refused`, and ``MatcherError`` for a regular expression that cannot be read.
    """
    fields = _object(_json(body, "silence"), 'struct { ID string "json:\\"id,omitempty\\"" }', "silence")
    texts = {name: _typed(fields, name, str, "string", "Silence", "silence")
             for name in ("comment", "createdBy", "endsAt", "id", "startsAt")}
    raw = _typed(fields, "matchers", list, "models.Matchers", "Silence", "silence")
    matchers = None if raw is None else [_matcher_fields(item) for item in raw]
    for name in ("comment", "createdBy", "endsAt"):
        if texts[name] is None:
            raise Refused(_REQUIRED, f"{name} in body is required")
    if matchers is None:
        raise Refused(_REQUIRED, "matchers in body is required")
    if not matchers:
        raise Refused(_TOO_FEW, "matchers in body should have at least 1 items")
    for number, matcher in enumerate(matchers):
        for name in ("isRegex", "name", "value"):
            if matcher[name] is None:
                raise Refused(_REQUIRED, f"matchers.{number}.{name} in body is required")
    if texts["startsAt"] is None:
        raise Refused(_REQUIRED, "startsAt in body is required")
    read = []
    for number, matcher in enumerate(matchers):
        try:
            read.append(AlertMatcher(matcher["name"], matcher["value"], matcher["isRegex"],
                                     matcher["isEqual"] is not False))
        except MatcherError as error:
            raise MatcherError(f"silence invalid: invalid label matcher {number}: invalid regular expression "
                               f'"{matcher["value"]}": {error}') from None
    draft = SilenceDraft(tuple(read), _moment(texts["startsAt"], "silence"), _moment(texts["endsAt"] or "", "silence"),
                         texts["createdBy"] or "", texts["comment"] or "")
    return draft, texts["id"] or ""


def read_alerts(body: bytes, now: float) -> list[Notice]:
    """Alerts as a Prometheus posts them. Raises :class:`Refused`; ValueError for times that cannot be."""
    document = _json(body, "alerts")
    if not isinstance(document, list):
        raise _unreadable("alerts", f"json: cannot unmarshal {_kind(document)} into Go value of type "
                                    "models.PostableAlerts")
    notices: list[Notice] = []
    for item in document:
        fields = _object(item, "models.PostableAlert", "alerts")
        labels = _label_set(fields, "labels")
        if labels is None:
            raise Refused(_REQUIRED, f"{len(notices)}.labels in body is required")
        labels = {name: value for name, value in labels.items() if value}
        if not labels:
            raise ValueError("at least one label pair required")
        for name in labels:
            if not is_label_name(name):
                raise ValueError(f'invalid label set: invalid name "{name}"')
        starts, ends, url = (_typed(fields, name, str, "string", "PostableAlert", "alerts")
                             for name in ("startsAt", "endsAt", "generatorURL"))
        ends_at = _set_moment(ends)
        starts_at = _set_moment(starts)
        if starts_at is None:
            starts_at = now if ends_at is None else ends_at
        if ends_at is not None and ends_at < starts_at:
            raise ValueError("start time must be before end time")
        notices.append(Notice(labels, _label_set(fields, "annotations") or {}, starts_at,
                              now + RESOLVE_SECONDS if ends_at is None else ends_at, url or ""))
    return notices


def alert_json(alert: HeldAlert, *, muted: bool) -> dict[str, Any]:
    """``gettableAlert``; ``muted``: whether the server knows of ``mutedBy`` (0.28 and later)."""
    status: dict[str, Any] = {"inhibitedBy": []}
    if muted:
        status["mutedBy"] = []
    status |= {"silencedBy": list(alert.silenced_by), "state": "suppressed" if alert.silenced_by else "active"}
    written: dict[str, Any] = {
        "annotations": dict(alert.annotations), "endsAt": milliseconds(alert.ends_at),
        "fingerprint": alert.fingerprint, "receivers": [{"name": name} for name in alert.receivers],
        "startsAt": milliseconds(alert.starts_at), "status": status, "updatedAt": milliseconds(alert.updated_at)}
    if alert.generator_url:
        written["generatorURL"] = alert.generator_url
    return written | {"labels": dict(alert.labels)}


def group_json(group: AlertGroup, *, muted: bool) -> dict[str, Any]:
    """``alertGroup``."""
    return {"alerts": [alert_json(alert, muted=muted) for alert in group.alerts], "labels": dict(group.labels),
            "receiver": {"name": group.receiver}}


def silence_json(silence: Silence, now: float) -> dict[str, Any]:
    """``gettableSilence``."""
    matchers = [{"isEqual": matcher.is_equal, "isRegex": matcher.is_regex, "name": matcher.name, "value": matcher.value}
                for matcher in silence.matchers]
    return {"id": silence.id, "status": {"state": silence.state(now).value},
            "updatedAt": milliseconds(silence.updated_at), "comment": silence.comment, "createdBy": silence.created_by,
            "endsAt": milliseconds(silence.ends_at), "matchers": matchers, "startsAt": milliseconds(silence.starts_at)}


def _json(body: bytes, what: str) -> Any:
    if not body:
        raise Refused(_REQUIRED, f"{what} in body is required")
    try:
        return read_json(body)
    except ValueError as error:
        raise _unreadable(what, str(error)) from None


def _object(raw: Any, go_type: str, what: str) -> dict[str, Any]:
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise _unreadable(what, f"json: cannot unmarshal {_kind(raw)} into Go value of type {go_type}")
    return raw


def _typed(fields: Mapping[str, Any], name: str, kind: type, go_type: str, struct: str, what: str) -> Any:
    """The field, or None when it is absent or null. Raises :class:`Refused` for another JSON type."""
    raw = fields.get(name)
    if raw is not None and (not isinstance(raw, kind) or (isinstance(raw, bool) and kind is not bool)):
        raise _unreadable(what, f"json: cannot unmarshal {_kind(raw)} into Go struct field {struct}.{name} of type "
                                f"{go_type}")
    return raw


def _matcher_fields(raw: Any) -> dict[str, Any]:
    # A null crashes the real server; here it is a matcher of which everything is missing.
    if raw is not None and not isinstance(raw, dict):
        raise _unreadable("silence", f"json: cannot unmarshal {_kind(raw)} into Go struct field Silence.matchers of "
                                     "type models.Matcher")
    kinds = {"isEqual": (bool, "bool"), "isRegex": (bool, "bool"), "name": (str, "string"), "value": (str, "string")}
    return {name: _typed(raw or {}, name, kind, go_type, "Matcher.matchers", "silence")
            for name, (kind, go_type) in kinds.items()}


def _label_set(fields: Mapping[str, Any], name: str) -> dict[str, str] | None:
    raw: dict[str, Any] | None = _typed(fields, name, dict, "models.LabelSet", "PostableAlert", "alerts")
    for value in (raw or {}).values():
        if not isinstance(value, str):
            raise _unreadable("alerts", f"json: cannot unmarshal {_kind(value)} into Go struct field "
                                        f"PostableAlert.{name} of type string")
    return raw


def _set_moment(text: str | None) -> float | None:
    """A time of an alert; None when it is not set, which Go also writes as the first moment of the year 1."""
    moment = _moment(text, "alerts") if text else _GO_ZERO
    return None if moment <= _GO_ZERO else moment


def _moment(text: str, what: str) -> float:
    if not text:
        return 0.0
    try:
        return parse_time(text)
    except ValueError:
        # go-openapi also takes times without a zone or without seconds, which are UTC.
        loose = _LOOSE_TIME.fullmatch(text)
        try:
            if loose:
                day, minute, second, fraction, _ = loose.groups()
                return parse_time(f"{day}T{minute}{second or ':00'}{fraction or ''}Z")
        except ValueError:
            pass
        raise _unreadable(what, f'parsing time "{text}" as "2006-01-02 15:04:05": cannot parse it') from None


def _unreadable(what: str, reason: str) -> Refused:
    return Refused(400, f'parsing {what} body from "" failed, because {reason}')


def _kind(raw: Any) -> str:
    return next((name for kind, name in _KINDS if isinstance(raw, kind)), "null")
