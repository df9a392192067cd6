"""The linter: one row per rule, each with the line it points at."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.notebook.conftest import WriteNotebook
from triage.errors import Finding
from triage.notebook.lint import lint

RATIO = "sli: {good: g, total: t}"
DIGEST = "a" * 64


def spec(*lines: str, metrics: str = "metrics: {selector: {model: m}}",
         slos: str = f"slos: [{{name: success, {RATIO}, objective: 99.9}}]") -> str:
    return "".join(f"  {line}\n" for line in (metrics, slos, *lines)).join(("spec:\n", ""))


def found(write_notebook: WriteNotebook, text: str) -> list[Finding]:
    return list(lint(write_notebook(spec=text)))


QUALITY = "quality: {feedback: {regime: delayed, expected_delay: 14d, labels: l}"
SCORES = ("drift: {prediction: {name: score, histogram: h, reference: {edges: [0.2, 0.5], counts: [1, 1, 1]}}}")
FAIR = "slices: [{name: g, values: [a, b], fairness: [demographic_parity, error_rate]"


@pytest.mark.parametrize(("lines", "code", "field"), [
    ([QUALITY + ", calibrated: true}"], "no-decision-threshold", "spec.quality.calibrated"),
    ([QUALITY + ", decision_threshold: 0.5}"], "no-scores", "spec.quality.decision_threshold"),
    ([QUALITY + ", decision_threshold: 0.4}", SCORES], "threshold-no-bucket", "spec.quality.decision_threshold"),
    (["quality: {feedback: {regime: instant, cohort: 1h}}"], "labels-uncounted", "spec.quality.feedback.cohort"),
    (["quality: {feedback: {regime: instant, cohort_label: day}}"], "labels-uncounted",
     "spec.quality.feedback.cohort_label"),
    (["quality: {feedback: {regime: instant}, metrics: [{name: recall, metric: r, min_labels: 100}]}"],
     "labels-uncounted", "spec.quality.metrics[0].min_labels"),
    (["quality: {feedback: {regime: instant, predictions: p}}"], "labels-uncounted",
     "spec.quality.feedback.predictions"),
    ([QUALITY + f", {FAIR}}}]}}"], "fairness-uncounted", "spec.quality.slices[0].fairness"),
    (["drift: {features: [{name: a, histogram: h, reference: {registered: true}}]}"], "registered-nowhere",
     "spec.drift.features[0].reference.registered"),
    ([SCORES, "attributions: {gauge: g, reference: {scroe: 1}}"], "unknown-feature", "spec.attributions.reference"),
])
def test_what_would_be_unknown_for_ever_is_a_warning(write_notebook: WriteNotebook, lines: list[str], code: str,
                                                    field: str) -> None:
    [finding] = found(write_notebook, spec(*lines))
    assert (finding.code, finding.field, finding.severity) == (code, field, "warning")
    assert finding.hint


@pytest.mark.parametrize("lines", [
    [QUALITY + ", calibrated: true, decision_threshold: 0.5}", SCORES],
    [QUALITY + ", calibrated: false}"],
    [QUALITY + f", {FAIR}, outcomes: o}}]}}"],
    [QUALITY + ", slices: [{name: g, values: [a, b]}]}"],
    ["registry: {kind: mlflow, name: m}",
     "drift: {features: [{name: a, histogram: h, reference: {registered: true}}]}"],
    [SCORES, "attributions: {gauge: g, reference: {score: 1}}"],
])
def test_what_can_be_known_is_none(write_notebook: WriteNotebook, lines: list[str]) -> None:
    assert found(write_notebook, spec(*lines)) == []


def test_a_good_notebook_has_no_findings(write_notebook: WriteNotebook) -> None:
    assert found(write_notebook, spec()) == []


CASES: dict[str, tuple[str, str, str, int]] = {
    "a percentile that is a mean": (spec(
        slos="slos: [{name: latency-p99, sli: {average_sum: a, average_count: b, at_most: 1s}, objective: 99}]"),
        "average-as-percentile", "spec.slos[0].name", 6),
    "required but not judged": (spec(slos=f"slos: [{{name: success, {RATIO}, required: true}}]"),
                                "required-without-objective", "spec.slos[0].required", 6),
    "a window beyond what servers keep": (spec(slos=f"slos: [{{name: success, {RATIO}, objective: 99, window: 120d}}]"),
                                          "long-window", "spec.slos[0].window", 6),
    "labels that nobody expects": (spec(slos=f"slos: [{{name: q, {RATIO}, objective: 99, due: with-labels}}]"),
                                   "due-without-feedback", "spec.slos[0].due", 6),
    "labels that never come": (spec("quality: {feedback: {regime: none}}",
                                    slos=f"slos: [{{name: q, {RATIO}, objective: 99, due: with-labels}}]"),
                               "due-without-feedback", "spec.slos[0].due", 6),
    "a delay without a length": (spec("quality: {feedback: {regime: delayed}}"), "no-expected-delay",
                                 "spec.quality.feedback", 7),
    "scrapes too far apart": (spec(metrics="metrics: {selector: {model: m}, scrape_interval: 90s}"), "rate-window",
                              "spec.metrics.scrape_interval", 5),
    "data without a version": (spec("data: [{name: d, uri: 's3://bucket/d'}]"), "mutable-data", "spec.data[0]", 7),
    "data whose version moves": (spec("data: [{name: d, version: latest}]"), "mutable-data", "spec.data[0].version", 7),
    "a margin for nothing": (spec("canary: {max_delta: [{metric: sucess, absolute: 1pt}]}"), "unknown-metric",
                             "spec.canary.max_delta[0].metric", 7),
    "retraining on nothing": (spec("retrain: {when: [{quality: precision}]}"), "unknown-metric",
                              "spec.retrain.when[0].quality", 7),
    "a reference to no data": (spec(
        "drift: {features: [{name: a, histogram: h, reference: {edges: [1], counts: [1, 2], data: x}}]}"),
        "unknown-data", "spec.drift.features[0].reference.data", 7),
    "a runbook that is not there": (spec("runbook: runbook.md"), "missing-file", "spec.runbook", 7),
    "a notebook that is not there": (spec("notebook: {path: other.ipynb}"), "missing-file", "spec.notebook.path", 7),
    "requirements that are not there": (spec("environment: {python: '3.11', requirements: r.txt}"), "missing-file",
                                        "spec.environment.requirements", 7),
    "another notebook than the pinned one": (spec(f"notebook: {{sha256: {DIGEST}}}"), "digest-mismatch",
                                             "spec.notebook.sha256", 7),
    "a way back to itself": (spec("rollback: {last_known_good: '8'}"), "rollback-to-itself",
                             "spec.rollback.last_known_good", 7),
    "an image without a tag": (spec("environment: {python: '3.11', image: 'registry.example:5000/x'}"),
                               "unpinned-image", "spec.environment.image", 7),
    "an image whose tag moves": (spec("environment: {python: '3.11', image: 'registry.example/x:latest'}"),
                                 "unpinned-image", "spec.environment.image", 7),
}


@pytest.mark.parametrize("case", CASES)
def test_a_rule_points_at_its_line(write_notebook: WriteNotebook, case: str) -> None:
    text, code, field, line = CASES[case]
    (finding,) = found(write_notebook, text)
    assert (finding.code, finding.field, finding.line) == (code, field, line)
    assert finding.hint
    assert finding.file.endswith("manifest.yaml")


ERRORS = {"digest-mismatch", "secret"}


@pytest.mark.parametrize("case", CASES)
def test_only_what_is_certainly_wrong_is_an_error(write_notebook: WriteNotebook, case: str) -> None:
    text, code, _, _ = CASES[case]
    assert [f.severity for f in found(write_notebook, text)] == ["error" if code in ERRORS else "warning"]


@pytest.mark.parametrize(("objective", "tiers"), [
    (99.9, None), (93.06, None), (93.05, "14.4x"), (84, "14.4x"), (83, "14.4x, 6x"),
    (80, "14.4x, 6x and the rollout rule (5x)"), (66, "14.4x, 6x, 3x and the rollout rule (5x)"), (100, None),
])
def test_burn_rates_that_an_objective_can_never_reach(write_notebook: WriteNotebook, objective: float,
                                                      tiers: str | None) -> None:
    findings = found(write_notebook, spec(slos=f"slos: [{{name: success, {RATIO}, objective: {objective:g}}}]"))
    assert [(f.code, f.message.split(": at most")[0]) for f in findings] == (
        [] if tiers is None else [("unreachable-tier", f"can never burn at {tiers}")])


@pytest.mark.parametrize("text", [
    "postgres://scorer:hunter2@db.example/features", "redis://:hunter22@cache.example:6379/0", "AKIAIOSFODNN7EXAMPLE",
    "ghp_" + "a1" * 18, "glpat-" + "x" * 20, "xoxb-123456789012-abc", "hf_" + "Ab" * 17, "sk-" + "x1" * 12,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2ln", "-----BEGIN RSA PRIVATE KEY-----",
    "https://bucket.example/x?X-Amz-Signature=" + "0f" * 20,
])
def test_a_secret_in_clear_is_an_error_that_does_not_repeat_it(write_notebook: WriteNotebook, text: str) -> None:
    (finding,) = found(write_notebook, spec(f"data: [{{name: d, version: v1, uri: '{text}'}}]"))
    assert (finding.code, finding.severity, finding.field) == ("secret", "error", "spec.data[0].uri")
    assert text not in finding.sentence()


@pytest.mark.parametrize("text", [
    "s3://warehouse/payments/transactions", "postgres://db.example:5432/features", "https://user@host.example/x",
    "postgres://scorer:${PASSWORD}@db.example/x", "https://reviews.example/fraud:8@main", "sha256:" + "ab" * 32,
])
def test_what_only_looks_like_a_secret_is_none(write_notebook: WriteNotebook, text: str) -> None:
    assert found(write_notebook, spec(f"data: [{{name: d, version: v1, uri: '{text}'}}]")) == []


def test_a_matching_digest_and_pinned_things_are_fine(write_notebook: WriteNotebook) -> None:
    digest = hashlib.sha256(b"{}").hexdigest()
    assert found(write_notebook, spec(
        f"notebook: {{sha256: {digest}}}",
        f"environment: {{python: '3.11', image: 'registry.example/x:latest@sha256:{DIGEST}'}}",
        f"data: [{{name: d, sha256: {DIGEST}}}]")) == []


def test_a_name_close_to_a_known_one_is_suggested(write_notebook: WriteNotebook) -> None:
    (finding,) = found(write_notebook, spec("canary: {max_delta: [{metric: sucess, absolute: 1pt}]}"))
    assert finding.hint == "did you mean success?"


@pytest.mark.parametrize("metric", ["success", "score_mean", "precision", "null-rate", "classes"])
def test_a_margin_may_name_all_that_is_compared(write_notebook: WriteNotebook, metric: str) -> None:
    assert found(write_notebook, spec(
        "quality: {feedback: {regime: instant}, metrics: [{name: precision, metric: p}], "
        "proxies: [{name: null-rate, metric: n}]}",
        "drift: {prediction: {name: score, histogram: s, reference: {edges: [0.5], counts: [1, 1]}}}",
        f"canary: {{classes: {{counter: c, values: [yes, no]}}, max_delta: [{{metric: {metric}, absolute: 1pt}}]}}",
    )) == []


@pytest.mark.parametrize("metric", ["score_mean", "classes"])
def test_a_margin_for_answers_that_the_manifest_does_not_watch_is_a_finding(write_notebook: WriteNotebook,
                                                                            metric: str) -> None:
    (finding,) = found(write_notebook, spec(f"canary: {{max_delta: [{{metric: {metric}, absolute: 1pt}}]}}"))
    assert finding.code == "unknown-metric"


def test_a_margin_for_what_is_computed_from_labels_is_a_finding(write_notebook: WriteNotebook) -> None:
    (finding,) = found(write_notebook, spec(
        "quality: {feedback: {regime: instant}, counted: [{name: recall, figure: recall, outcomes: o_total}]}",
        "canary: {max_delta: [{metric: recall, absolute: 1pt}]}"))
    assert (finding.code, finding.severity) == ("not-compared", "warning")
    assert "not compared between versions" in finding.message


def test_steps_that_stand_twice_are_refused(write_notebook: WriteNotebook) -> None:
    (finding,) = found(write_notebook, spec("canary: {steps: [10, 10, 50]}"))
    assert (finding.severity, finding.field) == ("error", "spec.canary")
    assert finding.message == "has steps that do not ascend"


def preset_spec(sli: str) -> str:
    return spec(metrics="metrics: {preset: vllm}", slos=f"slos: [{{name: first, sli: {{{sli}}}, objective: 99}}]")


def test_a_threshold_that_is_no_bucket_of_the_server_names_the_nearest(write_notebook: WriteNotebook) -> None:
    (finding,) = found(write_notebook, preset_spec("preset: time_to_first_token, threshold: 2s"))
    assert (finding.code, finding.field) == ("no-bucket", "spec.slos[0].sli.threshold")
    assert finding.hint.startswith("nearest: 1s and 2s500ms")


@pytest.mark.parametrize("sli", [
    "preset: time_to_first_token, threshold: 1s", "preset: inter_token_latency, threshold: 75ms",
    "preset: time_to_first_token, threshold: 2s, snap: lower", "preset: queue_time, threshold: 2s",
])
def test_a_threshold_that_is_a_bucket_or_may_be_one_is_fine(write_notebook: WriteNotebook, sli: str) -> None:
    assert found(write_notebook, preset_spec(sli)) == []


def test_a_notebook_that_is_no_file_is_never_read(write_notebook: WriteNotebook) -> None:
    text = spec(f"notebook: {{path: /dev/zero, sha256: {DIGEST}}}")
    assert [f.code for f in found(write_notebook, text)] == ["missing-file"]


def test_two_manifests_in_one_folder_are_a_warning(write_notebook: WriteNotebook) -> None:
    write_notebook(file="manifest.yml")
    assert [f.code for f in found(write_notebook, spec())] == ["two-manifests"]


def test_what_does_not_load_is_listed_with_every_error(write_notebook: WriteNotebook) -> None:
    findings = found(write_notebook, spec("canary: {bake: 24}", "promote: {aprovals: 1}"))
    assert [(f.severity, f.line, f.field) for f in findings] == [
        ("error", 7, "spec.canary.bake"), ("error", 8, "spec.promote.aprovals")]


def test_a_folder_of_notebooks_is_linted_whole(write_notebook: WriteNotebook) -> None:
    write_notebook("a", name="a", spec=spec("runbook: none.md"))
    folder = write_notebook("b", name="b", spec=spec("notebook: {path: none.ipynb}"))
    assert [f.code for f in lint(folder.parent)] == ["missing-file", "missing-file"]


def test_a_hostile_manifest_gives_printable_findings(write_notebook: WriteNotebook) -> None:
    text = spec('runbook: "\\e[2J\\u202E"', 'canary: {max_delta: [{metric: "\\a", relative: 5%}]}')
    sentences = [finding.sentence() for finding in found(write_notebook, text)]
    assert len(sentences) == 2
    assert all(sentence.isprintable() for sentence in sentences)


def test_a_notebook_file_that_nobody_named_blames_no_line_and_says_the_way_out(write_notebook: WriteNotebook) -> None:
    folder = write_notebook(spec=spec())
    (folder / "notebook.ipynb").unlink(missing_ok=True)
    (finding,) = lint(folder)
    assert (finding.line, finding.field, finding.code) == (None, "spec.notebook.path", "missing-file")
    assert finding.message == "is not given, and notebook.ipynb does not exist"
    assert "or leave it" in finding.hint


@pytest.mark.parametrize("text", ["", "\n\n", "# only a remark\n", "---\n"])
def test_an_empty_manifest_is_one_finding(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.yaml").write_text(text)
    (finding,) = lint(tmp_path)
    assert (finding.severity, finding.line, finding.message) == ("error", None, "is empty")
