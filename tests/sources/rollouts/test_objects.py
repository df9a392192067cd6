"""Objects of every shape into facts: odd ones, partial ones, and those that the lab has none of."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.facts.outcome import Failure, FailureKind
from triage.facts.rollouts import Phase, RolloutFacts, VersionFrom, WeightFrom
from triage.sources.kubernetes import Listed
from triage.sources.rollouts.argo import rollout_facts
from triage.sources.rollouts.deployment import deployment_facts
from triage.sources.rollouts.objects import image_tag, managed_by, revision, selector_text

NOW = 1_800_000_000.0
UID = "0f1e"
FORBIDDEN = Failure(FailureKind.FORBIDDEN, "no", status=403)
DIGEST = "sha256:" + "ab" * 32


def template(image: str = "fraud:8", **metadata: Any) -> dict[str, Any]:
    return {"metadata": metadata, "spec": {"containers": [{"name": "server", "image": image}]}}


def replica_set(pod_hash: str, *, available: int = 1, number: int = 1, uid: str = UID, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": f"fraud-{pod_hash}", "labels": {"rollouts-pod-template-hash": pod_hash,
                                                                "pod-template-hash": pod_hash},
                         "annotations": {"rollout.argoproj.io/revision": str(number)},
                         "ownerReferences": [{"controller": True, "uid": uid}]},
            "spec": {"replicas": available, "template": template(f"fraud:{pod_hash}")} | more,
            "status": {"availableReplicas": available}}


def argo(*sets: dict[str, Any], unread: Failure | None = None, spec: dict[str, Any] | None = None,
         **status: Any) -> RolloutFacts:
    item = {"metadata": {"name": "fraud", "namespace": "ml", "uid": UID, "generation": 3},
            "spec": {"strategy": {"canary": {}}, "template": template()} | (spec or {}),
            "status": {"observedGeneration": "3", "phase": "Progressing", "stableRS": "7",
                       "currentPodHash": "8"} | status}
    return rollout_facts(item, unread or Listed(sets, False), None, NOW)


@pytest.mark.parametrize(("image", "tag"), [
    ("fraud:8", "8"), ("registry.example:5000/team/fraud:8.1-gpu", "8.1-gpu"), ("registry.example:5000/team/fraud", ""),
    (f"fraud:8@{DIGEST}", "8"), (f"fraud@{DIGEST}", ""), ("", "")])
def test_the_tag_of_an_image_is_found(image: str, tag: str) -> None:
    assert image_tag(image) == tag


def test_without_labels_the_version_is_the_image_tag() -> None:
    found = revision(template(f"registry.example/fraud:8@{DIGEST}"), None, pod_hash="x")
    assert (found.version, found.version_from, found.image_digest) == ("8", VersionFrom.IMAGE_TAG, DIGEST)


def test_a_version_that_nothing_names_is_empty_and_says_so() -> None:
    found = revision(template(f"fraud@{DIGEST}"), None, pod_hash="x")
    assert (found.version, found.version_from, found.version_key) == ("", VersionFrom.NONE, "")


def test_the_manifests_label_goes_before_the_recommended_one() -> None:
    made = template(labels={"app.kubernetes.io/version": "24.01", "model": "8"})
    found = revision(made, "model", pod_hash="x")
    assert (found.version, found.version_from, found.version_key) == ("8", VersionFrom.LABEL, "model")
    assert revision(made, "absent", pod_hash="x").version == "24.01"


def test_an_annotation_says_which_container_is_the_model_server() -> None:
    made = template(annotations={"kubectl.kubernetes.io/default-container": "model"})
    made["spec"]["containers"].append({"name": "model", "image": "fraud:9"})
    assert revision(made, None, pod_hash="x").version == "9"


def test_foreign_text_is_cleaned() -> None:
    found = revision(template(labels={"app.kubernetes.io/version": "8\x1b[2J"}), None, pod_hash="x")
    assert found.version == "8␛[2J"


@pytest.mark.parametrize(("selector", "written"), [
    ({"matchLabels": {"app": "fraud", "tier": "gpu"}}, "app=fraud,tier=gpu"),
    ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}, {"key": "x", "operator": "Exists"},
                           {"key": "y", "operator": "DoesNotExist"},
                           {"key": "z", "operator": "NotIn", "values": ["c"]}]}, "app in (a,b),x,!y,z notin (c)"),
    ({"matchExpressions": [{"key": "app", "operator": "Near"}]}, ""), ({}, "")])
def test_a_selector_is_written_as_the_api_takes_it(selector: dict[str, Any], written: str) -> None:
    assert selector_text(selector) == written


@pytest.mark.parametrize(("metadata", "who"), [
    ({"managedFields": [{"manager": "argocd-controller"}]}, "Argo CD"),
    ({"labels": {"argocd.argoproj.io/instance": "a"}}, "Argo CD"),
    ({"labels": {"kustomize.toolkit.fluxcd.io/name": "a"}}, "Flux"), ({"managedFields": [{"manager": "helm"}]}, "Helm"),
    ({"managedFields": [{"manager": "kubectl-client-side-apply"}]}, "")])
def test_who_keeps_an_object_is_told_by_what_they_leave_in_it(metadata: dict[str, Any], who: str) -> None:
    assert managed_by({"metadata": metadata}) == who


def test_without_replica_sets_the_state_is_told_and_what_is_missing() -> None:
    facts = argo(unread=FORBIDDEN)
    assert facts.incomplete is FORBIDDEN
    assert facts.revisions == ()
    assert facts.stable is not None
    assert facts.canary is not None
    assert (facts.stable.pod_hash, facts.stable.version, facts.stable.ready) == ("7", "", None)
    assert (facts.canary.pod_hash, facts.canary.version, facts.canary.ready) == ("8", "8", None)
    assert facts.weight_set is None


def test_replica_sets_of_others_do_not_count() -> None:
    facts = argo(replica_set("7"), replica_set("8", uid="another"))
    assert [each.pod_hash for each in facts.revisions] == ["7"]


def test_more_replica_sets_than_are_read_is_said() -> None:
    item = {"metadata": {"uid": UID}, "spec": {}, "status": {}}
    facts = rollout_facts(item, Listed((replica_set("7"),), True), None, NOW)
    assert facts.incomplete is not None
    assert facts.incomplete.kind is FailureKind.TOO_LARGE


def test_weights_are_percent_whatever_the_router_counts_to() -> None:
    spec = {"strategy": {"canary": {"trafficRouting": {"maxTrafficWeight": 1000}, "steps": [{"setWeight": 50}]}}}
    weights = {"canary": {"weight": 40, "podTemplateHash": "8"}, "stable": {"weight": 960, "podTemplateHash": "7"},
               "verified": False}
    facts = argo(replica_set("7"), replica_set("8"), spec=spec, canary={"weights": weights}, currentStepIndex=0)
    assert (facts.weight_asked, facts.weight_set, facts.weight_from) == (5.0, 4.0, WeightFrom.ROUTER)
    assert facts.weight_verified is False


def test_a_weight_that_is_still_the_last_canarys_is_not_this_ones() -> None:
    spec: dict[str, Any] = {"strategy": {"canary": {"trafficRouting": {"istio": {}}}}}
    weights = {"canary": {"weight": 40, "podTemplateHash": "6"}, "stable": {"weight": 60, "podTemplateHash": "7"}}
    assert argo(replica_set("7"), replica_set("8"), spec=spec, canary={"weights": weights}).weight_set == 0.0


def test_routed_traffic_whose_weights_are_not_told_has_no_weight() -> None:
    spec: dict[str, Any] = {"strategy": {"canary": {"trafficRouting": {"istio": {}}}}}
    facts = argo(replica_set("7", available=4), replica_set("8", available=4), spec=spec)
    assert (facts.weight_set, facts.weight_from) == (None, None)


def test_blue_green_serves_one_version_at_a_time() -> None:
    spec = {"strategy": {"blueGreen": {"autoPromotionSeconds": 60}}}
    pause = {"reason": "BlueGreenPause", "startTime": "2027-01-15T08:00:00Z"}
    facts = argo(replica_set("7"), replica_set("8"), spec=spec, blueGreen={"activeSelector": "7"},
                 pauseConditions=[pause])
    assert (facts.strategy, facts.weight_set, facts.steps, facts.step_index) == ("blueGreen", 0.0, (), None)
    assert facts.pauses[0].until == 1_800_000_000.0 + 60


def test_the_controllers_own_analyses_are_told() -> None:
    run = {"name": "fraud-8-1", "status": "Inconclusive", "message": "too few"}
    facts = argo(canary={"currentStepAnalysisRunStatus": run})
    assert [(each.role, each.name, each.status, each.message) for each in facts.analyses] == [
        ("step", "fraud-8-1", "Inconclusive", "too few")]


@pytest.mark.parametrize(("duration", "seconds"), [("1h30m", 5400.0), (30, 30.0), ("45", 45.0), ("1.5m", 90.0)])
def test_a_pause_is_read_in_every_spelling(duration: Any, seconds: float) -> None:
    facts = argo(spec={"strategy": {"canary": {"steps": [{"pause": {"duration": duration}}]}}})
    assert facts.steps[0].pause_seconds == seconds


def test_steps_of_every_kind_have_a_text() -> None:
    steps = [{"setCanaryScale": {"replicas": 3}}, {"analysis": {"templates": [{"templateName": "success-rate"}]}},
             {"experiment": {}}, {"pause": {}}, {}]
    facts = argo(spec={"strategy": {"canary": {"steps": steps}}}, currentStepIndex=99)
    assert [step.text for step in facts.steps] == ["setCanaryScale replicas=3", "analysis success-rate", "experiment",
                                                   "pause until resumed", "(empty)"]
    assert (facts.step_index, facts.weight_asked) == (5, 100.0)


def test_a_template_taken_from_a_deployment_is_named_and_its_generation_counts() -> None:
    item = {"metadata": {"uid": UID, "generation": 1, "annotations": {"rollout.argoproj.io/workload-generation": "5"}},
            "spec": {"workloadRef": {"kind": "Deployment", "name": "fraud"}, "strategy": {"canary": {}}},
            "status": {"observedGeneration": "1", "phase": "Healthy", "workloadObservedGeneration": "4",
                       "selector": "app=fraud"}}
    facts = rollout_facts(item, Listed((), False), None, NOW)
    assert (facts.workload, facts.selector, facts.observed) == ("Deployment/fraud", "app=fraud", False)
    assert facts.phase is Phase.PROGRESSING


def test_before_the_first_version_is_complete_there_is_no_stable_one() -> None:
    facts = argo(replica_set("8"), stableRS="")
    assert facts.stable is None
    assert facts.canary is not None
    assert facts.weight_asked is None


def test_a_controller_that_has_said_nothing_is_unknown() -> None:
    facts = rollout_facts({"metadata": {"uid": UID, "generation": 1}, "spec": {}}, Listed((), False), None, NOW)
    assert (facts.phase, facts.stable, facts.canary, facts.observed_generation) == (Phase.UNKNOWN, None, None, None)


def test_a_deployment_without_its_replica_sets_does_not_guess_what_else_serves() -> None:
    item = {"metadata": {"uid": UID, "generation": 1}, "spec": {"replicas": 4, "template": template()},
            "status": {"observedGeneration": 1, "replicas": 5, "updatedReplicas": 2, "availableReplicas": 4}}
    facts = deployment_facts(item, FORBIDDEN, None, NOW)
    assert facts.stable is None
    assert facts.canary is not None
    assert (facts.canary.version, facts.canary.desired, facts.incomplete) == ("8", None, FORBIDDEN)
    done = item | {"status": {"observedGeneration": 1, "replicas": 4, "updatedReplicas": 4, "availableReplicas": 4}}
    settled = deployment_facts(done, FORBIDDEN, None, NOW)
    assert settled.stable is not None
    assert (settled.stable.version, settled.canary) == ("8", None)


ODD = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
                   lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
                   max_leaves=6)
ROLLOUT: dict[str, Any] = {
    "metadata": {"name": "fraud", "namespace": "ml", "uid": UID, "generation": 3, "resourceVersion": "9",
                 "creationTimestamp": "2027-01-15T08:00:00Z", "labels": {"a": "b"}, "managedFields": [{"manager": "x"}],
                 "annotations": {"rollout.argoproj.io/workload-generation": "5"}},
    "spec": {"replicas": 5, "paused": True, "template": template(labels={"app.kubernetes.io/version": "8"}),
             "selector": {"matchLabels": {"app": "fraud"}, "matchExpressions": [
                 {"key": "x", "operator": "In", "values": ["y"]}]},
             "workloadRef": {"kind": "Deployment", "name": "fraud"}, "rollbackWindow": {"revisions": 3},
             "strategy": {"type": "RollingUpdate", "canary": {
                 "trafficRouting": {"maxTrafficWeight": 100},
                 "steps": [{"setWeight": 10}, {"pause": {"duration": "10m"}}, {"setCanaryScale": {"replicas": 1}},
                           {"analysis": {"templates": [{"templateName": "a"}]}}]}}},
    "status": {"observedGeneration": "3", "phase": "Paused", "message": "m", "stableRS": "7", "currentPodHash": "8",
               "currentStepIndex": 1, "controllerPause": True, "abort": False, "workloadObservedGeneration": "5",
               "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2027-01-15T08:00:00Z"}],
               "replicas": 5, "updatedReplicas": 1, "availableReplicas": 5, "readyReplicas": 5,
               "conditions": [{"type": "Progressing", "status": "True", "reason": "r", "message": "m",
                               "lastTransitionTime": "2027-01-15T08:00:00Z"}],
               "canary": {"weights": {"canary": {"weight": 10, "podTemplateHash": "8"},
                                      "stable": {"weight": 90, "podTemplateHash": "7"},
                                      "additional": [{"weight": 0, "podTemplateHash": "6"}], "verified": True},
                          "currentStepAnalysisRunStatus": {"name": "a", "status": "Running"}}}}


@st.composite
def spoilt(draw: st.DrawFn, document: Any) -> Any:
    """``document`` with one value in it replaced by something odd, or one key gone."""
    if not isinstance(document, dict | list) or not document or draw(st.integers(0, 5)) == 0:
        return draw(ODD)
    keys = list(document) if isinstance(document, dict) else list(range(len(document)))
    key = draw(st.sampled_from(keys))
    if isinstance(document, dict) and draw(st.integers(0, 9)) == 0:
        return {each: value for each, value in document.items() if each != key}
    inside = draw(spoilt(document[key]))
    if isinstance(document, list):
        return [inside if index == key else value for index, value in enumerate(document)]
    return {**document, key: inside}


@settings(max_examples=300, deadline=None)
@given(spoilt(ROLLOUT), spoilt(replica_set("8")))
def test_no_object_breaks_the_reading(item: Any, listed: Any) -> None:
    sets = Listed(tuple(each for each in (listed, replica_set("7")) if isinstance(each, dict)), False)
    whole = item if isinstance(item, dict) else {}
    assert isinstance(rollout_facts(whole, sets, None, NOW), RolloutFacts)
    assert isinstance(deployment_facts(whole, sets, None, NOW), RolloutFacts)
