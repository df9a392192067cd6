"""Captures: what the sources say, with digests, and cells that look at it again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cells.books import C, write
from tests.lab.serving import serving
from triage.cells.capture import Capture, CaptureError, read_capture, series_of, take_capture
from triage.cli_sights import Past
from triage.clock import ManualClock
from triage.config import Active, Context
from triage.endpoints import Endpoint
from triage.lab.apis import prometheus
from triage.lab.apis.disturbance import Disturbance, Disturbances
from triage.lab.clock import LabClock
from triage.lab.promql.engine import Engine
from triage.lab.promql.store import Store
from triage.notebook.load import Notebook, load_notebook

NOW = 1_795_400_000.0
RATES = {"1": 2.0, "2": 0.5}
"""Requests a second by version."""


def store(now: float = NOW) -> Store:
    """Until ``now``: two counters that grow evenly, one of another model, and one with values that are no numbers."""
    made = Store()
    times = np.arange(now - 7200, now + 1, 15)
    stamps = np.round(times * 1000).astype(np.int64)
    for version, rate in RATES.items():
        made.append({"__name__": "nv_inference_request_success", "model": "scorer", "version": version}, stamps,
                    (times - times[0]) * rate)
    made.append({"__name__": "nv_inference_request_success", "model": "other", "version": "1"}, stamps, times)
    odd = np.array([np.nan, np.inf, -np.inf, 0.1])
    made.append({"__name__": "scores", "model": "scorer"}, stamps[-4:], odd)
    return made


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(prometheus.app(Engine(store()), LabClock(NOW, 0.0, 0.0))) as found:
        yield found


@pytest.fixture
def notebook(tmp_path: Path) -> Notebook:
    write(tmp_path / "m", C("a", "1"))
    text = (tmp_path / "m/manifest.yaml").read_text()
    (tmp_path / "m/manifest.yaml").write_text(text.replace("{preset: triton}",
                                                           "{preset: triton, selector: {model: scorer}}"))
    return load_notebook(tmp_path / "m")


def take(url: str, notebook: Notebook, folder: Path, hours: float = 1.0, **context: Any) -> Capture:
    active = Active("test", Context(prometheus=Endpoint(url=url), **context), (), None)
    return asyncio.run(take_capture(active, notebook, ManualClock(NOW), folder=folder, start=NOW - hours * 3600,
                                    end=NOW, facts='{"models": []}'))


async def _asked(past: Past, path: str, **fields: str) -> tuple[int, Any]:
    status, body = await past.answer(path, list(fields.items()))
    return status, json.loads(body)


def ask(past: Past, query: str) -> dict[str, float]:
    status, answer = asyncio.run(_asked(past, "/api/v1/query", query=query))
    assert status == 200, answer
    return {sample["metric"].get("version", ""): float(sample["value"][1]) for sample in answer["data"]["result"]}


def test_every_series_of_the_model_is_captured_and_no_other(url: str, notebook: Notebook, tmp_path: Path) -> None:
    made = take(url, notebook, tmp_path / "c")
    found = {(labels["__name__"], labels["model"], labels.get("version")) for labels, _, _ in series_of(made)}
    assert found == {("nv_inference_request_success", "scorer", "1"), ("nv_inference_request_success", "scorer", "2"),
                     ("scores", "scorer", None)}
    assert made.step_seconds == 15.0


def test_questions_about_the_past_have_the_answers_of_then(url: str, notebook: Notebook, tmp_path: Path) -> None:
    take(url, notebook, tmp_path / "c")
    past = Past(tmp_path / "c", "scorer")
    found = ask(past, "sum by (version) (rate(nv_inference_request_success[30m]))")
    assert found == pytest.approx(RATES)
    assert ask(past, "nv_inference_request_success offset 59m") != {}
    assert ask(past, "nv_inference_request_success offset 75m") == {}


def test_values_that_are_no_numbers_survive(url: str, notebook: Notebook, tmp_path: Path) -> None:
    values = next(list(values) for labels, _, values in series_of(take(url, notebook, tmp_path / "c"))
                  if labels["__name__"] == "scores")
    assert np.isnan(values[0])
    assert values[1:] == [np.inf, -np.inf, 0.1]


def test_a_longer_time_is_captured_more_coarsely(url: str, notebook: Notebook, tmp_path: Path) -> None:
    assert take(url, notebook, tmp_path / "c", hours=48).step_seconds == pytest.approx(120.0)


def test_only_questions_are_answered_from_a_capture(url: str, notebook: Notebook, tmp_path: Path) -> None:
    take(url, notebook, tmp_path / "c")
    past = Past(tmp_path / "c", "scorer")
    assert asyncio.run(_asked(past, "/api/v1/admin/tsdb/snapshot"))[0] == 403
    assert asyncio.run(_asked(past, "/api/v1/query", query="rate("))[0] == 400


def test_the_facts_and_the_end_of_the_time_range_are_those_of_then(url: str, notebook: Notebook,
                                                                   tmp_path: Path) -> None:
    take(url, notebook, tmp_path / "c")
    seen = asyncio.run(Past(tmp_path / "c", "scorer").look())
    assert (seen.at, seen.facts, seen.model) == (NOW, '{"models": []}', None)


def test_what_could_not_be_had_is_named(url: str, notebook: Notebook, tmp_path: Path) -> None:
    assert take(url, notebook, tmp_path / "c").missing == ("samples of bad predictions: no logs are configured",)


def test_log_lines_of_bad_predictions_are_kept(url: str, notebook: Notebook, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    rows = [{"ts": NOW - 60, "level": level, "model": "scorer", "model_version": "2", "message": f"it is {level}",
             "request_id": "r1"} for level in ("info", "error")]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = take(url, notebook, tmp_path / "c", logs={"kind": "lines", "path": str(log)})
    kept = [json.loads(line) for line in (tmp_path / "c/samples.jsonl").read_text().splitlines()]
    assert [(line["message"], line["version"], line["request_id"]) for line in kept] == [("it is error", "2", "r1")]
    assert made.missing == ()


def test_the_same_facts_have_the_same_digest(url: str, notebook: Notebook, tmp_path: Path) -> None:
    first, second = take(url, notebook, tmp_path / "a"), take(url, notebook, tmp_path / "b")
    assert first.digest == second.digest == read_capture(tmp_path / "b", "scorer").digest
    assert take(url, notebook, tmp_path / "c", hours=0.5).digest != first.digest


def test_a_capture_is_for_its_owner_only(url: str, notebook: Notebook, tmp_path: Path) -> None:
    take(url, notebook, tmp_path / "c")
    assert {path.stat().st_mode & 0o077 for path in [tmp_path / "c", *(tmp_path / "c").iterdir()]} == {0}


def test_a_folder_that_exists_is_not_written_into(url: str, notebook: Notebook, tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    with pytest.raises(CaptureError, match="cannot be written: File exists"):
        take(url, notebook, tmp_path / "c")


def test_a_server_that_does_not_answer_is_said(notebook: Notebook, tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="nothing could be captured") as caught:
        take("http://127.0.0.1:1", notebook, tmp_path / "c")
    assert "connect" in caught.value.hint
    assert not (tmp_path / "c").exists()


def test_a_capture_that_was_changed_is_refused(url: str, notebook: Notebook, tmp_path: Path) -> None:
    take(url, notebook, tmp_path / "c")
    with (tmp_path / "c/series.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(CaptureError, match="its digest differs"):
        read_capture(tmp_path / "c", "scorer")


@pytest.mark.parametrize(("change", "said"), [
    ({"schema": "triage.capture/v9"}, "of another format"), ({"model": "other"}, "is a capture of other"),
    ({"files": [{"name": "../x", "sha256": "", "size_bytes": 1, "about": ""}]}, "is no capture"),
    ({"window": {}}, "is no capture")])
def test_what_is_no_capture_of_the_model_is_refused(url: str, notebook: Notebook, tmp_path: Path,
                                                    change: dict[str, Any], said: str) -> None:
    take(url, notebook, tmp_path / "c")
    about = tmp_path / "c/capture.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), **change}))
    with pytest.raises(CaptureError, match=said):
        read_capture(tmp_path / "c", "scorer")


def test_a_folder_without_a_capture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="cannot be read"):
        read_capture(tmp_path, "scorer")


def test_a_server_that_is_in_part_away_is_said_to_be(notebook: Notebook, tmp_path: Path) -> None:
    away = Disturbances(Disturbance(warnings=("store 10.2.7.31 does not answer",), lost=('{version="2"}',)))
    with serving(prometheus.app(Engine(store()), LabClock(NOW, 0.0, 0.0), disturbances=away)) as partial:
        made = take(partial, notebook, tmp_path / "c")
    assert [text for text in made.missing if "logs" not in text] == [
        "series are there in part: store 10.2.7.31 does not answer"]
    assert made.sentence().endswith("no logs are configured")


def test_failed_requests_are_captured_where_only_the_good_ones_are_named_first(tmp_path: Path) -> None:
    made, times = Store(), np.arange(NOW - 7200, NOW + 1, 15)
    stamps = np.round(times * 1000).astype(np.int64)
    for code, rate in (("200", 8.0), ("500", 2.0)):
        labels = {"__name__": "http_requests_total", "job": "fraud", "code": code}
        made.append(labels, stamps, (times - times[0]) * rate)
    write(tmp_path / "m", C("a", "1"))
    manifest = tmp_path / "m/manifest.yaml"
    of_fraud = 'http_requests_total{job="fraud"'
    manifest.write_text(manifest.read_text().replace("  metrics: {preset: triton}\n", f"""  metrics: {{preset: custom}}
  slos:
    - {{name: success, sli: {{good: '{of_fraud},code!~"5.."}}', total: '{of_fraud}}}'}}, objective: 99, window: 30d}}
"""))
    with serving(prometheus.app(Engine(made), LabClock(NOW, 0.0, 0.0))) as where:
        captured = take(where, load_notebook(tmp_path / "m"), tmp_path / "c")
    assert sorted(labels["code"] for labels, _, _ in series_of(captured)) == ["200", "500"]
    good, every = (f"sum(rate({of_fraud}{more}}}[5m]))" for more in (',code!~"5.."', ""))
    assert ask(Past(tmp_path / "c", "scorer"), f"{good} / {every}") == {"": pytest.approx(0.8)}


def test_what_has_ended_ends_in_the_capture_as_well(notebook: Notebook, tmp_path: Path) -> None:
    made, times = Store(), np.arange(NOW - 7200, NOW - 290, 15)
    made.append({"__name__": "depth", "model": "scorer", "version": "1"}, np.round(times * 1000).astype(np.int64),
                times * 0 + 5)
    with serving(prometheus.app(Engine(made), LabClock(NOW, 0.0, 0.0))) as where:
        take(where, notebook, tmp_path / "c")
    age, = ask(Past(tmp_path / "c", "scorer"), "time() - timestamp(depth)").values()
    assert 270 <= age <= 300


def test_a_capture_whose_points_are_too_far_apart_for_rates_says_so(url: str, notebook: Notebook,
                                                                    tmp_path: Path) -> None:
    assert "points are 7m apart: what looks back less than 14m" in take(url, notebook, tmp_path / "w", 168).missing[0]
    assert not any("apart" in missing for missing in take(url, notebook, tmp_path / "d", 24).missing)
