"""The real parser takes every question, alone and combined, whatever the labels hold."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import yaml

from tests.real import notebooks
from tests.real.stage import EXAMPLES, Stage
from tests.real.truth import HOUR
from triage.facts.closer_look import CloserLook
from triage.live.arms import Arms
from triage.live.channel import combined
from triage.live.drift import drift_questions, version_label
from triage.live.expressions import Pace, questions
from triage.live.feature_store import feature_store_questions
from triage.live.labels import label_questions
from triage.live.quality import quality_questions
from triage.live.resources import pod_questions, replicas_expression
from triage.live.scores import attribution_questions, score_questions
from triage.live.trends import trend_questions
from triage.live.trial import trial_questions
from triage.notebook.load import Notebook, load_all
from triage.notebook.presets import preset_names

KINDS = yaml.safe_load("""
- {name: ratio-bad, sli: {bad: errors_total, total: requests_total, absent: zero}, objective: 99, by: feature}
- {name: ratio-parts, sli: {good: good_total, bad: bad_total}, objective: 99.9}
- {name: latency, sli: {histogram: duration_seconds, threshold: 500ms}, objective: 99}
- {name: milliseconds, sli: {histogram: duration_milliseconds, unit: ms, threshold: 500ms, snap: lower}, objective: 99}
- {name: native, sli: {histogram: native_duration_seconds, threshold: 500ms, native: true}, objective: 99}
- {name: queue, sli: {gauge: queue_length, at_most: 20}, objective: 95}
- {name: fresh, sli: {freshness: updated_timestamp_seconds, at_most: 26h}, objective: 99}
- {name: cold, sli: {cold_starts: cold_total, invocations: invocations_total}, objective: 95}
- {name: flow, sli: {throughput: rows_total, at_least: 5/s}, objective: 99}
- {name: mean, sli: {average_sum: spent_seconds_sum, average_count: spent_seconds_count, at_most: 1s}, objective: 99}
""")


def ask(stage: Stage, expression: str) -> list[dict[str, object]]:
    """What the server answers; fails with its words when it refuses."""
    answer = httpx.post(f"{stage.prometheus.url}/api/v1/query", data={"query": expression}, timeout=30.0,
                        trust_env=False)
    assert answer.status_code == 200, f"{answer.text}\n{expression}"
    result: list[dict[str, object]] = answer.json()["data"]["result"]
    return result


def check(stage: Stage, book: Notebook) -> None:
    asked = questions(book)
    assert asked
    for pace in Pace:
        group = [(a.question, a.expression) for a in asked if a.pace is pace]
        if group:
            ask(stage, combined(group)[0])
    ask(stage, combined(pod_questions(book))[0])
    ask(stage, replicas_expression(book.manifest))
    drift = book.manifest.spec.drift
    watched = drift.features if drift is not None else []
    arms = Arms("v1", 'v"2', version_label(book), stage.epoch - HOUR, 60.0, 30)
    for more in (feature_store_questions(book), label_questions(book), quality_questions(book), drift_questions(book),
                 trial_questions(book, {}, arms, 60.0),
                 (*(asked for one in watched for asked in score_questions(book, CloserLook(one.name))),
                  *attribution_questions(book))):
        if more:
            ask(stage, combined(more)[0])
    charts = trend_questions(book, "2m")
    if charts:
        ask(stage, combined(charts)[0])


def written(folder: Path, metrics: dict[str, object], slos: object, more: dict[str, object] | None = None) -> Notebook:
    manifest = {"apiVersion": "triage/v1alpha1", "kind": "ModelNotebook",
                "metadata": {"name": "m", "version": "1", "owners": [{"name": "t", "role": "on-call"}]},
                "spec": {"metrics": metrics, "slos": slos, **(more or {})}}
    (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    (folder / "notebook.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}\n')
    loaded = load_all([folder])
    assert loaded.broken == ()
    return loaded.notebooks[0]


@pytest.mark.parametrize("name", ["chat-assistant", "churn-ranker", "fraud-scorer"])
def test_the_questions_of_an_example_are_taken(stage: Stage, name: str) -> None:
    check(stage, next(n for n in load_all([EXAMPLES]).notebooks if n.name == name))


@pytest.mark.parametrize("name", sorted(notebooks.SLOS))
def test_the_questions_of_a_known_model_are_taken(stage: Stage, name: str) -> None:
    check(stage, next(n for n in load_all([stage.folder / "notebooks"]).notebooks if n.name == name))


@pytest.mark.parametrize("preset", preset_names())
def test_the_questions_of_a_preset_are_taken(stage: Stage, tmp_path: Path, preset: str) -> None:
    slos = [{"name": "placeholder", "sli": {"good": "a_total", "total": "b_total"}, "objective": 99}]
    check(stage, written(tmp_path, {"preset": preset, "selector": {"job": "m"}}, slos))


@pytest.mark.parametrize("value", ["m", 'a"} or vector(1) or x{y="', "back\\slash", "\u202eesrever", "}) or up #", "`"])
def test_every_kind_of_indicator_is_taken_whatever_the_label_holds(stage: Stage, tmp_path: Path, value: str) -> None:
    check(stage, written(tmp_path, {"selector": {"model": value}, "version_info": "model_build_info"}, KINDS))


def test_the_questions_about_answers_and_pushed_scores_are_taken(stage: Stage, tmp_path: Path) -> None:
    book = written(tmp_path, {"selector": {"model": "equal"}, "requests": "requests_total"}, [
        {"name": "success", "sli": {"good": 'requests_total{code!~"5.."}', "total": "requests_total"},
         "objective": 99}], {
        "drift": {"features": [{"name": "a", "gauge": "drift_score"}],
                  "prediction": {"name": "score", "histogram": "request_duration_seconds",
                                 "reference": {"edges": [0.1, 0.5], "counts": [1, 1, 1]}}},
        "canary": {"classes": {"counter": "decisions_total", "label": "decision", "values": ["approve", "decline"]},
                   "max_delta": [{"metric": "score_mean", "relative": "5%"}]}})
    check(stage, book)
    arms = Arms("v1", "v2", "model_version", stage.epoch - HOUR / 2, 60.0, 20)
    answered = {q.objective: ask(stage, expression) for q, expression in trial_questions(book, {}, arms, 60.0)}
    assert len(answered["classes"]) == 4
    assert [float(str(item["value"][1])) for item in answered["score_mean"]] == pytest.approx([0.14, 0.14])  # type: ignore[index]


def test_a_hostile_label_value_finds_nothing_but_itself(stage: Stage, tmp_path: Path) -> None:
    book = written(tmp_path, {"selector": {"model": 'x"} or {model="steady'}}, [
        {"name": "success", "sli": {"good": 'requests_total{code!~"5.."}', "total": "requests_total"},
         "objective": 99}])
    assert [a for a in questions(book) if ask(stage, a.expression)] == []
