"""The main job: the real command line against a real Prometheus with samples of known truth."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.real import known, rules, servers
from tests.real.servers import PROJECT, Proxies, Server, binary, free_port, wait_for
from tests.real.stage import EXAMPLES, Stage

EXACT = 1e-3
LATE_SECONDS = 36.0
"""A window ends with the last scrape, which comes some seconds late on a busy machine: what is missing at its end is
missing of every version alike, and of no ratio."""
HOUR_V1 = 3600 * known.V1_PER_SECOND
HOUR_V2 = 3600 * known.V2_PER_SECOND
HOSTILE = ("\x1b", "\x07", "\u202e", "\u2066", "\x9b")


def run(*arguments: str, config: Path | None = None, seconds: float = 60.0,
        environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """``triage ARGUMENTS`` in a process of its own, with nothing of the user's configuration."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TRIAGE_")}
    own = {"PYTHONPATH": str(PROJECT), "XDG_CONFIG_HOME": "/nonexistent"}
    if config is not None:
        own["TRIAGE_CONFIG"] = str(config)
    return subprocess.run([sys.executable, "-m", "triage", *arguments], capture_output=True, text=True, timeout=seconds,
                          env=kept | own | dict(environ or {}), check=False, cwd=PROJECT)


def document(*arguments: str, config: Path | None = None, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What ``triage status ARGUMENTS --format json`` prints."""
    done = run("status", *arguments, "--format", "json", config=config, environ=environ)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


Model = dict[str, Any]


@pytest.fixture(scope="module")
def whole(stage: Stage) -> dict[str, Any]:
    """One look at every model, after every alert has arrived."""
    def arrived() -> bool:
        found = httpx.get(f"{stage.alertmanager.url}/api/v2/alerts", trust_env=False).json()
        return {"SteadyCanaryErrors", "FraudCanaryErrors", "Hostile"} <= {a["labels"]["alertname"] for a in found}

    wait_for(arrived, "alerts in Alertmanager", stage.prometheus, stage.alertmanager)
    return document(config=stage.config)


@pytest.fixture(scope="module")
def models(whole: dict[str, Any]) -> dict[str, Model]:
    return {model["model"]: model for model in whole["models"]}


def slo(model: Model, name: str) -> dict[str, Any]:
    [found] = [s for s in model["slos"] if s["name"] == name]
    assert isinstance(found, dict)
    return found


# Known truth: v1 600 a minute at 0.1 %, v2 60 a minute at 5 %.

def test_the_share_of_good_requests_is_the_one_that_was_served(models: Mapping[str, Model]) -> None:
    success = slo(models["steady"], "success")
    ratio = (HOUR_V1 * known.V1_ERROR_RATIO + HOUR_V2 * known.V2_ERROR_RATIO) / (HOUR_V1 + HOUR_V2)
    seconds = success["total"] / (known.V1_PER_SECOND + known.V2_PER_SECOND)
    assert 3600 - LATE_SECONDS <= seconds <= 3600 * (1 + EXACT)
    assert success["bad"] == pytest.approx(success["total"] * ratio, rel=EXACT)
    assert success["value"] == pytest.approx(1 - ratio, abs=1e-6)
    assert (success["quality"], success["window"], success["unit"]) == ("ok", "1h", "ratio")


def test_each_version_has_the_events_that_were_served(models: Mapping[str, Model]) -> None:
    success = slo(models["steady"], "success")
    found = {v["version"]: v for v in success["by_version"]}
    seconds = success["total"] / (known.V1_PER_SECOND + known.V2_PER_SECOND)
    for version, per_second, ratio in (("v1", known.V1_PER_SECOND, known.V1_ERROR_RATIO),
                                       ("v2", known.V2_PER_SECOND, known.V2_ERROR_RATIO)):
        assert found[version]["total"] == pytest.approx(per_second * seconds, rel=EXACT)
        assert found[version]["bad"] == pytest.approx(found[version]["total"] * ratio, rel=EXACT)
        assert found[version]["value"] == pytest.approx(1 - ratio, abs=1e-6)
    assert {v["window"] for v in found.values()} == {"1h"}


@pytest.mark.parametrize("window", ["5m", "30m", "1h", "2h"])
def test_the_burn_rate_is_that_of_both_versions_together(models: Mapping[str, Model], window: str) -> None:
    ratio = (10 * known.V1_ERROR_RATIO + 1 * known.V2_ERROR_RATIO) / 11
    assert slo(models["steady"], "success")["burn"][window] == pytest.approx(ratio / 0.001, rel=2e-3)


def test_versions_have_their_share_arm_and_first_appearance(models: Mapping[str, Model], stage: Stage) -> None:
    versions = models["steady"]["versions"]
    assert (versions["stable"], versions["canary"]) == ("v1", "v2")
    shares = {v["version"]: v["share"] for v in versions["items"]}
    assert shares == pytest.approx({"v1": 10 / 11, "v2": 1 / 11}, rel=EXACT)
    first = {v["version"]: v["first_seen"] for v in versions["items"]}
    assert first["v1"] is None
    assert datetime.fromisoformat(first["v2"]).timestamp() == pytest.approx(stage.epoch + known.V2_BORN, abs=90)


def test_the_rollout_rule_speaks_of_each_version_by_itself(models: Mapping[str, Model]) -> None:
    steady = models["steady"]
    assert (steady["verdict"], steady["urgency"], steady["urgency_rule"]) == ("fail", "page", "rollout rule")
    [text] = [r["text"] for r in steady["reasons"] if r["rule"] == "rollout rule" and "success" in r["text"]]
    assert "95.00 % good against 99.90 % on v1" in text
    assert "burns 50.0x" in text


def test_latency_is_the_share_under_the_threshold_of_both_versions(models: Mapping[str, Model]) -> None:
    latency = slo(models["steady"], "latency")
    good = (10 * known.V1_LATENCY.share_within(0.5) + known.V2_LATENCY.share_within(0.5)) / 11
    assert latency["value"] == pytest.approx(good, abs=1e-4)
    assert {q["version"] for q in latency["quantiles"]} == {None, "v1", "v2"}


def test_violations_are_counted_by_feature(models: Mapping[str, Model]) -> None:
    groups = {g["group"]: g["bad"] for g in slo(models["steady"], "schema-validity")["by_group"]}
    assert groups == pytest.approx({"amount": 3600 * known.AMOUNT_VIOLATIONS_PER_SECOND,
                                    "country": 3600 * known.COUNTRY_VIOLATIONS_PER_SECOND}, rel=2e-2)


# Awkward cases: each shows its own state.

def test_an_idle_model_has_no_traffic_and_is_unknown(models: Mapping[str, Model]) -> None:
    success = slo(models["idle"], "success")
    assert models["idle"]["verdict"] == "unknown"
    assert (success["quality"], success["value"], success["total"]) == ("no_traffic", None, 0)


def test_a_model_that_stopped_is_stale_and_unknown(models: Mapping[str, Model]) -> None:
    stopped = models["stopped"]
    assert slo(stopped, "success")["quality"] in ("stale", "no_data")
    assert slo(stopped, "success")["verdict"] == "unknown"
    assert stopped["verdict"] == "unknown"


def test_a_model_that_stopped_says_when_it_was_last_seen(
    stage: Stage, whole: dict[str, Any], models: Mapping[str, Model]
) -> None:
    last_seen = datetime.fromisoformat(whole["at"]).timestamp() - slo(models["stopped"], "success")["age_seconds"]
    assert last_seen == pytest.approx(stage.epoch + known.STOPPED_AT, abs=30)


def test_a_counter_reset_is_no_error_and_no_loss(models: Mapping[str, Model]) -> None:
    success = slo(models["reset"], "success")
    assert success["total"] == pytest.approx(3600 * known.RESET_PER_SECOND, rel=0.05)
    assert (success["value"], success["quality"], success["verdict"]) == (1.0, "ok", "pass")


def test_without_any_series_of_errors_there_were_none(models: Mapping[str, Model]) -> None:
    success = slo(models["clean"], "success")
    assert (success["bad"], success["value"], success["burn"]["1h"], success["verdict"]) == (0, 1.0, 0.0, "pass")
    assert success["total"] == pytest.approx(7200, rel=0.02)
    assert models["clean"]["verdict"] == "pass"


@pytest.mark.parametrize("name", ["drift-score", "queue-age"])
def test_what_is_no_number_is_suspect(models: Mapping[str, Model], name: str) -> None:
    found = slo(models["nan"], name)
    assert (found["quality"], found["value"], found["verdict"]) == ("suspect", None, "unknown")
    assert models["nan"]["verdict"] == "unknown"


def test_percentiles_beyond_the_last_bucket_are_at_least_it(models: Mapping[str, Model]) -> None:
    [both] = [q for q in slo(models["saturated"], "latency")["quantiles"] if q["version"] is None]
    assert [(both[p]["value"], both[p]["at_least"]) for p in ("p95", "p99")] == [(1.0, True), (1.0, True)]
    assert not both["p50"]["at_least"]


def test_a_native_histogram_is_read(models: Mapping[str, Model]) -> None:
    latency = slo(models["native"], "latency")
    assert latency["value"] == pytest.approx(sum(known.NATIVE_SHARES[:2]), abs=0.02)
    [quantiles] = latency["quantiles"]
    assert 0.25 <= quantiles["p50"]["value"] <= 0.5 or quantiles["p50"]["value"] == pytest.approx(0.25, rel=0.1)
    assert 1.0 <= quantiles["p99"]["value"] <= 2.0


def test_a_model_without_any_series_is_unknown(models: Mapping[str, Model]) -> None:
    assert models["nobody"]["verdict"] == "unknown"
    assert slo(models["nobody"], "success")["quality"] == "no_data"


def test_windows_of_a_day_and_more_come_from_sloths_rules(models: Mapping[str, Model]) -> None:
    success = slo(models["fraud-scorer"], "success")
    notes = {b["window"]: b["note"] for b in success["burns"]}
    assert (notes["24h"], notes["3d"], notes["6h"]) == ("recorded by a rule", "recorded by a rule", "")
    assert {b["window"]: b["origin"] for b in success["burns"]} == {
        w: "rule" if w in ("24h", "3d") else "raw" for w in notes}
    assert (success["budget"]["note"], success["budget"]["origin"]) == ("recorded by a rule", "rule")
    assert success["budget"]["total"] > 1e6


def test_a_day_comes_from_pyrras_rules_where_the_notebook_names_them(stage: Stage, tmp_path: Path) -> None:
    home = tmp_path / "chat-assistant"
    shutil.copytree(EXAMPLES / "chat-assistant", home)
    manifest = yaml.safe_load((home / "manifest.yaml").read_text())
    for item in manifest["spec"]["slos"]:
        if item["name"] == "success":
            item["recorded"] = {"slo": "success"}
    (home / "manifest.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
    [found] = document("--notebooks", str(home), config=stage.config)["models"]
    notes = {b["window"]: b["note"] for b in slo(found, "success")["burns"]}
    assert (notes["24h"], notes["6h"]) == ("recorded by a rule", "")


def test_the_examples_stand_as_they_were_staged(models: Mapping[str, Model]) -> None:
    assert {name: models[name]["verdict"] for name in ("chat-assistant", "churn-ranker", "fraud-scorer")} == {
        "chat-assistant": "pass", "churn-ranker": "pass", "fraud-scorer": "fail"}
    assert models["fraud-scorer"]["versions"]["canary"] == "8"
    assert slo(models["churn-ranker"], "lift")["quality"] == "pending"


# Hostile texts.

@pytest.mark.parametrize("arguments", [("status", "--format", "json"), ("status",), ("check", "hostile"),
                                       ("check", "hostile", "--format", "json"),
                                       ("check", "hostile", "--format", "junit")], ids=" ".join)
def test_nothing_of_a_hostile_label_controls_the_terminal(stage: Stage, arguments: tuple[str, ...]) -> None:
    done = run(*arguments, config=stage.config, environ={"LANG": "C.UTF-8"})
    assert "hostile" in done.stdout
    for text in (done.stdout, done.stderr):
        assert not [c for c in HOSTILE if c in text]
        # JSON may carry control characters as escapes, and jq -r would write them out.
        assert "\\u001b" not in text.lower()
    assert "x" * 2000 not in done.stdout


# Alerts.

@pytest.fixture
def silenced(stage: Stage) -> Iterator[None]:
    amtool = [binary("amtool"), f"--alertmanager.url={stage.alertmanager.url}", "silence"]
    made = subprocess.run([*amtool, "add", f"alertname={rules.SILENCED_ALERT}", "--comment=known", "--author=me",
                           "--duration=1h"], capture_output=True, text=True, check=True)

    def arrived() -> bool:
        found = httpx.get(f"{stage.alertmanager.url}/api/v2/alerts", params={"active": "false"}, trust_env=False)
        return any(a["status"]["silencedBy"] for a in found.json())

    wait_for(arrived, "a silenced alert", stage.alertmanager)
    yield
    subprocess.run([*amtool, "expire", made.stdout.strip()], capture_output=True, check=True)


def test_alerts_are_firing_silenced_inhibited_and_pending(stage: Stage, whole: object, silenced: None) -> None:
    found = document(config=stage.config)
    states = {(m["model"], g["name"]): g["state"] for m in found["models"] for g in m["alerts"]}
    assert states == {("steady", "SteadyCanaryErrors"): "firing", ("steady", "SteadyInfo"): "inhibited",
                      ("steady", rules.SILENCED_ALERT): "silenced", ("idle", "IdleWithoutTraffic"): "pending",
                      ("hostile", "Hostile"): "firing", ("fraud-scorer", "FraudCanaryErrors"): "firing",
                      ("fraud-scorer", "FraudCanarySlow"): "pending",
                      ("fraud-scorer", "FraudSchemaViolations"): "firing"}
    [steady] = [m for m in found["models"] if m["model"] == "steady"]
    assert not [r for r in steady["reasons"] if rules.SILENCED_ALERT in r["text"]]


def test_a_firing_alert_is_a_reason_and_a_pending_one_is_not(models: Mapping[str, Model]) -> None:
    texts = [r["text"] for r in models["fraud-scorer"]["reasons"] if r["rule"] == "alert"]
    assert any("FraudCanaryErrors 8 is firing" in text for text in texts)
    assert not any("FraudCanarySlow" in text for text in texts)


# Broken notebooks and exit codes.

@pytest.fixture
def broken(tmp_path: Path, stage: Stage) -> Path:
    """A configuration with the stage's notebooks and a broken one."""
    folder = tmp_path / "notebooks" / "torn"
    folder.mkdir(parents=True)
    (folder / "manifest.yaml").write_text("apiVersion: triage/v1alpha1\nkind: ModelNotebook\nmetadata: {name: torn}\n")
    content = yaml.safe_load(stage.config.read_text())
    content["notebooks"].append(str(tmp_path / "notebooks"))
    path = tmp_path / "triage.yaml"
    path.write_text(yaml.safe_dump(content))
    path.chmod(0o600)
    return path


def test_a_broken_notebook_hides_no_other_and_is_listed(broken: Path, models: Mapping[str, Model]) -> None:
    found = document(config=broken)
    assert [m["model"] for m in found["models"]] == list(models)
    [torn] = found["broken"]
    assert torn["name"] == "torn"
    assert torn["errors"]


@pytest.mark.parametrize(("model", "verdict", "code"), [
    ("clean", "pass", 0), ("chat-assistant", "pass", 0), ("hostile", "fail", 2), ("steady", "fail", 2),
    ("idle", "unknown", 3), ("nan", "unknown", 3), ("nobody", "unknown", 3), ("stopped", "unknown", 3),
    ("torn", "unknown", 3)])
def test_the_exit_code_of_check_is_the_verdict(broken: Path, model: str, verdict: str, code: int) -> None:
    done = run("check", model, "--format", "json", config=broken)
    check = json.loads(done.stdout)["check"]
    assert check.pop("reason")
    assert check == {"model": model, "verdict": verdict, "exit_code": code, "candidate": None}
    assert done.returncode == code


def test_check_ends_with_1_for_a_warning(stage: Stage, tmp_path: Path) -> None:
    folder = tmp_path / "watched"
    folder.mkdir()
    manifest = yaml.safe_load((stage.folder / "notebooks" / "steady" / "manifest.yaml").read_text())
    manifest["spec"]["slos"] = [s for s in manifest["spec"]["slos"] if s["name"] == "schema-validity"]
    manifest["spec"]["metrics"]["requests"] = 'requests_total{model_version="v1"}'
    manifest["spec"]["alerts"] = {"labels": {"model": "nobody-else"}}
    (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    (folder / "notebook.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}\n')
    done = run("check", "steady", "--notebooks", str(folder), "--prometheus", stage.prometheus.url, "--format", "json")
    assert done.returncode == 1, done.stdout + done.stderr


def test_a_misspelt_model_is_refused_with_the_nearest_names(stage: Stage) -> None:
    done = run("check", "stedy", config=stage.config)
    assert done.returncode == 64
    assert "steady" in done.stderr
    assert done.stdout == ""


# Sources.

def test_a_prometheus_that_is_gone_makes_every_verdict_unknown(stage: Stage) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    done = run("check", "clean", "--prometheus", gone, "--format", "json", config=stage.config)
    found = json.loads(done.stdout)
    assert done.returncode == 3
    [prometheus] = [s for s in found["sources"] if s["name"] == "prometheus"]
    assert prometheus["state"] == "down"
    assert "connect" in prometheus["error"]
    assert found["models"][0]["verdict"] == "unknown"
    assert [s["state"] for s in found["sources"] if s["name"] == "alertmanager"] == ["ok"]


def test_a_prometheus_that_hangs_is_given_up_in_its_time(
        stage: Stage, empty_prometheus: Callable[..., Server], tmp_path: Path) -> None:
    server = empty_prometheus()
    config = config_with(stage, tmp_path, {"url": server.url, "timeout": "1s"})
    server.freeze()
    try:
        done = run("check", "clean", "--format", "json", config=config, seconds=20.0)
    finally:
        server.thaw()
    assert done.returncode == 3
    [state] = [s["state"] for s in json.loads(done.stdout)["sources"] if s["name"] == "prometheus"]
    assert state == "down"


def config_with(stage: Stage, folder: Path, prometheus: Mapping[str, Any]) -> Path:
    """The stage's configuration with another way to its Prometheus."""
    content = yaml.safe_load(stage.config.read_text())
    content["contexts"]["stage"]["prometheus"] = dict(prometheus)
    path = folder / "triage.yaml"
    path.write_text(yaml.safe_dump(content))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("kind", ["plain", "readonly", "forbidding", "prefix"])
def test_prometheus_is_read_through_a_proxy(stage: Stage, proxies: Proxies, kind: str) -> None:
    found = document("clean", "--prometheus", proxies[kind], config=stage.config)
    assert found["models"][0]["verdict"] == "pass"
    states = {s["name"]: s["state"] for s in found["sources"]}
    assert states == {"prometheus": "ok", "alertmanager": "ok", "registry": "off", "kubernetes": "off"}


def test_a_proxy_that_wants_a_password_gets_the_configured_one(stage: Stage, proxies: Proxies, tmp_path: Path) -> None:
    config = config_with(stage, tmp_path, {"url": proxies["auth"], "basic_auth": {
        "username": servers.PROXY_USER, "password": {"env": "STAGE_PASSWORD"}}})
    found = document("clean", config=config, environ={"STAGE_PASSWORD": servers.PROXY_PASSWORD})
    assert found["models"][0]["verdict"] == "pass"


def test_without_the_password_the_source_is_down_and_says_so(stage: Stage, proxies: Proxies) -> None:
    done = run("check", "clean", "--prometheus", proxies["auth"], "--format", "json", config=stage.config)
    assert done.returncode == 3
    [prometheus] = [s for s in json.loads(done.stdout)["sources"] if s["name"] == "prometheus"]
    assert (prometheus["state"], "unauthorized" in prometheus["error"]) == ("down", True)


@pytest.mark.parametrize("kind", ["gone", "login", "redirect", "throttled"])
def test_a_proxy_in_the_way_is_never_taken_for_health(stage: Stage, proxies: Proxies, kind: str) -> None:
    done = run("check", "clean", "--prometheus", proxies[kind], "--format", "json", config=stage.config)
    found = json.loads(done.stdout)
    assert done.returncode == 3
    [prometheus] = [s for s in found["sources"] if s["name"] == "prometheus"]
    assert prometheus["state"] in ("down", "partial")
    assert prometheus["error"]
