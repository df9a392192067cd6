"""Presets say what inference servers export, and never more than they do."""

from __future__ import annotations

import pytest

from triage.errors import InvalidDocument
from triage.notebook.presets import Preset, preset, preset_names
from triage.notebook.resolve import selectors
from triage.notebook.selector import parse_selector
from triage.notebook.slis import AverageSli, HistogramSli, RatioSli
from triage.strict_yaml import parse, validate

_EXPECTED = ("bentoml", "istio", "kserve", "mlserver", "ray-serve", "seldon", "sglang", "tf-serving", "tgi",
             "torchserve", "triton", "triton-trtllm", "vllm")


def test_the_servers_of_the_field_are_there() -> None:
    assert preset_names() == _EXPECTED


@pytest.mark.parametrize("name", _EXPECTED)
def test_a_preset_is_valid_and_named_like_its_file(name: str) -> None:
    assert preset(name).name == name


@pytest.mark.parametrize("name", _EXPECTED)
def test_a_preset_has_traffic_and_shows_success_and_some_latency(name: str) -> None:
    found = preset(name)
    shown = [i for i in found.indicators.values() if i.show]
    assert found.requests
    assert any(isinstance(i.candidates[0].sli, RatioSli) for i in shown)
    assert any(isinstance(i.candidates[0].sli, HistogramSli | AverageSli) for i in shown)


@pytest.mark.parametrize("name", _EXPECTED)
def test_a_preset_sets_no_limits(name: str) -> None:
    for indicator in preset(name).indicators.values():
        for candidate in indicator.candidates:
            sli = candidate.sli
            assert [getattr(sli, limit, None) for limit in ("threshold", "at_least", "at_most")] == [None] * 3


@pytest.mark.parametrize("name", _EXPECTED)
def test_the_unit_of_a_duration_agrees_with_the_name_of_its_metric(name: str) -> None:
    endings = {"_seconds": "s", "_milliseconds": "ms", "_ms": "ms", "_microseconds": "us", "_us": "us",
               "_latencies": "ms"}
    for indicator in preset(name).indicators.values():
        for candidate in indicator.candidates:
            sli = candidate.sli
            if not isinstance(sli, HistogramSli | AverageSli):
                continue
            metric = parse_selector(sli.histogram if isinstance(sli, HistogramSli) else sli.average_sum).name
            unit = next((u for ending, u in endings.items() if metric.endswith(ending)), None)
            assert unit in (None, sli.unit), metric


@pytest.mark.parametrize("name", ["triton", "triton-trtllm", "torchserve"])
def test_a_server_that_only_sums_durations_gets_averages(name: str) -> None:
    for key, indicator in preset(name).indicators.items():
        for candidate in indicator.candidates:
            if any("latency" in s.name or "duration" in s.name for s in selectors(candidate.sli)):
                assert isinstance(candidate.sli, AverageSli), key


def test_success_on_vllm_is_read_from_http() -> None:
    for candidate in preset("vllm").indicators["success"].candidates:
        assert [s.name for s in selectors(candidate.sli)] == ["http_requests_total", "http_requests_total"]


def test_success_on_triton_is_the_share_of_two_counters() -> None:
    sli = preset("triton").indicators["success"].candidates[0].sli
    assert [s.name for s in selectors(sli)] == ["nv_inference_request_success", "nv_inference_request_failure"]


def test_kserve_reads_new_knative_in_seconds_and_old_in_milliseconds() -> None:
    found = {s.name: c.sli.unit for c in preset("kserve").indicators["latency"].candidates
             if isinstance(c.sli, HistogramSli) for s in selectors(c.sli)}
    assert found == {"kn_serving_invocation_duration_seconds": "s", "revision_app_request_latencies": "ms"}


def test_an_indicator_cannot_mix_histograms_and_averages() -> None:
    text = """\
apiVersion: triage/v1alpha1
kind: Preset
name: x
title: X
source: x
model_label: model
version_label: version
indicators:
  latency:
    title: Latency
    source: x
    candidates:
      - sli: {histogram: h}
      - sli: {average_sum: a, average_count: b}
"""
    with pytest.raises(InvalidDocument, match="candidates of different kinds"):
        validate(parse(text, "x.yaml"), Preset)


def test_an_unknown_preset_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        preset("../secrets")
