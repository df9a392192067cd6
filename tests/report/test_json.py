"""The contract of ``triage.status/v1``."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from tests.tui import snapshots
from triage.facts.rollouts import Phase
from triage.report.json import check_json, dump, status_json
from triage.report.verdicts import judge
from triage.signals.lasting import Lasting
from triage.signals.lineage_model import LineageKind, LinkState
from triage.signals.model import VersionCount
from triage.signals.promise import PromiseState
from triage.signals.reading import Origin

NUMBER = {"type": ["number", "null"]}
TEXT = {"type": "string"}
MAYBE = {"type": ["string", "null"]}
TIME = {"type": ["string", "null"], "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
TEXTS = {"type": "array", "items": TEXT}
QUALITY = {"enum": ["ok", "pending", "no_traffic", "no_data", "stale", "partial", "low_n", "suspect", "error",
                    "waiting"]}
VERDICT = {"enum": ["pass", "warn", "fail", "unknown"]}
SLO_VERDICT = {"enum": [*VERDICT["enum"], "pending", "low_n", "not_judged"]}
ORIGIN = {"enum": ["raw", "rule", "tape"]}
URGENCY = {"enum": ["page", "ticket", "none"]}


def exactly(**properties: Any) -> dict[str, Any]:
    """An object with these keys, all of them, and no other."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def many(item: Any) -> dict[str, Any]:
    return {"type": "array", "items": item}


READING = {"value": NUMBER, "at_least": {"type": "boolean"}, "unit": TEXT, "quality": QUALITY, "note": TEXT,
           "n": NUMBER, "window_seconds": NUMBER, "age_seconds": NUMBER, "origin": ORIGIN}
SOURCE = exactly(name=TEXT, state={"enum": ["waiting", "ok", "partial", "down", "off"]}, age_seconds=NUMBER, error=TEXT,
                 since=TIME, next_try_at=TIME, latency_seconds=NUMBER)
BUDGET = exactly(window=TEXT, window_seconds=NUMBER, bad=NUMBER, total=NUMBER, allowed=NUMBER, left=NUMBER,
                 remaining=NUMBER, exhausted_in_seconds=NUMBER, covered_seconds=NUMBER, quality=QUALITY, note=TEXT,
                 origin=ORIGIN)
SLO = exactly(
    name=TEXT, kind={"enum": ["ratio", "latency", "gauge", "freshness", "cold start", "throughput", "average"]},
    description=TEXT, required={"type": "boolean"}, verdict=SLO_VERDICT, urgency=URGENCY, sentence=TEXT,
    objective=NUMBER, threshold=NUMBER, threshold_side={"enum": ["at_most", "at_least", None]}, measures=TEXT,
    **READING, bad=NUMBER, total=NUMBER, window=MAYBE,
    burn={"type": "object", "patternProperties": {r"^\d+[smhd]$": NUMBER}, "additionalProperties": False},
    burns=many(exactly(window=TEXT, window_seconds=NUMBER, rate=NUMBER, n=NUMBER, quality=QUALITY, note=TEXT,
                       origin=ORIGIN)),
    tiers=many(exactly(urgency=URGENCY, long=TEXT, short=TEXT, threshold=NUMBER, firing={"type": "boolean"},
                       reachable={"type": "boolean"}, blocked=TEXT)),
    budget_remaining=NUMBER, budget={"anyOf": [BUDGET, {"type": "null"}]},
    quantiles=many(exactly(version=MAYBE, p50=exactly(**READING), p95=exactly(**READING), p99=exactly(**READING))),
    by_version=many(exactly(version=TEXT, window=TEXT, window_seconds=NUMBER, bad=NUMBER, total=NUMBER, value=NUMBER)),
    by_label=MAYBE, by_group=many(exactly(group=TEXT, bad=NUMBER, total=NUMBER)), findings=TEXTS)
ALERT = exactly(fingerprint=TEXT, state=TEXT, started_at=TIME, labels={"type": "object", "additionalProperties": TEXT},
                annotations={"type": "object", "additionalProperties": TEXT}, generator_url=TEXT, silenced_by=TEXTS,
                silenced_until=TIME, inhibited_by=TEXTS, value=NUMBER)
LASTING = many(exactly(trigger={"enum": ["rollout_rule", "slo_breach"]}, since=TIME, read_to=TIME,
                                 trouble=TEXT))
PERCENTILES = {"anyOf": [exactly(p50=NUMBER, p95=NUMBER, p99=NUMBER, at_least={"type": "boolean"}),
                         {"type": "null"}]}
CANARY_VERDICT = {"enum": ["fail", "error", "insufficient", "inconclusive", "pass"]}
CANARY = exactly(
    verdict=CANARY_VERDICT, reason=TEXT, stable=MAYBE, canary=TEXT, arm={"enum": ["canary", "shadow", "experiment"]},
    known_from=TEXT, since=TIME, unknown_seconds=NUMBER, weight=exactly(real=NUMBER, asked=NUMBER),
    more_events=NUMBER, more_seconds=NUMBER,
    both_moved=TEXT, split=TEXT, alpha=NUMBER, read_to=TIME, age_seconds=NUMBER, step_seconds=NUMBER, quality=QUALITY,
    failure=TEXT, warnings=TEXTS, metrics=many(exactly(
        name=TEXT, kind={"enum": ["events", "latency", "level", "split"]}, unit=TEXT, stable=NUMBER, canary=NUMBER,
        delta=NUMBER, n_stable=NUMBER, n_canary=NUMBER, verdict=CANARY_VERDICT, sentence=TEXT,
        margin={"anyOf": [exactly(absolute=NUMBER, relative=NUMBER, given={"type": "boolean"}), {"type": "null"}]},
        gates={"type": "boolean"}, more_events=NUMBER, more_seconds=NUMBER, failed_at=TIME, p=NUMBER,
        dispersion=NUMBER, effect=NUMBER, stable_percentiles=PERCENTILES, canary_percentiles=PERCENTILES)))
DRIFT_VERDICT = {"enum": ["drift", "watch", "stale", "not comparable", "insufficient", "ok"]}
DRIFT = exactly(
    feature=TEXT, prediction={"type": "boolean"}, method=TEXT, score=NUMBER, n=NUMBER, verdict=DRIFT_VERDICT,
    distribution_verdict=DRIFT_VERDICT, sentence=TEXT, n_reference=NUMBER, n_needed=NUMBER, bins=NUMBER,
    window_seconds=NUMBER, p_value=NUMBER, p_adjusted=NUMBER, test=TEXT, warning=NUMBER, critical=NUMBER,
    reference_from=TEXT, sampled_at=TIME, notes=TEXTS, where=TEXT,
    lines=many(exactly(kind=TEXT, share=NUMBER, n=NUMBER, reference_share=NUMBER,
                       verdict={"enum": [*DRIFT_VERDICT["enum"], None]}, sentence=TEXT)),
    arms=many(exactly(arm=TEXT, version=TEXT, score=NUMBER, n=NUMBER, verdict=DRIFT_VERDICT, sentence=TEXT)))
DRIFT_READING = exactly(
    answered_at=TIME, age_seconds=NUMBER, quality=QUALITY, failure=TEXT, warnings=TEXTS,
    verdict={"enum": [*DRIFT_VERDICT["enum"], None]}, sentence=TEXT, false_discovery_rate=NUMBER, tested=NUMBER)
LINEAGE = exactly(
    known={"type": "boolean"}, verdict=VERDICT, read_at=TIME, age_seconds=NUMBER, as_of=TIME, other_versions=NUMBER,
    versions=many(exactly(
        version=TEXT, served_as=MAYBE, arm=TEXT, share=NUMBER, registered={"type": "boolean"},
        approval=exactly(status={"enum": ["approved", "rejected", "withdrawn", "pending", "none", "unclear"]}, by=TEXT,
                         word=TEXT, reason=TEXT),
        aliases=TEXTS, status=TEXT, created_at=TIME, source=TEXT, run_id=TEXT)),
    findings=many(exactly(kind={"enum": [str(kind) for kind in LineageKind]}, verdict=VERDICT, urgency=URGENCY,
                          text=TEXT, hint=TEXT, version=MAYBE, since=TIME)),
    promise={"anyOf": [exactly(
        version=TEXT, state={"enum": [str(state) for state in PromiseState]}, on_disk_sha256=TEXT,
        registered_sha256=MAYBE, note=TEXT, differences=many(exactly(path=TEXT, on_disk=TEXT, registered=TEXT))),
        {"type": "null"}]})
FLAG = {"type": ["boolean", "null"]}
REVISION = {"anyOf": [exactly(version=MAYBE, version_from=TEXT, number=NUMBER, image=TEXT, ready=NUMBER,
                              desired=NUMBER), {"type": "null"}]}
ROLLOUT = exactly(
    error=TEXT, kind=MAYBE, namespace=MAYBE, name=MAYBE, read_at=TIME, age_seconds=NUMBER,
    phase={"enum": [*(str(phase) for phase in Phase), None]}, message=MAYBE, stands=MAYBE, strategy=MAYBE,
    observed=FLAG, stable=REVISION, canary=REVISION,
    step={"anyOf": [exactly(number=NUMBER, of=NUMBER), {"type": "null"}]},
    weight={"anyOf": [exactly(asked=NUMBER, set=NUMBER, **{"from": MAYBE}), {"type": "null"}]},
    paused={"anyOf": [many(exactly(reason=TEXT, since=TIME, until=TIME)), {"type": "null"}]}, aborted=FLAG,
    aborted_at=TIME,
    replicas={"anyOf": [exactly(desired=NUMBER, ready=NUMBER, available=NUMBER, updated=NUMBER), {"type": "null"}]},
    managed_by=MAYBE)
FIGURES = exactly(
    answered_at=TIME, age_seconds=NUMBER, quality=QUALITY, failure=TEXT, warnings=TEXTS,
    figures=many(exactly(name=TEXT, version=TEXT, proxy={"type": "boolean"}, value=NUMBER, low=NUMBER, high=NUMBER,
                         n=NUMBER, unit=TEXT, lowest=NUMBER, highest=NUMBER, quality=QUALITY, verdict=SLO_VERDICT,
                         sentence=TEXT, method=TEXT, sampled_at=TIME)),
    slices=many(exactly(label=TEXT, version=TEXT, definition=TEXT, difference=NUMBER, low=NUMBER, high=NUMBER,
                        ratio=NUMBER, limit=NUMBER, n=NUMBER, quality=QUALITY, verdict=SLO_VERDICT, sentence=TEXT,
                        rates=many(exactly(group=TEXT, of=TEXT, value=NUMBER, low=NUMBER, high=NUMBER, n=NUMBER)))),
    estimates=many(exactly(version=TEXT, window_seconds=NUMBER, reason=TEXT, sentence=TEXT, n=NUMBER, threshold=NUMBER,
                           method=TEXT, assumptions=TEXTS, notes=TEXTS, figures=many(exactly(
                               name=TEXT, value=NUMBER, low=NUMBER, high=NUMBER)))))
VIEWS = exactly(
    answered_at=TIME, quality=QUALITY, failure=TEXT, warnings=TEXTS, views=many(exactly(
        view=TEXT, verdict=SLO_VERDICT, sentence=TEXT, freshness_seconds=NUMBER, quality=QUALITY, sampled_at=TIME,
        found_share=NUMBER, lookups=NUMBER, notes=TEXTS)))
LABELS = exactly(
    answered_at=TIME, failure=TEXT, sentence=MAYBE, coverage=NUMBER, cohort_seconds=NUMBER,
    expected_delay_seconds=NUMBER, maturity=NUMBER, next_due_at=TIME, notes=TEXTS,
    figures=many(exactly(name=TEXT, value=NUMBER, low=NUMBER, high=NUMBER, n=NUMBER, start=TIME, end=TIME)),
    cohorts=many(exactly(start=TIME, end=TIME, maturity={"enum": ["mature", "pending", "overdue"]}, predictions=NUMBER,
                         labels=NUMBER, coverage=NUMBER, figure=MAYBE, value=NUMBER, low=NUMBER, high=NUMBER)),
    gap={"anyOf": [exactly(
        predicted_by=TEXT, sentence=TEXT, value=NUMBER, low=NUMBER, high=NUMBER, n=NUMBER, half_life_weeks=NUMBER,
        weeks=many(exactly(start=TIME, predicted=NUMBER, observed=NUMBER, observed_low=NUMBER, observed_high=NUMBER,
                           n=NUMBER, coverage=NUMBER, weight=NUMBER))), {"type": "null"}]})
USE = exactly(used=NUMBER, of=NUMBER, basis={"enum": ["limit", "request", "manifest", "whole", None]}, share=NUMBER,
              verdict=SLO_VERDICT)
SERVING = exactly(
    answered_at=TIME, stale={"type": "boolean"}, error=TEXT, warnings=TEXTS,
    pods=many(exactly(
        name=TEXT, version=MAYBE, verdict=SLO_VERDICT, why=TEXTS, cpu=USE, memory=USE, gpu=USE, gpu_memory=USE,
        throttled=exactly(**USE["properties"], n=NUMBER), restarts=NUMBER, restarts_1h=NUMBER, phase=MAYBE, ready=FLAG,
        created_at=TIME, sampled_at=TIME, last_end=MAYBE, last_end_at=TIME, node=MAYBE, image_digest=MAYBE)),
    pods_known_from={"enum": ["kubernetes", "metrics"]}, pods_listed_at=TIME, pods_truncated={"type": "boolean"},
    pods_error=TEXT, throughput=exactly(**READING), queue_time=exactly(**READING),
    batch_size=exactly(**READING, promised=NUMBER),
    cost=exactly(window_seconds=NUMBER, inferences=NUMBER, pod_hours=NUMBER, covered=NUMBER, price_per_hour=NUMBER,
                 spent=NUMBER, per_1000_inferences=exactly(**READING), cpu_seconds_per_inference=exactly(**READING),
                 gpu_seconds_per_inference=exactly(**READING)),
    scaling=many(exactly(at=TIME, before=NUMBER, after=NUMBER, version=TEXT, why=TEXT)), scaling_note=TEXT,
    findings=many(exactly(verdict=VERDICT, text=TEXT, hint=TEXT)),
    variants=many(exactly(name=MAYBE, cpu=MAYBE, memory_bytes=NUMBER, gpu=NUMBER, batch=NUMBER, price_per_hour=NUMBER,
                          price_share=NUMBER)))
LINKS = many(exactly(kind={"enum": ["version", "manifest", "run", "data", "features", "image"]}, name=TEXT,
                     promised=MAYBE, recorded=MAYBE, running=MAYBE,
                     state={"enum": [str(state) for state in LinkState]}, note=TEXT))
MODEL = exactly(
    model=TEXT, notebook_version=TEXT, owners=TEXTS, criticality=TEXT, verdict=VERDICT, urgency=URGENCY,
    urgency_rule=TEXT, data_at=TIME, data_age_seconds=NUMBER, last_verdict={"enum": [*VERDICT["enum"], None]},
    last_verdict_at=TIME, runbook=MAYBE, notes=TEXTS,
    canary={"anyOf": [CANARY, {"type": "null"}]}, drift=many(DRIFT),
    registry={"anyOf": [LINEAGE, {"type": "null"}]}, rollout={"anyOf": [ROLLOUT, {"type": "null"}]},
    drift_reading={"anyOf": [DRIFT_READING, {"type": "null"}]}, quality={"anyOf": [FIGURES, {"type": "null"}]},
    retrain=many(exactly(condition=TEXT, state={"enum": ["asked", "building", "quiet", "unknown"]}, subjects=TEXTS,
                         sustained_seconds=NUMBER, since=TIME, approval=TEXT, sentence=TEXT)),
    lasting=LASTING,
    feature_store={"anyOf": [VIEWS, {"type": "null"}]}, labels={"anyOf": [LABELS, {"type": "null"}]},
    lineage=LINKS, serving={"anyOf": [SERVING, {"type": "null"}]},
    attributions=many(exactly(feature=TEXT, value=NUMBER, share=NUMBER, usual_share=NUMBER)),
    reasons=many(exactly(verdict=SLO_VERDICT, urgency=URGENCY, rule=TEXT, subject=TEXT, text=TEXT)),
    versions=exactly(stable=MAYBE, canary=MAYBE, known_from=TEXT, items=many(exactly(
        version=TEXT, arm=TEXT, share=NUMBER, window_seconds=NUMBER, quality=QUALITY, first_seen=TIME,
        last_seen=TIME))),
    slos=many(SLO), sources=many(SOURCE), alerts=many(exactly(
        name=TEXT, version=TEXT, deployment=TEXT, urgency=URGENCY, state=TEXT, since=TIME, age_seconds=NUMBER,
        alerts=many(ALERT))))
SCORE = exactly(value=NUMBER, slo=MAYBE, quality=QUALITY, n=NUMBER, note=TEXT)
COUNTS = {"approvals": NUMBER, "deploys": NUMBER, "retrains": NUMBER}
DONE = {**COUNTS, "at_least": TEXTS}
ROW = exactly(
    model=TEXT, broken={"type": "boolean"}, verdict=VERDICT, urgency=URGENCY, reason=TEXT, owner=MAYBE, health=SCORE,
    budget=SCORE, burn=SCORE, trial={"anyOf": [exactly(version=TEXT, arm=TEXT, share=NUMBER, verdict=MAYBE,
                                                       more_seconds=NUMBER), {"type": "null"}]},
    drift=exactly(drifting=NUMBER, warning=NUMBER, unknown=NUMBER, total=NUMBER,
                  verdict={"enum": [*SLO_VERDICT["enum"], None]}),
    alerts=exactly(page=NUMBER, ticket=NUMBER, other=NUMBER), seen_at=TIME,
    deployed=exactly(at=TIME, before=TIME, version=MAYBE, source={"enum": ["rollout", "traffic", None]}),
    last_seen={"anyOf": [exactly(newest_at=TIME, oldest_at=TIME, within_seconds=NUMBER, quality=QUALITY, note=TEXT),
                         {"type": "null"}]},
    activity_30d=exactly(**DONE, approvals_from={"enum": ["registry", "notebook", None]}),
    value={"anyOf": [exactly(name=TEXT, value=NUMBER, unit=TEXT, quality=QUALITY, window_seconds=NUMBER,
                             week_before=NUMBER, change=NUMBER, against=MAYBE, against_value=MAYBE,
                             against_verdict={"enum": [*SLO_VERDICT["enum"], None]}), {"type": "null"}]})
FLEET = exactly(verdicts={"type": "object", "additionalProperties": NUMBER}, top_burn=TEXTS, rows=many(ROW),
                asked_every_seconds=NUMBER, activity_30d=exactly(**DONE, known_of=exactly(**COUNTS)))
STATUS = exactly(schema={"const": "triage.status/v1"}, at=TIME, context=TEXT, production={"type": "boolean"},
                 models=many(MODEL), broken=many(exactly(name=TEXT, path=TEXT, errors=TEXTS)), sources=many(SOURCE),
                 other_models=TEXTS, fleet={"anyOf": [FLEET, {"type": "null"}]})
"""The contract. Adding a key is a change of this test; taking one away is another version of the format."""


def document(state: str) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")
    found: dict[str, Any] = json.loads(status_json(snapshots.ALL[state]()), parse_constant=refuse)
    return found


@pytest.mark.parametrize("state", snapshots.ALL)
def test_every_state_keeps_the_contract(state: str) -> None:
    jsonschema.Draft202012Validator(STATUS).validate(document(state))


def test_the_figures_are_those_of_the_snapshot() -> None:
    slo = document("healthy")["models"][0]["slos"][0]
    assert (slo["value"], slo["total"], slo["bad"], slo["window"]) == (0.9962, 37_800, 143.64, "1h")
    assert (slo["burn"]["5m"], slo["budget_remaining"], slo["quality"]) == (0.4, 0.91, "ok")
    assert slo["budget"]["left"] == pytest.approx(slo["budget"]["allowed"] - slo["budget"]["bad"])


def test_versions_are_named_by_their_arm() -> None:
    versions = document("canary")["models"][0]["versions"]
    assert (versions["stable"], versions["canary"]) == ("v7", "v8")
    assert document("healthy")["models"][0]["versions"]["canary"] is None


def test_a_source_that_is_gone_says_since_when_and_why() -> None:
    prometheus = document("lost")["sources"][0]
    assert (prometheus["state"], prometheus["age_seconds"], prometheus["error"]) == ("down", 252.0, "connect timeout")


def test_an_unknown_number_is_null_beside_its_quality() -> None:
    slo = document("idle")["models"][0]["slos"][0]
    assert (slo["value"], slo["bad"], slo["total"], slo["quality"]) == (None, None, 0, "no_traffic")


def test_a_number_that_is_not_finite_becomes_null() -> None:
    made = snapshots.canary_failing()
    group = made.models[0].alerts[0]
    odd = replace(group, alerts=(replace(group.alerts[0], value=float("nan")),))
    found = json.loads(status_json(snapshots.with_model(made, alerts=(odd,))))
    assert found["models"][0]["alerts"][0]["alerts"][0]["value"] is None
    assert dump({"a": (float("inf"), 1.0)}, None) == '{"a": [null, 1.0]}'


def test_since_when_a_rollback_would_be_due_is_said() -> None:
    past = (Lasting("rollout_rule", snapshots.NOW - 660, snapshots.NOW, 60.0), Lasting("slo_breach", None, 0.0, 60.0))
    found = json.loads(status_json(snapshots.with_model(snapshots.canary_failing(), lasting=past)))["models"][0]
    jsonschema.validate(found["lasting"], LASTING)
    assert [(each["trigger"], each["since"] is None) for each in found["lasting"]] == [
        ("rollout_rule", False), ("slo_breach", True)]


def test_a_line_of_json_holds_one_whole_document() -> None:
    line = status_json(snapshots.hostile(), indent=None)
    assert len(line.splitlines()) == 1


def test_check_adds_what_was_judged_and_how_it_ends() -> None:
    made = snapshots.canary_failing()
    found = json.loads(check_json(made, "fraud-scorer", judge(made, "fraud-scorer", "v8"), 2))
    assert found.pop("check") == {"model": "fraud-scorer", "candidate": "v8", "verdict": "fail", "exit_code": 2,
                                  "reason": made.models[0].reasons[0].text}
    jsonschema.Draft202012Validator(STATUS).validate(found)


def test_the_events_of_each_version_are_beside_the_objectives_own() -> None:
    made = snapshots.canary_failing()
    slow = replace(made.models[0].slos[0], by_version=(VersionCount("v7", 3600.0, 136.0, 34_020.0),
                                                       VersionCount("v8", 3600.0, None, 3_780.0)))
    found = json.loads(status_json(snapshots.with_model(made, slos=(slow,))))["models"][0]["slos"][0]
    assert found["by_version"] == [
        {"version": "v7", "window": "1h", "window_seconds": 3600.0, "bad": 136.0, "total": 34_020.0,
         "value": pytest.approx(0.996, abs=1e-4)},
        {"version": "v8", "window": "1h", "window_seconds": 3600.0, "bad": None, "total": 3_780.0, "value": None}]


def test_what_a_rule_recorded_is_marked() -> None:
    slo = snapshots.healthy().models[0].slos[0]
    assert slo.budget is not None
    made = replace(slo, budget=replace(slo.budget, origin=Origin.RULE),
                   burns=(replace(slo.burns[0], origin=Origin.RULE), slo.burns[1]))
    found = json.loads(status_json(snapshots.with_model(snapshots.healthy(), slos=(made,))))["models"][0]["slos"][0]
    assert (found["budget"]["origin"], [b["origin"] for b in found["burns"]]) == ("rule", ["rule", "raw"])


def canary(state: str) -> dict[str, Any]:
    found: dict[str, Any] = document(state)["models"][0]["canary"]
    return found


def test_the_version_on_trial_stands_beside_stable_with_what_decides() -> None:
    found = canary("canary")
    assert [found[key] for key in ("verdict", "stable", "canary", "arm", "known_from", "since", "quality")] == [
        "fail", "v7", "v8", "canary", "traffic", "2026-11-23T14:10:00.000Z", "ok"]
    assert found["weight"] == {"real": 0.1, "asked": None}
    first = found["metrics"][0]
    assert [first[key] for key in ("name", "kind", "unit", "verdict", "gates", "n_canary")] == [
        "latency", "events", "ratio", "fail", True, 1_386]
    assert first["margin"] == {"absolute": 0.005, "relative": 0.0, "given": True}
    assert found["metrics"][-1]["canary_percentiles"] == {"p50": 0.201, "p95": 0.622, "p99": 10.0, "at_least": True}


def test_a_canary_that_needs_more_says_how_much() -> None:
    found = canary("trial-few")
    assert (found["verdict"], found["more_events"], found["more_seconds"]) == ("insufficient", 3_100, 276_000.0)


def test_a_version_that_is_not_compared_yet_is_insufficient_and_one_that_cannot_be_is_an_error() -> None:
    assert [(found["verdict"], found["quality"], found["metrics"])
            for found in map(canary, ("trial-begun", "trial-unread"))] == [
        ("insufficient", "waiting", []), ("error", "error", [])]
    assert canary("trial-unread")["failure"] == "timeout: no answer within 5 s"


def test_a_verdict_that_is_not_fresh_says_so_and_how_old_it_is() -> None:
    found = canary("trial-stale")
    assert (found["verdict"], found["quality"], found["age_seconds"]) == ("fail", "stale", 720.0)


def test_without_a_version_on_trial_there_is_no_canary() -> None:
    assert canary("healthy") is None


def test_what_moved_in_both_arms_is_told_by_feature_and_arm() -> None:
    [model] = document("drift-both")["models"]
    amount = model["drift"][0]
    assert (amount["feature"], amount["verdict"], amount["method"]) == ("amount", "drift", "psi")
    assert amount["where"] == "on v7 and v8 alike: rolling back would not help"
    assert [(arm["arm"], arm["verdict"]) for arm in amount["arms"]] == [("stable", "drift"), ("canary", "drift")]
    assert (model["drift_reading"]["quality"], model["drift_reading"]["failure"]) == ("ok", "")


def test_drift_that_is_not_known_says_why() -> None:
    [model] = document("drift-unread")["models"]
    assert model["drift"] == []
    assert (model["drift_reading"]["quality"], model["drift_reading"]["verdict"]) == ("error", None)
    assert "no answer" in model["drift_reading"]["failure"]


def test_nothing_is_said_of_drift_where_nothing_is_watched() -> None:
    [model] = document("healthy")["models"]
    assert (model["drift"], model["drift_reading"]) == ([], None)


def test_old_rows_of_drift_are_called_stale() -> None:
    [model] = document("drift-stale")["models"]
    assert model["drift"]
    assert model["drift_reading"]["quality"] == "stale"


def test_what_is_registered_is_told_with_what_contradicts_it() -> None:
    found = document("deployed-unapproved")["models"][0]
    assert (found["verdict"], found["urgency"], found["urgency_rule"]) == ("warn", "ticket", "registry")
    registry = found["registry"]
    assert (registry["known"], registry["verdict"], registry["age_seconds"]) == (True, "warn", 12.0)
    assert [(v["version"], v["arm"], v["aliases"], v["approval"]["status"]) for v in registry["versions"]] == [
        ("v7", "stable", ["champion"], "approved"), ("v8", "canary", ["challenger"], "pending")]
    assert [(f["kind"], f["version"]) for f in registry["findings"]] == [("not_approved", "v8")]
    assert registry["promise"]["state"] == "differs"


def test_where_a_rollout_stands_is_told_in_words_and_numbers() -> None:
    found = document("deployed-paused")["models"][0]
    assert found["versions"]["known_from"] == "rollout"
    rollout = found["rollout"]
    assert (rollout["stands"], rollout["step"]) == ("step 1 of 4, paused", {"number": 1, "of": 4})
    assert rollout["weight"] == {"asked": 0.1, "set": 0.1, "from": "router"}
    assert (rollout["stable"]["version"], rollout["canary"]["version"]) == ("v7", "v8")
    assert [pause["until"] for pause in rollout["paused"]] == [None]


def test_what_was_not_read_is_null_and_says_why() -> None:
    found = document("deployed-unread")["models"][0]
    assert (found["registry"]["known"], found["registry"]["verdict"]) == (False, "unknown")
    assert (found["rollout"]["error"], found["rollout"]["phase"]) == ("connect: connection refused", None)
    assert (document("healthy")["models"][0]["registry"], document("healthy")["models"][0]["rollout"]) == (None, None)
