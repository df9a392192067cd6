"""Which version is stable and which on trial, by whose word; and where the controller and the traffic disagree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.signals.building import NOW, SUCCESS, notebook
from triage.facts.outcome import Failure, FailureKind
from triage.facts.rollouts import Pause, Phase, Revision, RolloutCondition, RolloutFacts, Step, VersionFrom, WeightFrom
from triage.facts.versions import RegisteredModel, RegisteredVersion
from triage.notebook.manifest import Manifest, Registry, Rollout
from triage.signals.burn import HOUR, MINUTE
from triage.signals.deployed import Deployed, Weight, rollout_reasons, settled, stands, step_of, weight
from triage.signals.model import Versions, VersionState
from triage.signals.reading import Quality, Reading, Urgency, Verdict

STEPS = (Step("setWeight 10", 10.0), Step("pause", until_resumed=True), Step("setWeight 25", 25.0),
         Step("pause 10m", pause_seconds=600.0), Step("setWeight 50", 50.0), Step("pause", until_resumed=True))
PAUSED = (Pause("CanaryPauseStep", NOW - HOUR),)


def manifest(arm: str = "canary") -> Manifest:
    found = notebook(SUCCESS).manifest
    spec = found.spec.model_copy(update={"registry": Registry(kind="mlflow", name=found.metadata.name),
                                         "rollout": Rollout(kind="argo", namespace="ml", name="m"),
                                         "canary": found.spec.canary.model_copy(update={"arm": arm})})
    return found.model_copy(update={"spec": spec})


def seen(shares: Mapping[str, float], arms: Mapping[str, str], n: float = 10_000) -> Versions:
    return Versions("traffic", tuple(
        VersionState(version, arms.get(version, ""), Reading(share, "ratio", Quality.OK, n * share, 300.0, NOW),
                     NOW - HOUR, NOW) for version, share in shares.items()))


TWO = seen({"7": 0.9, "8": 0.1}, {"7": "stable", "8": "canary"})
ONE = seen({"7": 1.0}, {"7": "stable"})


def revision(version: str) -> Revision:
    return Revision(version, VersionFrom.LABEL, "app.kubernetes.io/version", f"hash-{version}", None,
                    created_at=NOW - 2 * HOUR)


def rollout(stable: str | None = "7", canary: str | None = "8", **changed: Any) -> RolloutFacts:
    base = RolloutFacts(
        "Rollout", "ml", "m", NOW - 3, "uid", "1", NOW - 9 * HOUR, 4, 4, True, Phase.PAUSED, "CanaryPauseStep",
        "canary", 10, 10, 10, 1, revision(stable) if stable is not None else None,
        revision(canary) if canary is not None else None, weight_asked=10.0, weight_set=10.0,
        weight_from=WeightFrom.ROUTER, steps=STEPS, step_index=1, pauses=PAUSED)
    return replace(base, **changed)


def registered(**aliases: str) -> RegisteredModel:
    return RegisteredModel("m", tuple(RegisteredVersion(v, NOW - 9 * HOUR) for v in ("9", "8", "7")), aliases, NOW - 3)


def arms(found: Versions) -> tuple[str, dict[str, str]]:
    return found.known_from, {v.version: v.arm for v in found.items if v.arm}


USUAL = {"7": "stable", "8": "canary"}


@pytest.mark.parametrize("said", [Deployed(rollout_awaited=True),
                                  Deployed(registered(champion="7", challenger="8"), rollout_awaited=True)])
def test_before_the_controller_has_answered_the_arms_are_nobodys_word(said: Deployed) -> None:
    assert arms(settled(TWO, said, manifest(), NOW)) == ("waiting", USUAL)


@pytest.mark.parametrize(("traffic", "said", "known_from", "expected"), [
    (TWO, Deployed(), "traffic", USUAL),
    (TWO, Deployed(rollout=rollout()), "rollout", USUAL),
    (TWO, Deployed(registered(champion="7", challenger="8"), rollout=rollout()), "rollout", USUAL),
    (TWO, Deployed(registered(champion="7", challenger="8")), "registry", USUAL),
    # The traffic alone would take the larger share for stable.
    (seen({"8": 0.6, "7": 0.4}, {"8": "stable"}), Deployed(rollout=rollout(weight_asked=60.0)), "rollout", USUAL),
    (seen({"8": 0.6, "7": 0.4}, {"8": "stable"}), Deployed(registered(champion="7", challenger="8")), "registry",
     USUAL),
    # Only stable is named: what is on trial is as the traffic says.
    (TWO, Deployed(registered(champion="7")), "registry", USUAL),
    # What the alias names takes no requests, so the servers do not follow it.
    (TWO, Deployed(registered(champion="9")), "traffic", USUAL),
    (ONE, Deployed(registered(champion="8")), "traffic", {"7": "stable"}),
    (TWO, Deployed(registered()), "traffic", USUAL),
    # An aborted canary is not on trial any more, and neither is one that has become stable.
    (TWO, Deployed(rollout=rollout(aborted=True)), "rollout", {"7": "stable"}),
    (seen({"8": 1.0}, {"8": "stable"}), Deployed(rollout=rollout("8", None)), "rollout", {"8": "stable"}),
    # What cannot be told apart, is not named, was not read or is too old is no word.
    (TWO, Deployed(rollout=rollout("7", "7")), "traffic", USUAL),
    (TWO, Deployed(rollout=rollout("", "8")), "traffic", USUAL),
    (TWO, Deployed(rollout=rollout("7", "")), "traffic", USUAL),
    (TWO, Deployed(rollout=rollout(None)), "traffic", USUAL),
    (TWO, Deployed(rollout=rollout(read_at=NOW - 16)), "traffic", USUAL),
    (TWO, Deployed(rollout=Failure(FailureKind.CONNECT, "refused")), "traffic", USUAL),
    (TWO, Deployed(Failure(FailureKind.CONNECT, "refused")), "traffic", USUAL),
    (seen({"": 1.0}, {"": "stable"}), Deployed(registered(champion="7"), rollout=rollout()), "traffic", {"": "stable"}),
])
def test_the_arms_are_those_of_the_first_that_names_them(traffic: Versions, said: Deployed, known_from: str,
                                                         expected: dict[str, str]) -> None:
    assert arms(settled(traffic, said, manifest(), NOW)) == (known_from, expected)


def test_versions_are_recognised_in_the_spelling_of_the_servers() -> None:
    traffic = seen({"m-r7": 0.9, "m-r8": 0.1}, {})
    expected = {"m-r7": "stable", "m-r8": "canary"}
    assert arms(settled(traffic, Deployed(rollout=rollout("v7", "8")), manifest(), NOW)) == ("rollout", expected)
    aliases = Deployed(registered(champion="7", challenger="8"))
    assert arms(settled(traffic, aliases, manifest(), NOW)) == ("registry", expected)


def test_the_arm_is_called_as_the_manifest_calls_it() -> None:
    assert settled(TWO, Deployed(rollout=rollout()), manifest("shadow"), NOW).arm("shadow") is not None


def test_a_version_that_only_the_controller_has_seen_is_shown_without_a_share() -> None:
    found = settled(ONE, Deployed(rollout=rollout()), manifest(), NOW).arm("canary")
    assert found is not None
    assert (found.version, found.share.value, found.share.quality) == ("8", None, Quality.NO_DATA)


@pytest.mark.parametrize(("facts", "expected"), [
    (rollout(), (1, 4)), (rollout(step_index=0), (1, 4)), (rollout(step_index=2), (2, 4)),
    (rollout(step_index=3), (2, 4)), (rollout(step_index=6), (4, 4)),
    (rollout(steps=(*STEPS, Step("setWeight 100", 100.0)), step_index=7), (4, 4)),
    (rollout(step_index=None), None), (rollout(steps=(Step("pause"),), step_index=0), None),
    (rollout(canary=None), None), (rollout(aborted=True), None)])
def test_a_step_is_a_share_of_the_traffic_and_all_of_it_is_the_last(facts: RolloutFacts,
                                                                    expected: tuple[int, int] | None) -> None:
    assert step_of(facts) == expected


@pytest.mark.parametrize(("facts", "words"), [
    (rollout(), "step 1 of 4, paused"),
    (rollout(pauses=(), phase=Phase.PROGRESSING), "step 1 of 4"),
    (rollout(canary=None, step_index=None, pauses=(), phase=Phase.PROGRESSING), "progressing"),
    (rollout(canary=None, step_index=6, pauses=(), phase=Phase.HEALTHY), ""),
    (rollout(aborted=True, aborted_at=NOW - 12 * MINUTE, phase=Phase.DEGRADED), "aborted 12 min ago"),
    (rollout(aborted=True), "aborted"),
    (rollout(pauses=(), phase=Phase.DEGRADED), "step 1 of 4, degraded"),
    (rollout(pauses=(Pause("InconclusiveAnalysisRun"),)), "step 1 of 4, paused, its analysis is inconclusive"),
    (rollout(pauses=(), promoting_fully=True), "step 1 of 4, being promoted fully"),
    (rollout(observed=False), "step 1 of 4, paused, not seen by its controller yet")])
def test_where_a_rollout_stands_in_words(facts: RolloutFacts, words: str) -> None:
    assert stands(facts, NOW) == words


PAUSED_SINCE = RolloutCondition("Paused", "True", "RolloutPaused", "Rollout is paused", NOW - 2 * HOUR)


@pytest.mark.parametrize(("facts", "expected"), [
    (rollout(), Weight(0.1, NOW - HOUR)),
    (rollout(weight_from=WeightFrom.PODS, weight_set=20.0), Weight(0.2, NOW - HOUR)),
    (rollout(weight_asked=None), Weight(0.1, NOW - HOUR)),
    (rollout(pauses=()), Weight(0.1, None)), (rollout(pauses=(Pause("manual"),)), Weight(0.1, None)),
    (rollout(pauses=(Pause("manual"),), conditions=(PAUSED_SINCE,)), Weight(0.1, NOW - 2 * HOUR)),
    (rollout(pauses=(), conditions=(PAUSED_SINCE,)), Weight(0.1, None)),
    (rollout(weight_asked=None, weight_set=None), None), (rollout(aborted=True), None),
    (rollout(canary=None), None), (rollout(observed=False), None), (rollout(read_at=NOW - 60), None)])
def test_a_weight_counts_from_when_it_is_known_to_be_in_force(facts: RolloutFacts, expected: Weight | None) -> None:
    assert weight(Deployed(rollout=facts), NOW) == expected


def said(traffic: Versions, facts: RolloutFacts | Failure, arm: str = "canary") -> list[str]:
    found = rollout_reasons(traffic, Deployed(rollout=facts), manifest(arm), NOW)
    assert all((r.verdict, r.urgency, r.rule) == (Verdict.WARN, Urgency.TICKET, "rollout") for r in found)
    return [r.text for r in found]


OTHER_SPLIT = seen({"7": 0.75, "8": 0.25}, {"7": "stable", "8": "canary"})
DONE: Mapping[str, Any] = {"canary": None, "pauses": (), "phase": Phase.HEALTHY, "weight_asked": None,
                           "weight_set": None, "weight_from": None}


@pytest.mark.parametrize(("traffic", "facts", "words"), [
    (OTHER_SPLIT, rollout(), "Rollout ml/m says that 8 takes 10 %, the traffic shows 25 % (n 10,000)"),
    (ONE, rollout(), "Rollout ml/m says that 8 takes 10 %, the traffic shows 0 % (n 10,000)"),
    (seen({"8": 1.0}, {"8": "stable"}), rollout(**DONE),
     "Rollout ml/m says that 7 is stable, but it takes no requests: 8 takes 100 %"),
    (TWO, rollout(**DONE), "8 takes 10 %, and Rollout ml/m knows nothing of it"),
    (seen({"7": 0.85, "8": 0.1, "6": 0.05}, USUAL), rollout(), "6 takes 5 %, and Rollout ml/m knows nothing of it"),
    (TWO, rollout(aborted=True, phase=Phase.DEGRADED, aborted_at=NOW - HOUR),
     "Rollout ml/m was aborted, but 8 still takes 10 %"),
    (TWO, rollout(pauses=(), phase=Phase.DEGRADED, message="ProgressDeadlineExceeded"),
     "Rollout ml/m is degraded: ProgressDeadlineExceeded"),
    (TWO, Failure(FailureKind.NOT_FOUND, "no"),
     "there is no Rollout ml/m, which the manifest names as what rolls out its versions")])
def test_what_contradicts_is_a_ticket(traffic: Versions, facts: RolloutFacts | Failure, words: str) -> None:
    assert words in said(traffic, facts)


@pytest.mark.parametrize(("traffic", "facts", "arm"), [
    (TWO, rollout(), "canary"),
    (seen({"7": 0.885, "8": 0.115}, USUAL), rollout(), "canary"),
    # Of so few requests a quarter may be chance.
    (seen({"7": 0.75, "8": 0.25}, USUAL, n=20), rollout(), "canary"),
    # The share is of five minutes: a step that was just taken does not show in full.
    (OTHER_SPLIT, rollout(pauses=(Pause("CanaryPauseStep", NOW - 2 * MINUTE),)), "canary"),
    (OTHER_SPLIT, rollout(pauses=(), phase=Phase.PROGRESSING), "canary"),
    (OTHER_SPLIT, rollout(observed=False), "canary"),
    (OTHER_SPLIT, rollout(read_at=NOW - 60), "canary"),
    (OTHER_SPLIT, rollout("7", "7"), "canary"),
    (ONE, rollout(), "shadow"),
    (TWO, Failure(FailureKind.CONNECT, "refused"), "canary"),
    (Versions("traffic", ()), rollout(), "canary"),
    (ONE, rollout(aborted=True, phase=Phase.DEGRADED, aborted_at=NOW - HOUR), "canary")])
def test_what_agrees_may_be_chance_or_cannot_be_compared_is_nothing(traffic: Versions, facts: RolloutFacts | Failure,
                                                                    arm: str) -> None:
    assert said(traffic, facts, arm) == []
