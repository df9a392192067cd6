"""The manifest: every slip is an error with its line, its field and a way out."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.notebook.conftest import MakeManifest, WriteNotebook
from tests.notebook.example_data import EXAMPLES
from triage.errors import Finding, InvalidDocument
from triage.notebook.load import load_notebook
from triage.notebook.manifest import Manifest
from triage.notebook.resolve import objectives, requests_selectors
from triage.strict_yaml import parse, validate

SLOS = "slos: [{name: success, sli: {good: g, total: t}, objective: 99.9}]"


def findings(write_notebook: WriteNotebook, *lines: str, slos: str = SLOS) -> list[Finding]:
    spec = "spec:\n" + "".join(f"  {line}\n" for line in (slos, *lines))
    with pytest.raises(InvalidDocument) as caught:
        load_notebook(write_notebook(spec=spec))
    return list(caught.value.findings)


@pytest.mark.parametrize(("line", "field", "message"), [
    ("runbok: r.md", "spec.runbok", "is not a known field"),
    ("canary: {bake: 24}", "spec.canary.bake", "is not a duration: 24"),
    ("canary: {bake: soon}", "spec.canary.bake", 'is not a duration: "soon"'),
    ("canary: {steps: [0.1]}", "spec.canary.steps[0]", "is 0.1, a fraction where percent is meant"),
    ("canary: {steps: [50, 10]}", "spec.canary", "has steps that do not ascend"),
    ("canary: {min_events: many}", "spec.canary.min_events", 'must be a whole number, not "many"'),
    ("canary: {max_delta: [{metric: success}]}", "spec.canary.max_delta[0]",
     "needs exactly one of absolute and relative"),
    ("canary: {max_delta: [{metric: a, absolute: 1}, {metric: a, absolute: 2}]}", "spec.canary",
     "names the metric a twice"),
    ("rollout_rule: {window: 1h}", "spec.rollout_rule", "has a window outside 24h to 72h"),
    ("promote: {policy: manuel}", "spec.promote.policy", "must be one of 'manual' or 'auto'"),
    ("promote: {approvals: true}", "spec.promote.approvals", "must be a whole number, not true"),
    ("metrics: {selector: {1st: a}}", "spec.metrics.selector.1st", 'is not a label name: "1st"'),
    ("metrics: {requests: 'rate(x[5m])'}", "spec.metrics.requests", 'is not a vector selector: "rate(x[5m])"'),
    ("metrics: {scrape_interval: 15}", "spec.metrics.scrape_interval", "is not a duration: 15"),
    ("notebook: {sha256: abc}", "spec.notebook.sha256", "is not a SHA-256 digest"),
    ("evidence: {drill: {at: 2026-13-01}}", "spec.evidence.drill.at", 'is not a date: "2026-13-01"'),
    ("evidence: {drill: {at: yesterday}}", "spec.evidence.drill.at", 'is not a date: "yesterday"'),
    ("inputs: [{name: a, type: float, min: 5, max: 1}]", "spec.inputs[0]", "has a max below its min"),
    ("inputs: [{name: a, type: float, min: .nan}]", "spec.inputs[0].min", "must be a finite number"),
    ("inputs: [{name: a, type: float}, {name: a, type: float}]", "spec", "names the input a twice"),
    ("data: [{name: a}, {name: a}]", "spec", "names the data set a twice"),
    ("resources: {cpu: 2 cores}", "spec.resources.cpu", 'is not an amount of CPU: "2 cores"'),
    ("resources: {memory: 4 gigs}", "spec.resources.memory", 'is not a size: "4 gigs"'),
    ("resources: {replicas: {min: 3, max: 2}}", "spec.resources.replicas", "has a min above its max"),
    ("runbook: 'a\n\n    b.md'", "spec", "has a line break in runbook"),
    ("quality: {}", "spec.quality.feedback", "is missing"),
    ("quality: {feedback: {regime: delayed, expected_delay: 90d, cohort: 5m}}", "spec.quality.feedback",
     "has cohorts so short that more than 10,000 of them would wait for labels at once"),
    ("quality: {feedback: {regime: instant}, metrics: [{name: a, metric: x}], proxies: [{name: a, metric: y}]}",
     "spec.quality", "names the proxy or metric a twice"),
    ("drift: {features: [{name: a, histogram: h}]}", "spec.drift.features[0]", "has no reference to compare with"),
    ("drift: {features: [{name: a, gauge: g, reference: {registered: true}}]}", "spec.drift.features[0]",
     "has a score computed elsewhere, and a registered reference"),
    ("attributions: {gauge: g, histogram: h}", "spec.attributions", "needs exactly one of gauge and histogram"),
    ("attributions: {gauge: g, reference: {a: -1}}", "spec.attributions", "has a reference under zero"),
    ("dependencies: {feature_store: {feature_views: [{name: a, max_staleness: 1h}, {name: a, max_staleness: 2h}]}}",
     "spec.dependencies.feature_store", "names the feature view a twice"),
    ("drift: {features: [{name: a, gauge: g}, {name: a, gauge: g}]}", "spec.drift", "names the feature a twice"),
    ("drift: {features: [{name: a, histogram: h, reference: {categories: {x: 1}}}]}", "spec.drift.features[0]",
     "has a histogram, but a reference without edges"),
    ("drift: {features: [{name: a, categories: c, reference: {edges: [1], counts: [1, 1]}}]}", "spec.drift.features[0]",
     "has categories, but a reference without them"),
    ("drift: {features: [{name: a, histogram: h, reference: {edges: [1, 2], counts: [1, 2]}}]}",
     "spec.drift.features[0].reference", "has 2 counts for 2 edges"),
    ("drift: {features: [{name: a, histogram: h, reference: {edges: [2, 1], counts: [1, 2, 3]}}]}",
     "spec.drift.features[0].reference", "has edges that do not ascend"),
    ("drift: {features: [{name: a, histogram: h, reference: {edges: [1], counts: [0, 0]}}]}",
     "spec.drift.features[0].reference", "has counts under zero, or none at all"),
])
def test_a_slip_is_an_error_at_its_field(write_notebook: WriteNotebook, line: str, field: str, message: str) -> None:
    (found,) = findings(write_notebook, line)
    assert (found.field, found.message) == (field, message)
    assert found.line is not None


@pytest.mark.parametrize(("slo", "field", "message"), [
    ("sli: {good: g, total: t}, objective: 99", ".name", "is missing"),
    ("name: A b, sli: {good: g, total: t}", ".name", 'is not a name: "A b"'),
    ("name: a, sli: {}", ".sli", "names no indicator"),
    ("name: a, sli: {good: g}", ".sli", "needs exactly two of good, bad and total"),
    ("name: a, sli: {good: g, total: t, thresold: 1s}", ".sli.thresold", "is not a known field"),
    ("name: a, sli: {histogram: h, threshold: 500}", ".sli.threshold", "is not a duration: 500"),
    ("name: a, sli: {gauge: g, at_least: 1, at_most: 2}", ".sli", "has both at_least and at_most"),
    ("name: a, sli: {throughput: t, at_least: 5}", ".sli.at_least", "is not a rate: 5"),
    ("name: a, sli: {good_query: g, total_query: 't[$window]'}", ".sli.good_query", "does not use $window"),
    ("name: a, sli: {good: g, total: t}, objective: 0.999", ".objective",
     "is 0.999, a fraction where percent is meant"),
    ("name: a, sli: {good: g, total: t}, objective: 101", ".objective",
     "must be above 0 and at most 100 percent, not 101"),
])
def test_a_slip_in_an_slo_is_an_error_at_its_field(write_notebook: WriteNotebook, slo: str, field: str,
                                                   message: str) -> None:
    (found,) = findings(write_notebook, slos=f"slos: [{{{slo}}}]")
    assert (found.field, found.message, found.line) == (f"spec.slos[0]{field}", message, 5)


def test_a_misspelt_field_of_an_indicator_is_suggested(write_notebook: WriteNotebook) -> None:
    (found,) = findings(write_notebook, slos="slos: [{name: a, sli: {histogram: h, thresold: 1s}}]")
    assert found.hint == "did you mean threshold?"


def test_slips_in_all_corners_come_at_once(write_notebook: WriteNotebook) -> None:
    found = findings(write_notebook, "canary: {bake: 24}", "promote: {aprovals: 1}", "data: [{uri: x}]",
                     slos="slos: [{name: a, sli: {gauge: 'g['}, objective: 0}]")
    assert [(f.line, f.field) for f in found] == [
        (5, "spec.slos[0].objective"), (5, "spec.slos[0].sli.gauge"), (6, "spec.canary.bake"),
        (7, "spec.promote.aprovals"), (8, "spec.data[0].name")]


def test_a_promise_of_nothing_is_an_error(write_notebook: WriteNotebook) -> None:
    (found,) = findings(write_notebook, "metrics: {selector: {a: b}}", slos="slos: []")
    assert found.message == "promises nothing: no slos and no preset"


def test_defaults_are_those_of_the_seed_document(make_manifest: MakeManifest) -> None:
    spec = make_manifest(SLOS).spec
    assert spec.canary.steps == [10, 25, 50]
    assert (spec.canary.bake, spec.rollout_rule.burn_rate, spec.rollout_rule.window) == (86_400, 5, 86_400)
    assert (spec.slos[0].window, spec.slos[0].required, spec.slos[0].due) == (30 * 86_400, False, "always")
    assert (spec.promote.policy, spec.rollback.policy) == ("manual", "manual")


def test_descriptions_and_queries_may_have_several_lines(make_manifest: MakeManifest) -> None:
    spec = make_manifest("""\
slos:
  - name: a
    description: "one\\ntwo"
    sli: {bad_query: "sum(\\n  increase(b[$window]))", total_query: "sum(\\n  increase(t[$window]))"}
""").spec
    assert spec.slos[0].description == "one\ntwo"


_GOOD = {name: parse((EXAMPLES / name / "manifest.yaml").read_text("utf-8"), "manifest.yaml")
         for name in ("fraud-scorer", "churn-ranker", "chat-assistant")}
_JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.just([]), st.just({}),
    st.sampled_from(["", "1h", "99%", "x{a=\"b\"}", "5/s", "vllm", "4Gi", "2026-11-02", "a\nb", "\x1b[2J",
                     "9" * 400 + "d"]),
    st.dictionaries(st.sampled_from(["good", "total", "histogram", "gauge", "preset", "name", "x"]),
                    st.text(max_size=5), max_size=3))


def paths(node: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every path in ``node`` below its root."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [p for key, child in children for p in ((*path, key), *paths(child, (*path, key)))]


def refused(content: Any, name: str) -> list[Finding]:
    """Findings for ``content`` in place of the example's own; [] when it loads and resolves."""
    document = copy.copy(_GOOD[name])
    document.content = content
    try:
        manifest = validate(document, Manifest)
        assert objectives(manifest)
        requests_selectors(manifest)
    except InvalidDocument as error:
        return list(error.findings)
    return []


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_an_example_with_anything_anywhere_loads_or_says_why(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(_GOOD)))
    content = copy.deepcopy(_GOOD[name].content)
    path = data.draw(st.sampled_from(paths(content)))
    parent = content
    for key in path[:-1]:
        parent = parent[key]
    if data.draw(st.booleans()) or isinstance(parent, list):
        parent[path[-1]] = data.draw(_JUNK)
    else:
        del parent[path[-1]]
    for finding in refused(content, name):
        assert finding.message
        assert finding.sentence().isprintable()
