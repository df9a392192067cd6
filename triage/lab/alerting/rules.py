"""Prometheus' rule files: YAML into groups of alerting and recording rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from triage.lab.alerting.templates import Template, TemplateError, parse_template
from triage.lab.promql.errors import QueryError
from triage.lab.promql.parsing import parse
from triage.lab.wire.times import parse_duration

DEFAULT_INTERVAL_SECONDS = 15.0
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_QUOTED_OR_BLANK = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)|(?:\s|\#[^\n]*)+""", re.DOTALL)
_GROUP_KEYS = {"name", "interval", "rules", "limit", "labels"}
_RULE_KEYS = {"record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"}
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where PyYAML was built with it: the lab starts a tenth of a second earlier."""


class RulesError(ValueError):
    """A rule file cannot be used; the text names the file, the group and the rule, and what to do."""


@dataclass(frozen=True, slots=True)
class AlertingRule:
    """Alerts on every series that its expression returns."""

    name: str
    expression: str
    for_seconds: float
    """How long an alert is pending before it fires."""
    keep_firing_seconds: float
    """How long it goes on firing after its expression has stopped to return it."""
    labels: Mapping[str, Template]
    annotations: Mapping[str, Template]


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """Writes what its expression returns as a new series."""

    name: str
    expression: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules that are evaluated together, one after the other."""

    name: str
    file: str
    interval_seconds: float
    rules: tuple[AlertingRule | RecordingRule, ...]


def load_rule_files(paths: Iterable[Path]) -> tuple[RuleGroup, ...]:
    """The groups of all files, in order. Raises :class:`RulesError`, OSError when a file cannot be read."""
    return tuple(group for path in paths for group in parse_rules(path.read_text("utf-8"), path.name))


def parse_rules(text: str, file: str) -> tuple[RuleGroup, ...]:
    """The groups of one file; ``file`` is its name in messages and answers. Raises :class:`RulesError`."""
    try:
        document = yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe one
    except yaml.YAMLError as error:
        raise RulesError(f"{file}: no valid YAML: {error}") from None
    entries = _mapping(document or {}, file, {"groups"}).get("groups") or []
    if not isinstance(entries, list):
        raise RulesError(f"{file}: groups is no list: write one entry for each group")
    groups: list[RuleGroup] = []
    for number, entry in enumerate(entries, 1):
        group = _group(entry, file, number)
        if any(group.name == other.name for other in groups):
            raise RulesError(f'{file}: two groups are called "{group.name}": rename one')
        groups.append(group)
    return tuple(groups)


def _group(entry: Any, file: str, number: int) -> RuleGroup:
    content = _mapping(entry, f"{file}: group {number}", _GROUP_KEYS)
    name = content.get("name")
    if not isinstance(name, str) or not name:
        raise RulesError(f"{file}: group {number} has no name: give it one")
    where = f'{file}: group "{name}"'
    if content.get("limit") or content.get("labels"):
        raise RulesError(f"{where}: limit and labels of a group are not supported here: put labels on the rules")
    rules = content.get("rules") or []
    if not isinstance(rules, list):
        raise RulesError(f"{where}: rules is no list: write one entry for each rule")
    interval = _seconds(content, "interval", where)
    return RuleGroup(name, file, interval or DEFAULT_INTERVAL_SECONDS,
                     tuple(_rule(rule, f"{where}, rule {n}") for n, rule in enumerate(rules, 1)))


def _rule(entry: Any, where: str) -> AlertingRule | RecordingRule:
    content = _mapping(entry, where, _RULE_KEYS)
    record, alert = content.get("record"), content.get("alert")
    if bool(record) == bool(alert):
        raise RulesError(f"{where}: has {'both' if record else 'neither'} record and alert: write one of the two")
    where = f'{where} "{record or alert}"'
    expression = _expression(content.get("expr"), where)
    labels = _texts(content, "labels", where)
    for label in labels:
        if not _LABEL.fullmatch(label) or label == "__name__":
            raise RulesError(f'{where}: "{label}" is no valid label name')
    if alert:
        return AlertingRule(_text(alert, where, "alert"), expression, _seconds(content, "for", where),
                            _seconds(content, "keep_firing_for", where), _templates(labels, where, "label"),
                            _templates(_texts(content, "annotations", where), where, "annotation"))
    unfit = sorted({"for", "keep_firing_for", "annotations"} & set(content))
    if unfit:
        raise RulesError(f"{where}: a recording rule has no {', '.join(unfit)}: remove it, or write alert")
    if not _METRIC.fullmatch(_text(record, where, "record")):
        raise RulesError(f'{where}: "{record}" is no valid metric name')
    return RecordingRule(str(record), expression, labels)


def _expression(raw: Any, where: str) -> str:
    # YAML reads "expr: 1" as a number, which is a valid expression.
    text = str(raw) if isinstance(raw, int | float) and not isinstance(raw, bool) else raw
    if not isinstance(text, str) or not text.strip():
        raise RulesError(f"{where}: has no expr: write the PromQL expression")
    try:
        parse(text)
    except QueryError as error:
        raise RulesError(f"{where}: expr is no valid PromQL: {error.message}") from None
    return _one_line(text)


def _one_line(expression: str) -> str:
    """Without comments, and with one space where there was any: what stands in quotes stays."""
    return _QUOTED_OR_BLANK.sub(lambda found: found[1] or " ", expression).strip()


def _templates(texts: Mapping[str, str], where: str, kind: str) -> dict[str, Template]:
    templates: dict[str, Template] = {}
    for name, text in texts.items():
        try:
            templates[name] = parse_template(text)
        except TemplateError as error:
            raise RulesError(f'{where}: {kind} "{name}": {error}') from None
    return templates


def _seconds(content: Mapping[str, Any], key: str, where: str) -> float:
    raw = content.get(key)
    if raw is None:
        return 0.0
    try:
        return parse_duration(str(raw))
    except ValueError as error:
        raise RulesError(f"{where}: {key}: {error}: write it as 30s, 5m or 1h30m") from None


def _texts(content: Mapping[str, Any], key: str, where: str) -> dict[str, str]:
    return {name: _text(text, where, f"{key}.{name}")
            for name, text in _mapping(content.get(key) or {}, f"{where}: {key}", None).items()}


def _text(raw: Any, where: str, what: str) -> str:
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise RulesError(f"{where}: {what} is no text: put it in quotes")
    return str(raw)


def _mapping(raw: Any, where: str, known: set[str] | None) -> dict[str, Any]:
    if not isinstance(raw, dict) or not all(isinstance(key, str) for key in raw):
        raise RulesError(f"{where}: is no mapping of names to values")
    unknown = sorted(set(raw) - known) if known is not None else []
    if unknown:
        raise RulesError(f"{where}: does not know {', '.join(unknown)}: use {', '.join(sorted(known or ()))}")
    return raw
