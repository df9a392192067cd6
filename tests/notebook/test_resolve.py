"""What a manifest asks to be measured, with presets written out."""

from __future__ import annotations

import pytest

from tests.notebook.conftest import MakeManifest
from triage.errors import InvalidDocument
from triage.notebook.manifest import Manifest
from triage.notebook.resolve import Objective, objectives, requests_selectors, resolve
from triage.notebook.slis import AverageSli, GaugeSli, HistogramSli, RatioSli, ThroughputSli

OWN = "slos: [{name: success, sli: {good: 'r{code=\"200\"}', total: r}, objective: 99}]\n"


def by_name(manifest: Manifest) -> dict[str, Objective]:
    return {o.slo.name: o for o in objectives(manifest)}


def problems(manifest: Manifest) -> list[tuple[str, str]]:
    return [(p.code, p.hint) for p in resolve(manifest).problems]


def test_own_indicators_get_the_selector_and_the_default_version_label(make_manifest: MakeManifest) -> None:
    (found,) = objectives(make_manifest("metrics: {selector: {model: m}}\n" + OWN))
    (candidate,) = found.candidates
    assert (candidate.labels, candidate.version_label, found.title, found.from_preset) == (
        {"model": "m"}, "model_version", "success", False)


def test_a_preset_adds_the_model_label_with_the_models_name(make_manifest: MakeManifest) -> None:
    found = by_name(make_manifest("metrics: {preset: vllm, selector: {namespace: ml}}"))
    assert found["latency"].candidates[0].labels == {"namespace": "ml", "model_name": "m"}


def test_a_model_label_in_the_selector_is_kept(make_manifest: MakeManifest) -> None:
    found = by_name(make_manifest("metrics: {preset: vllm, selector: {model_name: meta/llama}}"))
    assert found["latency"].candidates[0].labels == {"model_name": "meta/llama"}


def test_series_without_a_model_label_are_selected_by_the_other_labels(make_manifest: MakeManifest) -> None:
    found = by_name(make_manifest("metrics: {preset: vllm, selector: {job: chat}}"))
    assert [c.labels for c in found["success"].candidates] == [{"job": "chat", "model_name": "m"}, {"job": "chat"}]


def test_series_that_nothing_tells_apart_are_never_read(make_manifest: MakeManifest) -> None:
    found = by_name(make_manifest("metrics: {preset: vllm}"))
    assert [c.labels for c in found["success"].candidates] == [{"model_name": "m"}]


def test_an_slo_on_series_that_nothing_tells_apart_is_a_problem(make_manifest: MakeManifest) -> None:
    manifest = make_manifest("metrics: {preset: torchserve, selector: {model_name: m}}\n"
                             "slos: [{name: success, sli: {preset: success}, objective: 99}]")
    assert [code for code, _ in problems(manifest)] == ["no-selector"]


def test_a_server_that_names_no_model_needs_a_selector(make_manifest: MakeManifest) -> None:
    assert [code for code, _ in problems(make_manifest("metrics: {preset: tgi}"))] == ["no-selector"]
    assert problems(make_manifest("metrics: {preset: tgi, selector: {job: tgi}}")) == []


def test_candidates_come_in_the_presets_order_with_their_own_labels(make_manifest: MakeManifest) -> None:
    found = by_name(make_manifest("metrics: {preset: kserve, selector: {namespace: ml}}"))
    assert [(dict(c.labels), c.version_label) for c in found["latency"].candidates] == [
        ({"namespace": "ml", "kn_service_name": "m-predictor"}, "kn_revision_name"),
        ({"namespace": "ml", "service_name": "m-predictor"}, "revision_name"),
        ({"namespace": "ml", "service_name": "m-predictor-default"}, "revision_name"),
        ({"namespace": "ml"}, "kn_revision_name"),
    ]


def test_the_manifests_version_label_beats_the_presets(make_manifest: MakeManifest) -> None:
    found = by_name(make_manifest("metrics: {preset: kserve, version_label: revision}"))
    assert {c.version_label for o in found.values() for c in o.candidates} == {"revision"}


def test_limits_of_the_slo_reach_every_candidate(make_manifest: MakeManifest) -> None:
    found = by_name(make_manifest("""\
metrics: {preset: vllm}
slos:
  - {name: pace, sli: {preset: inter_token_latency, threshold: 100ms, snap: lower}, objective: 99}
  - {name: queue, sli: {preset: waiting, at_most: 20}, objective: 99}
  - {name: tokens, sli: {preset: output_tokens, at_least: 5}, objective: 90}
"""))
    pace = [c.sli for c in found["pace"].candidates]
    assert [(s.threshold, s.snap) for s in pace if isinstance(s, HistogramSli)] == [(0.1, "lower")] * 2
    queue, tokens = found["queue"].candidates[0].sli, found["tokens"].candidates[0].sli
    assert isinstance(queue, GaugeSli)
    assert isinstance(tokens, ThroughputSli)
    assert (queue.at_most, tokens.at_least) == (20, 5)


def test_the_limit_of_an_average_is_a_longest_mean(make_manifest: MakeManifest) -> None:
    found = by_name(make_manifest("""\
metrics: {preset: triton}
slos: [{name: mean, sli: {preset: average_latency, threshold: 50ms}, objective: 99}]
"""))
    sli = found["mean"].candidates[0].sli
    assert isinstance(sli, AverageSli)
    assert (sli.at_most, sli.unit) == (0.05, "us")


def test_what_a_preset_shows_is_appended_unjudged_unless_an_slo_names_it(make_manifest: MakeManifest) -> None:
    found = objectives(make_manifest("""\
metrics: {preset: vllm}
slos: [{name: first, sli: {preset: time_to_first_token, threshold: 1s}, objective: 95}]
"""))
    assert [(o.slo.name, o.slo.objective) for o in found] == [
        ("first", 95.0), ("success", None), ("latency", None), ("inter_token_latency", None), ("waiting", None),
        ("kv_cache_usage", None)]
    assert all(o.from_preset and o.candidates and o.title for o in found)


def test_an_slo_of_the_same_name_takes_the_place_of_an_indicator(make_manifest: MakeManifest) -> None:
    found = by_name(make_manifest("metrics: {preset: vllm}\n" + OWN))
    assert isinstance(found["success"].candidates[0].sli, RatioSli)
    assert not found["success"].from_preset


@pytest.mark.parametrize(("spec", "code", "hint"), [
    ("metrics: {preset: vlm}", "unknown-preset", "did you mean vllm?"),
    ("metrics: {preset: vllm}\nslos: [{name: a, sli: {preset: time_to_frist_token, threshold: 1s}, objective: 99}]",
     "unknown-indicator", "did you mean time_to_first_token?"),
    ("slos: [{name: a, sli: {preset: latency}}]", "unknown-indicator", "set metrics.preset to one of bentoml"),
    ("metrics: {preset: vllm}\nslos: [{name: a, sli: {preset: latency}, objective: 99}]", "no-limit",
     "give sli.threshold"),
    ("metrics: {preset: vllm}\nslos: [{name: a, sli: {preset: waiting}, objective: 99}]", "no-limit", "at_most"),
    ("slos: [{name: a, sli: {histogram: h}, objective: 99}]", "no-limit", "give sli.threshold"),
    ("slos: [{name: a, sli: {gauge: g}, objective: 99}]", "no-limit", "at_least"),
    ("slos: [{name: a, sli: {average_sum: a, average_count: b}, objective: 99}]", "no-limit", "give sli.at_most"),
    ("metrics: {preset: vllm}\nslos: [{name: a, sli: {preset: success, threshold: 1s}, objective: 99}]", "limit-kind",
     "no limit"),
    ("metrics: {preset: vllm}\nslos: [{name: a, sli: {preset: latency, at_most: 1}, objective: 99}]", "limit-kind",
     "threshold"),
    ("metrics: {preset: vllm}\nslos: [{name: a, sli: {preset: waiting, at_most: 1, at_least: 0}, objective: 99}]",
     "limit-kind", "one of"),
    ("metrics: {preset: vllm}\nslos: [{name: a, sli: {preset: waiting, at_most: 1, snap: lower}, objective: 99}]",
     "limit-kind", "one of"),
])
def test_what_cannot_be_measured_is_a_problem_with_a_way_out(make_manifest: MakeManifest, spec: str, code: str,
                                                             hint: str) -> None:
    ((found_code, found_hint),) = problems(make_manifest(spec))
    assert found_code == code
    assert hint in found_hint


def test_all_problems_come_at_once(make_manifest: MakeManifest) -> None:
    manifest = make_manifest("metrics: {preset: vllm}\n"
                             "slos: [{name: a, sli: {preset: x}}, {name: b, sli: {preset: y}}]")
    with pytest.raises(InvalidDocument) as caught:
        objectives(manifest)
    assert [f.field for f in caught.value.findings] == ["spec.slos[0].sli.preset", "spec.slos[1].sli.preset"]


@pytest.mark.parametrize(("spec", "expected"), [
    ("metrics: {requests: all_total, selector: {model: m}}\n" + OWN, [['all_total{model="m"}']]),
    ("metrics: {selector: {model: m}}\n" + OWN, [['r{model="m"}']]),
    ("slos: [{name: a, sli: {good: g, bad: b}}]", [["g", "b"]]),
    ("slos: [{name: a, sli: {histogram: 'h{x=\"1\"}'}}]", [['h_bucket{x="1",le="+Inf"}']]),
    ("slos: [{name: a, sli: {cold_starts: c, invocations: i}}]", [["i"]]),
    ("slos: [{name: a, sli: {average_sum: s, average_count: c}}]", [["c"]]),
    ("slos: [{name: t, sli: {histogram: h, measures: time_per_output_token}}, {name: a, sli: {good: g, total: r}}]",
     [["r"]]),
    ("slos: [{name: t, sli: {throughput: t, of: tokens}}, {name: b, sli: {throughput: r}}]", [["r"]]),
    ("slos: [{name: a, sli: {gauge: g}}, {name: b, sli: {good_query: 'g[$window]', total_query: 'r[$window]'}}]", []),
    ("metrics: {preset: triton, selector: {namespace: ml}}",
     [['nv_inference_request_success{namespace="ml",model="m"}',
       'nv_inference_request_failure{namespace="ml",model="m"}']]),
    ("metrics: {preset: ray-serve}", [['ray_serve_num_http_requests_total{route!~"/-/.*",application="m"}'],
                                      ['ray_serve_num_http_requests{route!~"/-/.*",application="m"}']]),
])
def test_traffic_is_read_from_the_first_counter_of_requests(make_manifest: MakeManifest, spec: str,
                                                            expected: list[list[str]]) -> None:
    assert [[str(s) for s in t.selectors] for t in requests_selectors(make_manifest(spec))] == expected
