"""What ``triage doctor`` and ``triage discover`` write."""

from __future__ import annotations

import io
import json
import unicodedata
from dataclasses import replace

import pytest

from tests.tui.snapshots import HOSTILE
from triage.facts.outcome import SourceState
from triage.report.characters import Characters
from triage.report.console import as_text, console
from triage.report.discover import discover_text, next_step
from triage.report.doctor import doctor_json, doctor_text
from triage.signals import wording
from triage.sources.checkup import Capability, CheckUp, SourceCheck
from triage.sources.found import Found, FoundCounter, FoundHistogram, FoundModel, FoundServer
from triage.text import clean

PROMETHEUS = SourceCheck(
    "prometheus", "https://prometheus.example", SourceState.OK, "Prometheus", "2.53.0", 0.012, 0.3,
    capabilities=(Capability("ok", "queries", required=True),
                  Capability("missing", "rules", "pending alerts are not seen", "allow GET /api/v1/rules")),
    warnings=("the credential can delete series",))
WELL = CheckUp("prod-eu", True, False, (PROMETHEUS,))
FOUND = Found("https://prometheus.example", 412, (FoundServer("vllm", "vLLM", ("vllm:a", "vllm:b")),), (FoundModel(
    "llama", "model_name", "vllm", "version", tuple(f"v{n}" for n in range(1, 9)),
    {**{f"vllm:m{n:02d}": 2 for n in range(15)}, "lat_bucket": 8, "req_total": 2},
    (FoundHistogram("lat", "s", (0.1, 2.5), (5, 9), 10),), (FoundCounter("req_total", "code", ("200", "500")),)),))


def told(found: CheckUp | Found, *, ascii_only: bool = False) -> str:
    chars = Characters(ascii_only)
    drawn = doctor_text(found, chars) if isinstance(found, CheckUp) else discover_text(found, chars)
    return as_text(drawn, console(io.StringIO(), 80))


def test_a_source_is_told_with_what_it_can_what_it_lacks_and_the_fix() -> None:
    assert told(WELL) == """\
prod-eu  PRODUCTION  read-only

✔ prometheus  ok  Prometheus 2.53.0  https://prometheus.example
  answers in 12 ms, its clock agrees with ours
  ✔ ok       queries
  ! missing  rules: pending alerts are not seen
             fix: allow GET /api/v1/rules
  ! warning: the credential can delete series

triage can work with this
"""


@pytest.mark.parametrize(("seconds", "direction"), [(90, "ahead of"), (-30, "behind")])
def test_a_clock_that_differs_is_told_with_its_direction(seconds: float, direction: str) -> None:
    source = replace(PROMETHEUS, clock_difference_seconds=seconds)
    said = f"its clock is {wording.duration(abs(seconds))} {direction} ours"
    assert said in told(replace(WELL, sources=(source,)))


def test_what_is_missing_and_required_is_told_as_a_failure() -> None:
    source = replace(PROMETHEUS, capabilities=(Capability("missing", "queries", required=True),))
    text = told(replace(WELL, sources=(source,)))
    assert "✖ prometheus" in text
    assert "  ✖ missing  queries\n" in text
    assert "triage cannot work with this" in text


def test_the_json_of_the_doctor_has_every_field() -> None:
    found = json.loads(doctor_json(WELL))
    assert (found["schema"], found["ok"], found["production"]) == ("triage.doctor/v1", True, True)
    source = found["sources"][0]
    assert (source["state"], source["ok"], source["latency_seconds"]) == ("ok", True, 0.012)
    assert source["capabilities"][1] == {"state": "missing", "what": "rules", "detail": "pending alerts are not seen",
                                         "fix": "allow GET /api/v1/rules", "required": False}


def test_models_are_told_with_the_shape_of_their_metrics() -> None:
    text = told(FOUND)
    assert "vLLM: 2 of its metrics (preset vllm)" in text
    assert "lat  histogram, 2 buckets, up to 2.5, in s" in text
    assert "req_total  counter, by code: 200, 500" in text
    assert "and 3 more" in text
    assert "--model llama" in next_step(FOUND)


def test_a_server_without_models_says_what_to_do() -> None:
    empty = replace(FOUND, servers=(), models=())
    assert told(empty) == "https://prometheus.example  412 metrics\n"
    assert "by hand" in next_step(empty)


@pytest.mark.parametrize("text", [clean(text, limit=200) for text in HOSTILE])
def test_foreign_text_is_drawn_as_it_is(text: str) -> None:
    source = replace(PROMETHEUS, product=text, version=text, url=text, error=text, warnings=(text,),
                     capabilities=(Capability("unknown", text, text, text),))
    model = replace(FOUND.models[0], name=text, label=text, versions=(text,), series={text: 1})
    found = replace(FOUND, url=text, models=(model,))
    for drawn in (told(replace(WELL, context=text, sources=(source,))), told(found)):
        assert {c for c in drawn if unicodedata.category(c) in ("Cc", "Cf")} <= {"\n"}
