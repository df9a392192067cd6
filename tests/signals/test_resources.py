"""What pods use: of what, near what, and what is not known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.signals.serving_data import (
    GIB,
    NOW,
    POD,
    STALE_AFTER,
    answers,
    listed,
    listed_pod,
    per_pod,
    revision,
    rollout,
    sample,
    usual,
    usual_of,
)
from triage.facts.pod_series import PodAnswers, PodPart
from triage.facts.rollouts import PodsFacts
from triage.facts.samples import Sample
from triage.signals.reading import Verdict
from triage.signals.resources import Promised, cores, pod_states, version_of
from triage.signals.resources_model import Basis, PodState


def states(found: Mapping[PodPart, Sequence[Sample]], pods: PodsFacts | None = None, promised: Promised | None = None,
           now: float = NOW) -> tuple[PodState, ...]:
    return pod_states(answers(found), pods, lambda name, pod: "", promised or Promised(), now)


def state(found: Mapping[PodPart, Sequence[Sample]], pods: PodsFacts | None = None, promised: Promised | None = None,
          now: float = NOW) -> PodState:
    [only] = states(found, pods, promised, now)
    return only


def test_a_pod_within_its_limits_is_well_and_says_of_what_its_shares_are() -> None:
    pod = state(usual())
    assert (pod.verdict, pod.why) == (Verdict.PASS, ())
    assert (pod.cpu.basis, pod.memory.share, pod.throttled.n) == (Basis.LIMIT, 0.5, 3000)
    assert [pod.cpu.share, pod.throttled.share] == pytest.approx([0.65, 0.01])


@pytest.mark.parametrize(("changed", "why"), [
    ({"MEMORY": per_pod({POD: 3.7 * GIB})}, "memory at 92 % of its limit"),
    ({"CPU": per_pod({POD: 1.95})}, "CPU at 98 % of its limit"),
    ({"THROTTLED": per_pod({POD: 900.0})}, "throttled in 30 % of its CPU periods"),
    ({"RESTARTED": per_pod({POD: 1.0}), "RESTARTS": per_pod({POD: 4.0})}, "restarted within 1 h"),
    ({"RESTARTED": per_pod({POD: 3.0}), "RESTARTS": per_pod({POD: 3.0}),
      "LAST_END": per_pod({POD: 1.0}, reason="Error")}, "restarted 3x in 1 h (Error)")])
def test_what_is_near_a_limit_or_restarts_is_to_be_watched(changed: dict[str, list[Sample]], why: str) -> None:
    pod = state(usual(**changed))
    assert (pod.verdict, pod.why) == (Verdict.WARN, (why,))


@pytest.mark.parametrize(("changed", "why"), [
    ({"RESTARTED": per_pod({POD: 2.0}), "LAST_END": per_pod({POD: 1.0}, reason="OOMKilled")}, "OOMKilled 2x in 1 h"),
    ({"WAITING": per_pod({POD: 1.0}, reason="CrashLoopBackOff")}, "CrashLoopBackOff")])
def test_what_was_killed_or_does_not_start_fails(changed: dict[str, list[Sample]], why: str) -> None:
    pod = state(usual(**changed))
    assert (pod.verdict, pod.why) == (Verdict.FAIL, (why,))


def test_a_kill_of_long_ago_is_told_and_no_longer_held_against_the_pod() -> None:
    # kube-state-metrics tells the reason of the last end for as long as the pod lives.
    pod = state(usual(LAST_END=per_pod({POD: 1.0}, reason="OOMKilled"), RESTARTS=per_pod({POD: 1.0})))
    assert (pod.verdict, pod.last_end, pod.restarts) == (Verdict.PASS, "OOMKilled", 1)


def test_kubernetes_own_word_on_a_kill_counts_where_no_series_has_seen_it_yet() -> None:
    killed = listed_pod(restarts=1, last_end="OOMKilled", last_end_at=NOW - 240, oom_killed=True)
    pod = state(usual(), listed(killed))
    assert (pod.verdict, pod.why, pod.restarts) == (Verdict.FAIL, ("OOMKilled 4 min ago",), 1)


def test_the_container_nearest_to_its_limit_stands_for_the_pod() -> None:
    used = [*per_pod({POD: 2 * GIB}), sample(0.95 * GIB, pod=POD, container="sidecar")]
    limits = [*per_pod({POD: 4 * GIB}, resource="memory"),
              sample(GIB, pod=POD, container="sidecar", resource="memory")]
    pod = state(usual(MEMORY=used, LIMITS=limits))
    assert (pod.memory.used, pod.memory.whole, pod.memory.verdict) == (0.95 * GIB, GIB, Verdict.WARN)


def test_without_limits_requests_are_the_whole_and_more_of_them_is_allowed() -> None:
    pod = state(usual(LIMITS=(), REQUESTS=per_pod({POD: 1.0}, resource="cpu")))
    assert (pod.cpu.basis, pod.cpu.share, pod.cpu.verdict) == (Basis.REQUEST, 1.3, Verdict.PASS)


def test_without_either_the_manifest_is_the_whole_and_more_than_it_says_is_to_be_watched() -> None:
    pod = state(usual(LIMITS=()), promised=Promised(1.0, 4 * GIB))
    assert (pod.cpu.basis, pod.cpu.verdict) == (Basis.MANIFEST, Verdict.WARN)
    assert pod.why == ("CPU at 130 % of what the manifest says",)


def test_with_nothing_to_compare_with_it_is_shown_and_not_judged() -> None:
    pod = state(usual(LIMITS=()))
    assert (pod.cpu.used, pod.cpu.share, pod.cpu.verdict, pod.verdict) == (1.3, None, Verdict.NOT_JUDGED, Verdict.PASS)


def test_a_few_periods_are_no_share() -> None:
    pod = state(usual(PERIODS=per_pod({POD: 50.0}), THROTTLED=per_pod({POD: 50.0})))
    assert (pod.throttled.verdict, pod.verdict) == (Verdict.LOW_N, Verdict.PASS)


@pytest.mark.parametrize(("changed", "pods", "verdict", "why"), [
    ({"SEEN": [sample(NOW - 720, pod=POD)]}, listed(listed_pod()), Verdict.UNKNOWN, "no sample for 12 min"),
    ({"SEEN": ()}, listed(listed_pod()), Verdict.UNKNOWN, "no sample within 1 h"),
    ({"SEEN": ()}, listed(listed_pod(created_at=NOW - 30)), Verdict.PENDING, "new, not measured yet")])
def test_a_pod_without_fresh_samples_is_not_known_to_be_well(
        changed: dict[str, list[Sample]], pods: PodsFacts, verdict: Verdict, why: str) -> None:
    pod = state(usual(**changed), pods)
    assert (pod.verdict, pod.why) == (verdict, (why,))
    assert (pod.cpu.used, pod.cpu.verdict, pod.memory.verdict) == (None, Verdict.UNKNOWN, Verdict.UNKNOWN)


def test_before_the_first_answer_nothing_is_known_of_the_pods_that_kubernetes_lists() -> None:
    [pod] = pod_states(PodAnswers(STALE_AFTER), listed(listed_pod()), lambda name, facts: "8", Promised(), NOW)
    assert (pod.verdict, pod.why, pod.version) == (Verdict.UNKNOWN, ("its use has not been told yet",), "8")


def test_an_answer_that_is_too_old_keeps_its_figures_and_calls_nothing_well() -> None:
    pod = state(usual(), now=NOW + 600)
    assert (pod.verdict, pod.cpu.used, pod.why) == (Verdict.UNKNOWN, 1.3, ())


def test_kubernetes_decides_which_pods_there_are() -> None:
    gone, new = "fraud-scorer-7c9f8-gone1", "fraud-scorer-7c9f8-new22"
    found = states(usual_of((POD, gone)), listed(listed_pod(), listed_pod(new)))
    assert [pod.name for pod in found] == [new, POD]


def test_a_pod_that_does_not_take_requests_is_to_be_watched_and_one_that_failed_fails() -> None:
    assert state(usual(), listed(listed_pod(ready=False))).why == ("not ready",)
    assert state(usual(), listed(listed_pod(phase="Failed", ready=False))).verdict is Verdict.FAIL
    assert state(usual(), listed(listed_pod(waiting="ImagePullBackOff", ready=False))).why == ("ImagePullBackOff",)


def test_gpus_are_told_as_their_mean_and_their_fullest_memory() -> None:
    gpus = {"GPU": [sample(80, pod=POD, gpu="0"), sample(60, pod=POD, gpu="1")],
            "GPU_USED": [sample(22_800, pod=POD, gpu="0"), sample(9_000, pod=POD, gpu="1")],
            "GPU_FREE": [sample(200, pod=POD, gpu="0"), sample(14_000, pod=POD, gpu="1")]}
    pod = state(usual(**gpus))
    assert pod.gpu.share == pytest.approx(0.7)
    assert pod.gpu.verdict is Verdict.NOT_JUDGED
    assert (pod.gpu_memory.verdict, pod.why) == (Verdict.WARN, ("GPU memory at 99 % of all there is",))


def test_a_gpu_that_cannot_tell_is_not_known_and_a_model_without_one_has_none() -> None:
    unsupported = {"GPU": [sample(9223372036854775794.0, pod=POD, gpu="0")]}
    assert state(usual(**unsupported), promised=Promised(gpus=1)).gpu.verdict is Verdict.UNKNOWN
    assert state(usual()).gpu.verdict is Verdict.NOT_JUDGED


def test_the_worst_pod_stands_first() -> None:
    names = ("fraud-scorer-7c9f8-aaaaa", "fraud-scorer-7c9f8-bbbbb", "fraud-scorer-7c9f8-ccccc")
    found = usual_of(names, MEMORY=per_pod(dict(zip(names, (2 * GIB, 3.9 * GIB, 2 * GIB), strict=True))),
                     WAITING=per_pod({names[2]: 1.0}, reason="CrashLoopBackOff"))
    assert [pod.name[-5:] for pod in states(found)] == ["ccccc", "bbbbb", "aaaaa"]


def test_the_version_of_a_pod_is_told_by_its_template_its_set_or_its_name() -> None:
    known = rollout(revision("7", "5d4f6"), revision("8", "7c9f8"))
    assert version_of("any", listed_pod(pod_hash="5d4f6"), known, ()) == "7"
    assert version_of(POD, None, known, ()) == "8"
    assert version_of("chat-r31-7c9f8-x2k4p", None, None, ("chat-r3", "chat-r31", "chat")) == "chat-r31"
    assert version_of("8-7c9f8-x2k4p", None, None, ("8",)) == ""


@pytest.mark.parametrize(("text", "number"), [("2", 2.0), ("500m", 0.5), ("0.5", 0.5), (None, None)])
def test_amounts_of_cpu_are_cores(text: str | None, number: float | None) -> None:
    assert cores(text) == number


@given(st.floats(), st.floats(), st.floats(), st.floats())
def test_no_number_from_outside_makes_a_share_that_is_none(cpu: float, limit: float, periods: float,
                                                           throttled: float) -> None:
    pod = state(usual(CPU=per_pod({POD: cpu}), LIMITS=per_pod({POD: limit}, resource="cpu"),
                      PERIODS=per_pod({POD: periods}), THROTTLED=per_pod({POD: throttled})))
    for use in (pod.cpu, pod.throttled):
        assert use.used is None or math.isfinite(use.used)
    assert pod.throttled.share is None or 0 <= pod.throttled.share <= 1
