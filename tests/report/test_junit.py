"""JUnit of ``triage check``, as CI systems read it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from xml.etree import ElementTree as xml

import pytest

from tests.tui import snapshots
from triage.live.snapshot import Snapshot
from triage.report.junit import junit
from triage.report.verdicts import ALL, exit_code, verdict_of
from triage.signals.reading import Verdict


def suite(snapshot: Snapshot, model: str = "fraud-scorer", fail_on: Collection[str] = ALL) -> xml.Element:
    found = xml.fromstring(junit(snapshot, model, fail_on)).find("testsuite")
    assert found is not None
    return found


def outcome(found: xml.Element, name: str) -> str:
    case = found.find(f"testcase[@name='{name}']")
    assert case is not None, f"there is no case {name}"
    return case[0].tag


def test_there_is_a_case_for_the_verdict_for_every_objective_and_every_source() -> None:
    names = [case.get("name") for case in suite(snapshots.healthy()).iter("testcase")]
    assert names == ["verdict", "slo latency", "slo success", "slo schema", "slo accuracy", "prometheus",
                     "alertmanager"]


def test_fail_and_warn_are_failures_pending_is_skipped() -> None:
    found = suite(snapshots.canary_failing())
    assert [outcome(found, f"slo {n}") for n in ("latency", "success", "accuracy")] == ["failure", "system-out",
                                                                                       "skipped"]
    assert outcome(found, "verdict") == "failure"


def test_what_does_not_fail_the_check_is_skipped_with_its_sentence() -> None:
    found = suite(snapshots.canary_failing(), fail_on={"fail"})
    case = found.find("testcase[@name='slo latency']/skipped")
    assert case is not None
    assert str(case.get("message")).startswith("warn: latency: 98.9 %")


def test_unknown_is_an_error_and_so_is_the_source_that_made_it() -> None:
    found = suite(snapshots.prometheus_lost())
    assert [outcome(found, n) for n in ("verdict", "slo latency", "prometheus", "alertmanager")] == [
        "error", "error", "error", "system-out"]


def test_an_objective_that_is_not_required_may_be_unknown() -> None:
    made = snapshots.idle()
    optional = tuple(replace(slo, required=False) for slo in made.models[0].slos)
    assert outcome(suite(snapshots.with_model(made, slos=optional)), "slo latency") == "skipped"


def test_a_broken_notebook_is_an_error_with_every_finding() -> None:
    found = suite(snapshots.broken_notebook(), "ads-pacing")
    error = found.find("testcase[@name='notebook']/error")
    assert error is not None
    assert len(str(error.text).splitlines()) == 2


@pytest.mark.parametrize("state", snapshots.ALL)
def test_the_counts_are_right_and_the_xml_reads_back(state: str) -> None:
    made = snapshots.ALL[state]()
    found = suite(made, made.models[0].name if made.models else made.broken[0].name)
    counted = {tag: sum(case.find(tag) is not None for case in found.iter("testcase"))
               for tag in ("failure", "error", "skipped")}
    assert [int(found.get(name, "-1")) for name in ("failures", "errors", "skipped", "tests")] == [
        *counted.values(), len(found)]


def test_characters_that_xml_cannot_hold_are_replaced() -> None:
    made = snapshots.with_model(snapshots.healthy(), reasons=(replace(
        snapshots.canary_failing().models[0].reasons[0], text="a\x00b\x1b]52;\ufffe <&>\"'"),))
    case = suite(made).find("testcase[@name='verdict']/system-out")
    assert case is not None
    assert case.text == "a\ufffdb\ufffd]52;\ufffd <&>\"'"


@pytest.mark.parametrize(("verdict", "code"), [(Verdict.PASS, 0), (Verdict.WARN, 1), (Verdict.FAIL, 2),
                                               (Verdict.UNKNOWN, 3)])
def test_the_exit_code_is_the_verdict(verdict: Verdict, code: int) -> None:
    assert exit_code(verdict) == code
    assert exit_code(verdict, frozenset()) == 0


def test_a_model_of_which_nothing_is_known_is_unknown() -> None:
    assert verdict_of(snapshots.broken_notebook(), "ads-pacing") is Verdict.UNKNOWN
    assert verdict_of(snapshots.waiting(), "nobody") is Verdict.UNKNOWN


def test_there_is_a_case_for_the_version_on_trial_and_for_each_of_its_metrics() -> None:
    found = suite(snapshots.canary_failing())
    assert [outcome(found, f"canary{name}") for name in ("", " latency", " success", " schema", " score_mean",
                                                         " latency p95")] == [
        "failure", "failure", "error", "error", "system-out", "skipped"]


def test_a_canary_that_is_not_decided_makes_the_verdict_an_error_with_its_sentence() -> None:
    found = suite(snapshots.ALL["trial-few"]())
    case = found.find("testcase[@name='verdict']/error")
    assert case is not None
    assert str(case.get("message")).startswith("canary v8 is insufficient: success: 94.57 % of 51")


def test_a_version_that_is_not_compared_yet_is_an_error() -> None:
    assert outcome(suite(snapshots.ALL["trial-begun"]()), "canary") == "error"


def test_a_shadow_that_is_worse_warns() -> None:
    found = suite(snapshots.ALL["trial-shadow"](), fail_on={"fail"})
    assert outcome(found, "shadow latency") == "skipped"
