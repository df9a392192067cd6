"""What the product says about each scenario is what its symptoms deserve: its own clients, over HTTP, on the lab.

The table is about symptoms, not causes: what no objective and no alert can see yet is a pass here, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.conftest import Opening
from tests.lab.standing import lab
from triage.facts.rollouts import RolloutFacts
from triage.lab.world.fleet import FLEET
from triage.lab.world.scenario import available, load
from triage.live.snapshot import Snapshot
from triage.signals.model import ModelState
from triage.signals.reading import Urgency, Verdict

PASS, WARN, FAIL, UNKNOWN = Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.UNKNOWN


@dataclass(frozen=True, slots=True)
class Deserved:
    """What a model's symptoms deserve."""

    verdicts: tuple[Verdict, ...]
    says: tuple[str, ...] = ()
    """Patterns, each of them found in some reason that is not a pass."""
    urgencies: tuple[Urgency, ...] = tuple(Urgency)
    never: tuple[str, ...] = ()
    """Patterns found in no reason that is not a pass."""


_QUIET = Deserved((PASS,), urgencies=(Urgency.NONE,))
_PAGE = (Urgency.PAGE,)
_TICKET = (Urgency.TICKET,)

DESERVED: Mapping[str, Mapping[str, Deserved]] = {
    "healthy": {},
    "canary-latency": {"fraud-scorer": Deserved(
        (FAIL,), ("canary 8 latency: .* under 500 ms against .* on 7", "FraudCanarySlow 8"), _PAGE,
        never=("success", "FraudCanarySlow 7"))},
    # Nothing but the ratings is worse.
    "canary-quality": {"chat-assistant": Deserved(
        (FAIL,), ("ChatRatingLow chat-assistant-r31", "r31 is worse than chat-assistant-r30: helpful"), _PAGE,
        never=("first-token", "success"))},
    # No threshold is near: only the comparison with the training data finds it.
    "slow-drift": {"review-sentiment": Deserved((WARN,), ("^review_length drifts",), _TICKET,
                                                never=("latency", "success", "alert"))},
    "schema-break": {"fraud-scorer": Deserved(
        (WARN, FAIL), ("schema-validity", "FraudSchemaViolations 7 ", "FraudSchemaViolations 8 "), _TICKET,
        never=("latency", "success"))},
    "features-stale": {"loan-approval": Deserved(
        (FAIL,), ("features-fresh", "LoanFeaturesStale"), _PAGE, never=("latency", "success"))},
    "nan-outputs": {"image-moderation": Deserved(
        (FAIL,), ("valid-scores", "ModerationInvalidScores 5", "canary 5 success"), _PAGE,
        never=("ModerationInvalidScores 4",))},
    "oom-under-load": {"chat-assistant": Deserved((FAIL,), ("first-token|ChatFirstTokenSlow",), _PAGE)},
    # Both versions are named alike: nothing tells the canary from stable.
    "drift-both-arms": {"image-moderation": Deserved(
        (WARN,), ("ModerationFeatureDrift 4", "ModerationFeatureDrift 5", "ModerationRejectedShift",
                  "^brightness drifts on 4 and 5 alike: rolling back would not help"), _TICKET,
        never=("latency", "success", "rollout", "width_px"))},
    "low-traffic": {"loan-approval": Deserved((PASS, WARN), urgencies=(Urgency.NONE,), never=("rollout",))},
    "bad-rollback-target": {"fraud-scorer": Deserved(
        (FAIL,), ("success", "last_known_good names version 7, which was withdrawn by model-risk"), _PAGE,
        never=("latency",))},
    # The warnings come with every answer, so nobody can be called healthy, whose series are complete included.
    "partial-answers": {name: Deserved((UNKNOWN,), ("partial",), (Urgency.NONE,)) for name in FLEET},
    "subgroup-hidden": {"chat-assistant": Deserved(
        (WARN,), (r"ChatSubgroupRating .*in pl ", "by language, helpful .* in pl"), _TICKET,
        never=("ChatRatingLow", "first-token", "in de"))},
    "cold-starts": {"review-sentiment": Deserved((WARN, FAIL), ("warm-share|cold", "SentimentColdStarts"),
                                                 never=("success",))},
    "gpu-contention": {"image-moderation": Deserved((FAIL,), ("latency", "queue-time|ModerationQueueLong"), _PAGE,
                                                    never=("success", "rollout"))},
    "data-gone": {"churn-ranker": Deserved((FAIL,), ("table-freshness", "ChurnTableStale"))},
    # Only the registry knows. The model is one of safety: there a missing approval is a page.
    "unapproved": {"image-moderation": Deserved(
        (FAIL,), ("^version 5 .canary. takes 2. % of the requests without approval: validation_status is pending",),
        _PAGE, never=("latency", "success", "version 4"))},
    "skewed-amount": {"fraud-scorer": Deserved((WARN,), ("FraudFeatureDrift 8.*amounts", "^amount drifts"), _TICKET,
                                               never=("latency", "success", "merchant", "country"))},
    # Only the audit log knows.
    "secret-exposed": {"chat-assistant": _QUIET},
}
"""By scenario and model; models that are not named deserve a quiet pass."""


@pytest.fixture(scope="module", params=available())
def seen(request: pytest.FixtureRequest, opening: Opening) -> tuple[str, Snapshot]:
    """A scenario, and what the product says at its opening."""
    return request.param, opening(request.param)


def reasons(model: ModelState) -> list[str]:
    """Those that are not a pass, and not about what nobody requires."""
    return [reason.text for reason in model.reasons if reason.verdict in (WARN, FAIL)
            or (reason.verdict is UNKNOWN and "(not required)" not in reason.text)]


def told(model: ModelState) -> str:
    """For the message of a failed test."""
    lines = "\n  ".join(f"{r.verdict} {r.urgency} [{r.rule}] {r.text}" for r in model.reasons)
    return f"{model.name}: {model.verdict}, {model.urgency}\n  {lines}"


def test_every_scenario_has_its_line() -> None:
    assert set(DESERVED) == set(available())


def test_its_models_get_the_verdicts_that_their_symptoms_deserve(seen: tuple[str, Snapshot]) -> None:
    name, snapshot = seen
    wrong = []
    for model in snapshot.models:
        deserved = DESERVED[name].get(model.name, _QUIET)
        said = reasons(model)
        missing = [p for p in deserved.says if not any(re.search(p, text) for text in said)]
        surplus = [p for p in deserved.never if any(re.search(p, text) for text in said)]
        if model.verdict not in deserved.verdicts or model.urgency not in deserved.urgencies or missing or surplus:
            wrong.append(f"{told(model)}\n  deserved {deserved}; missing {missing}, surplus {surplus}")
    assert not wrong, "\n".join(wrong)


def test_all_six_models_and_every_source_answer(seen: tuple[str, Snapshot]) -> None:
    name, snapshot = seen
    assert len(snapshot.models) == 6
    assert snapshot.broken == ()
    assert {source.name: str(source.state) for source in snapshot.sources} == dict.fromkeys(
        ("alertmanager", "registry", "kubernetes"), "ok") | {
            "prometheus": "partial" if name == "partial-answers" else "ok"}


def test_versions_on_trial_are_seen_as_such(seen: tuple[str, Snapshot]) -> None:
    name, snapshot = seen
    for release in load(name).releases:
        model = snapshot.model(release.model)
        assert model is not None
        arms = {item.arm: item.version for item in model.versions.items if item.arm}
        assert arms.get("stable") == release.stable
        if release.canary is not None:
            assert arms.get("canary") == release.canary
        if isinstance(model.rollout, RolloutFacts):
            assert model.versions.known_from == "rollout"
            assert model.canary is None or model.canary.state is None or model.canary.state.known_from == "rollout"


def test_registry_rollouts_and_traffic_contradict_each_other_only_where_that_is_the_scenario(
        seen: tuple[str, Snapshot]) -> None:
    name, snapshot = seen
    # Of answers that may lack series nobody can say which versions serve.
    expected = {"unapproved": {"not_approved"}, "bad-rollback-target": {"rollback_target"},
                "partial-answers": {"not_known"}}.get(name, set())
    found = {str(finding.kind) for model in snapshot.models if model.lineage is not None
             for finding in model.lineage.findings}
    assert found == expected
    assert not [reason.text for model in snapshot.models for reason in model.reasons if reason.rule == "rollout"]


def test_an_abort_ends_what_only_the_canary_suffered_from(tmp_path: Path) -> None:
    with lab("canary-latency", tmp_path) as running:
        running.abort("ml", "fraud-scorer")
        running.later(45 * 60)
        model = running.snapshot().model("fraud-scorer")
    assert model is not None
    assert model.verdict is PASS, told(model)
    assert [item.version for item in model.versions.items if item.arm] == ["7"]


def test_an_abort_helps_nobody_when_both_versions_drift(tmp_path: Path) -> None:
    with lab("drift-both-arms", tmp_path) as running:
        running.abort("vision", "image-moderation")
        running.later(45 * 60)
        model = running.snapshot().model("image-moderation")
    assert model is not None
    assert model.verdict is WARN, told(model)
    assert any("ModerationFeatureDrift 4" in text for text in reasons(model))
