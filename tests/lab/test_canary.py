"""What the comparison of a canary with stable says about the lab's scenarios, whose truth is known."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.lab.conftest import Opening
from tests.lab.standing import lab
from tests.notebook.example_data import EXAMPLES
from triage.live.snapshot import Snapshot
from triage.report.verdicts import judge
from triage.signals.canary import CanaryState, CanaryVerdict, MetricVerdict
from triage.signals.canary_reading import CanaryReading
from triage.signals.model import ModelState
from triage.signals.reading import Urgency, Verdict

FAIL, INSUFFICIENT, PASS = CanaryVerdict.FAIL, CanaryVerdict.INSUFFICIENT, CanaryVerdict.PASS


@dataclass(frozen=True, slots=True)
class Trial:
    """A scenario's opening, and the model whose canary it is about."""

    snapshot: Snapshot
    name: str

    @property
    def model(self) -> ModelState:
        found = self.snapshot.model(self.name)
        assert found is not None
        return found

    @property
    def state(self) -> CanaryState:
        return known(self.model.canary)


def known(reading: CanaryReading | None) -> CanaryState:
    assert reading is not None
    assert reading.state is not None, reading.failure
    return reading.state


def by_name(state: CanaryState) -> Mapping[str, MetricVerdict]:
    return {metric.name: metric for metric in state.metrics}


def failed(state: CanaryState) -> set[str]:
    """Metrics that decide and failed."""
    return {metric.name for metric in state.metrics if metric.gates and metric.verdict is FAIL}


def of_canary(model: ModelState) -> list[tuple[Verdict, Urgency]]:
    return [(reason.verdict, reason.urgency) for reason in model.reasons if reason.rule == "canary"]


@pytest.fixture
def slow(opening: Opening) -> Trial:
    return Trial(opening("canary-latency"), "fraud-scorer")


@pytest.fixture
def few(opening: Opening) -> Trial:
    return Trial(opening("low-traffic"), "loan-approval")


@pytest.fixture
def worse(opening: Opening) -> Trial:
    return Trial(opening("canary-quality"), "chat-assistant")


@pytest.fixture
def well(opening: Opening) -> Trial:
    return Trial(opening("healthy"), "fraud-scorer")


def test_a_slow_canary_fails_on_its_latency_and_on_nothing_else(slow: Trial) -> None:
    assert (slow.state.verdict, slow.state.stable, slow.state.canary) == (FAIL, "7", "8")
    assert failed(slow.state) == {"latency"}
    latency = by_name(slow.state)["latency"]
    assert latency.canary is not None
    assert latency.stable is not None
    # A fifth of its requests is over the limit, under a hundredth of stable's.
    assert 0.75 < latency.canary < 0.85
    assert latency.stable > 0.99
    assert of_canary(slow.model) == [(Verdict.FAIL, Urgency.PAGE)]


def test_its_distribution_is_shown_beside_the_share_and_decides_nothing(slow: Trial) -> None:
    whole = by_name(slow.state)["latency p95"]
    assert (whole.verdict, whole.gates) == (FAIL, False)
    assert whole.effect is not None
    assert whole.effect > 0.8


def test_its_share_of_the_requests_is_the_one_it_was_given(slow: Trial) -> None:
    assert slow.state.weight_real == pytest.approx(0.1, abs=0.01)
    assert slow.state.split == ""


def test_a_later_look_says_the_same_of_the_time_before(tmp_path: Path) -> None:
    with lab("canary-latency", tmp_path) as running:
        first = known(fraud(running.snapshot()).canary)
        running.later(20 * 60)
        second = known(fraud(running.snapshot()).canary)
    assert second.started_at == first.started_at
    assert by_name(second)["latency"].failed_at == by_name(first)["latency"].failed_at
    assert by_name(second)["latency"].n_canary > by_name(first)["latency"].n_canary


def fraud(snapshot: Snapshot) -> ModelState:
    found = snapshot.model("fraud-scorer")
    assert found is not None
    return found


def test_when_the_canary_is_taken_back_there_is_no_comparison_any_more(tmp_path: Path) -> None:
    with lab("canary-latency", tmp_path) as running:
        running.abort("ml", "fraud-scorer")
        running.later(45 * 60)
        model = fraud(running.snapshot())
    assert model.canary is None
    assert of_canary(model) == []


def test_a_canary_whose_answers_are_worse_fails_on_them_alone(worse: Trial) -> None:
    assert worse.state.verdict is FAIL
    assert failed(worse.state) == {"helpful"}
    assert of_canary(worse.model) == [(Verdict.FAIL, Urgency.PAGE)]


def test_with_few_requests_it_is_insufficient_and_says_how_much_more(few: Trial) -> None:
    assert few.state.verdict is INSUFFICIENT
    assert few.state.more_events is not None
    assert few.state.more_events > 100
    assert few.state.more_seconds is not None
    assert few.state.more_seconds > 3600
    assert "needs about" in few.state.reason
    assert failed(few.state) == set()
    assert of_canary(few.model) == []


def test_check_neither_passes_nor_fails_it_and_would_wait(few: Trial) -> None:
    judged = judge(few.snapshot, "loan-approval", "3")
    assert (judged.verdict, judged.waits) == (Verdict.UNKNOWN, True)
    assert judged.reason.startswith("canary 3 is insufficient: ")


def test_a_canary_as_good_as_stable_passes(well: Trial) -> None:
    assert well.state.verdict is PASS
    assert judge(well.snapshot, "fraud-scorer", "8").verdict is Verdict.PASS


def test_models_without_a_second_version_have_no_comparison(well: Trial) -> None:
    for model in well.snapshot.models:
        arms = {item.arm for item in model.versions.items if item.arm}
        assert (model.canary is not None) == (len(arms) > 1), model.name
    assert sum(model.canary is None for model in well.snapshot.models) >= 3


def test_a_shadow_that_is_worse_warns_and_never_pages(tmp_path: Path) -> None:
    with lab("canary-latency", tmp_path) as running:
        book = tmp_path / "notebooks" / "fraud-scorer"
        shutil.copytree(EXAMPLES / "fraud-scorer", book)
        manifest = (book / "manifest.yaml").read_text()
        (book / "manifest.yaml").write_text(manifest.replace("    steps: [10, 25, 50] ", "    arm: shadow\n"
                                                             "    steps: [10, 25, 50] ", 1))
        config = yaml.safe_load(running.config.read_text())
        running.config.write_text(yaml.safe_dump({**config, "notebooks": [str(book)]}))
        model = fraud(running.snapshot())
    state = known(model.canary)
    assert (state.arm, state.verdict, state.pages) == ("shadow", FAIL, False)
    assert of_canary(model) == [(Verdict.WARN, Urgency.NONE)]
    assert "rollout rule" not in {reason.rule for reason in model.reasons}
    assert not [reason for reason in model.reasons if reason.urgency is Urgency.PAGE and reason.rule != "alert"]


def test_answers_that_moved_for_both_versions_are_no_failure_of_the_new_one(opening: Opening) -> None:
    state = Trial(opening("drift-both-arms"), "image-moderation").state
    assert failed(state) == set()
    assert state.both_moved.startswith("rejected-share: both arms moved (stable 0.018")
    assert state.both_moved.endswith("rolling back would not help")


def test_all_that_has_a_margin_is_compared(slow: Trial) -> None:
    assert {"latency", "success", "score_mean"} <= set(by_name(slow.state))
    assert by_name(slow.state)["score_mean"].verdict is PASS


def test_the_shares_of_the_decisions_are_shown_for_both_versions(few: Trial) -> None:
    shares = [by_name(few.state)[f"decision {decision}"] for decision in ("approve", "refer", "decline")]
    assert sum(s.canary or 0.0 for s in shares) == pytest.approx(1, abs=1e-6)
    assert {s.gates for s in shares} == {False}
    assert {s.verdict for s in shares} == {INSUFFICIENT}
