"""Rule files."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from triage.lab.alerting.rules import AlertingRule, RecordingRule, RulesError, load_rule_files, parse_rules

RULES = """
groups:
  - name: canary
    interval: 30s
    rules:
      - alert: Slow
        expr: |
          histogram_quantile(0.99, sum by (le) (rate(latency_bucket[5m]))) > 0.5
        for: 10m
        keep_firing_for: 1h30m
        labels: {severity: page, model: "{{ $labels.model }}"}
        annotations:
          summary: "{{ $value | humanizeDuration }}"
      - record: model:errors:rate5m
        expr: sum by (model) (rate(errors_total[5m]))
        labels: {window: 5m}
  - name: second
    rules:
      - {alert: Always, expr: 1}
"""


def test_a_file_becomes_groups_of_rules() -> None:
    canary, second = parse_rules(RULES, "fraud.yaml")
    assert (canary.name, canary.file, canary.interval_seconds) == ("canary", "fraud.yaml", 30.0)
    slow, record = canary.rules
    assert isinstance(slow, AlertingRule)
    assert (slow.name, slow.for_seconds, slow.keep_firing_seconds) == ("Slow", 600.0, 5400.0)
    assert slow.expression == "histogram_quantile(0.99, sum by (le) (rate(latency_bucket[5m]))) > 0.5"
    assert slow.labels["model"].render({"model": "fraud"}, 0.0) == "fraud"
    assert slow.annotations["summary"].render({}, 61.0) == "1m 1s"
    assert record == RecordingRule("model:errors:rate5m", "sum by (model) (rate(errors_total[5m]))", {"window": "5m"})
    assert second.interval_seconds == 15.0
    assert second.rules[0].expression == "1"


@pytest.mark.parametrize(("written", "kept"), [
    ("sum(\n  a\n)\n", "sum( a )"),
    ("a  # why\n> 1 # end", "a > 1"),
    ('a{b="x  #y"}\n>  1', 'a{b="x  #y"} > 1'),
    ("a{b='it\\'s  #'} > 1", "a{b='it\\'s  #'} > 1"),
    ("a{b=~`\\d  #`} > 1", "a{b=~`\\d  #`} > 1"),
])
def test_an_expression_is_put_on_one_line(written: str, kept: str) -> None:
    document = yaml.safe_dump({"groups": [{"name": "g", "rules": [{"alert": "A", "expr": written}]}]})
    assert parse_rules(document, "r.yaml")[0].rules[0].expression == kept


def test_the_groups_of_several_files_come_in_order(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yaml"):
        (tmp_path / name).write_text(RULES, encoding="utf-8")
    groups = load_rule_files([tmp_path / "b.yaml", tmp_path / "a.yaml"])
    assert [(group.file, group.name) for group in groups] == [
        ("b.yaml", "canary"), ("b.yaml", "second"), ("a.yaml", "canary"), ("a.yaml", "second")]


@pytest.mark.parametrize("text", ["", "groups:", "groups: []", "{}"])
def test_a_file_without_groups_is_empty(text: str) -> None:
    assert parse_rules(text, "r.yaml") == ()


def rule(text: str) -> str:
    return "groups:\n  - name: g\n    rules:\n      - " + dedent(text).strip().replace("\n", "\n        ")


@pytest.mark.parametrize(("text", "said"), [
    ("a: [", "r.yaml: no valid YAML"),
    ("- x", "r.yaml: is no mapping"),
    ("rules: []", "r.yaml: does not know rules: use groups"),
    ("groups: 5", "r.yaml: groups is no list"),
    ("groups: [{rules: []}]", "r.yaml: group 1 has no name"),
    ("groups: [{name: g}, {name: g}]", 'two groups are called "g": rename one'),
    ("groups: [{name: g, rules: 5}]", 'group "g": rules is no list'),
    ("groups: [{name: g, interval: 5 minutes}]", 'group "g": interval: not a valid duration string: "5 minutes"'),
    ("groups: [{name: g, limit: 5}]", "limit and labels of a group are not supported here"),
    (rule("expr: 1"), 'group "g", rule 1: has neither record and alert'),
    (rule("alert: A\nrecord: b\nexpr: 1"), "has both record and alert"),
    (rule("alert: A"), 'rule 1 "A": has no expr'),
    (rule("alert: A\nexpr: sum(("), 'rule 1 "A": expr is no valid PromQL'),
    (rule("alert: A\nexpr: 1\nfro: 5m"), "does not know fro: use alert, annotations, expr, for"),
    (rule("alert: A\nexpr: 1\nfor: soon"), 'for: not a valid duration string: "soon"'),
    (rule("alert: A\nexpr: 1\nlabels: {a-b: x}"), '"a-b" is no valid label name'),
    (rule("alert: A\nexpr: 1\nlabels: {a: [x]}"), "labels.a is no text: put it in quotes"),
    (rule("alert: A\nexpr: 1\nlabels: {a: yes}"), "labels.a is no text: put it in quotes"),
    (rule("alert: A\nexpr: 1\nlabels: x"), "labels: is no mapping"),
    (rule("alert: A\nexpr: 1\nannotations: {s: '{{ $value | title }}'}"), 'annotation "s": {{ $value | title }}'),
    (rule("alert: A\nexpr: 1\nlabels: {s: '{{ .Value }}'}"), 'label "s": {{ .Value }} is not supported'),
    (rule("record: a-b\nexpr: 1"), '"a-b" is no valid metric name'),
    (rule("record: a\nexpr: 1\nfor: 5m\nannotations: {}"), "a recording rule has no annotations, for: remove it"),
])
def test_a_file_that_cannot_be_used_says_where_and_what_to_do(text: str, said: str) -> None:
    with pytest.raises(RulesError) as caught:
        parse_rules(text, "r.yaml")
    assert said in str(caught.value)
    assert str(caught.value).startswith("r.yaml")
