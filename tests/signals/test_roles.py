"""Which version behind a load balancer is stable, by whose word; and that a larger weight is nobody's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.signals.building import NOW, SUCCESS, notebook
from tests.signals.test_deployed import arms, registered, seen
from triage.facts.rollouts import Phase, Revision, RolloutFacts, Split, VersionFrom, WeightFrom
from triage.notebook.manifest import Manifest, Registry, Rollout
from triage.signals.burn import HOUR
from triage.signals.deployed import Deployed, rollout_reasons, settled
from triage.signals.model import Versions
from triage.signals.reading import Verdict
from triage.signals.roles import Hints, first_seen, with_roles


def backend(weights: Mapping[str, int], configured: Mapping[str, int] | None = None,
            down: tuple[str, ...] = ()) -> RolloutFacts:
    """A backend whose versions have these weights; all as configured unless said otherwise."""
    total = sum(weight for version, weight in weights.items() if version not in down)
    splits = tuple(Split(version, weight, (configured or dict.fromkeys(weights, 100))[version],
                         (0.0 if version in down else 100 * weight / total) if total else None)
                   for version, weight in weights.items())
    revisions = tuple(Revision(version, VersionFrom.MANIFEST, "", "", None, available=int(version not in down))
                      for version in weights)
    taking = [revision for revision in revisions if weights[revision.version]]
    return RolloutFacts(
        "Backend", "haproxy", "fraud", NOW - 1, "", "", None, 0, None, True, Phase.PROGRESSING, "", "canary", 2, 2, 2,
        0, taking[0] if len(taking) == 1 else None, None, revisions, splits=splits)


def hints(**said: Any) -> Hints:
    return replace(Hints("m"), **said)


EARLY = {"7": None, "8": NOW - HOUR}


@pytest.mark.parametrize(("said", "by"), [
    ({"last_known_good": "7"}, "the manifest's last_known_good"),
    ({"last_known_good": "v7"}, "the manifest's last_known_good"),
    ({"aliased": ("7", "m-r7")}, "the registry's alias"),
    ({"first_seen": EARLY}, "the requests, which it served first"),
    ({"first_seen": {"m-r7": NOW - 2 * HOUR, "m-r8": NOW - HOUR}}, "the requests, which it served first"),
    ({"last_known_good": "7", "aliased": ("7",), "first_seen": EARLY}, "the manifest's last_known_good"),
    ({"last_known_good": "6", "aliased": ("7",)}, "the registry's alias"),
    ({"last_known_good": "6", "aliased": ("5",), "first_seen": EARLY}, "the requests, which it served first")])
@pytest.mark.parametrize("trial", [10, 100, 300])
def test_stable_is_what_the_first_names_who_knows_whatever_the_weights_are(
        said: dict[str, Any], by: str, trial: int) -> None:
    found = with_roles(backend({"7": 100, "8": trial}), hints(**said))
    assert found.stable is not None
    assert found.canary is not None
    assert (found.stable.version, found.canary.version, found.roles_from, found.roles_doubt) == ("7", "8", by, "")
    assert found.weight_set == pytest.approx(100 * trial / (100 + trial))
    assert found.weight_from is WeightFrom.ROUTER


@pytest.mark.parametrize("said", [
    {}, {"last_known_good": "6"}, {"aliased": ("9",)}, {"first_seen": {"7": None, "8": None}},
    {"first_seen": {"7": NOW - HOUR, "8": NOW - HOUR + 60}}, {"first_seen": {"7": None}},
    {"first_seen": {"7": None, "6": NOW - HOUR}}])
@pytest.mark.parametrize("weights", [{"7": 25, "8": 75}, {"7": 50, "8": 50}, {"7": 99, "8": 1}])
def test_weights_alone_are_no_roles(said: dict[str, Any], weights: dict[str, int]) -> None:
    for configured in (None, weights, {"7": 90, "8": 10}):
        found = with_roles(backend(weights, configured), hints(**said))
        assert (found.stable, found.canary, found.weight_set, found.roles_unknown) == (None, None, None, True)
        assert "is stable, and which on trial, is not known" in found.roles_doubt
    assert f"7 ({weights['7']} %) and 8 ({weights['8']} %)" in found.roles_doubt


def test_a_configuration_that_gives_one_version_everything_says_that_it_is_stable() -> None:
    found = with_roles(backend({"7": 25, "8": 75}, {"7": 100, "8": 0}), hints())
    assert found.stable is not None
    assert (found.stable.version, found.roles_from) == ("7", "the configured weights, which give it everything")
    other = with_roles(backend({"7": 25, "8": 75, "6": 0}, {"7": 0, "8": 0, "6": 100}), hints())
    assert other.roles_unknown


@pytest.mark.parametrize(("said", "stable", "doubt"), [
    ({"last_known_good": "7", "aliased": ("8",)}, "7", "8 is by the registry's alias"),
    ({"last_known_good": "7", "first_seen": {"7": NOW - HOUR, "8": None}}, "7", "8 is by the requests"),
    ({"aliased": ("8",), "first_seen": EARLY}, "8", "7 is by the requests")])
def test_who_contradicts_is_told(said: dict[str, Any], stable: str, doubt: str) -> None:
    found = with_roles(backend({"7": 100, "8": 300}), hints(**said))
    assert found.stable is not None
    assert found.stable.version == stable
    assert doubt in found.roles_doubt


def test_whoever_has_all_the_traffic_is_stable_and_nobody_is_asked() -> None:
    found = backend({"7": 0, "8": 100})
    assert with_roles(found, hints(last_known_good="7")) == found
    assert not backend({"7": 0, "8": 0}).roles_unknown


def test_a_stable_version_without_a_server_that_is_up_is_degraded() -> None:
    found = with_roles(backend({"7": 100, "8": 20}, down=("7",)), hints(last_known_good="7"))
    assert (found.phase, found.message) == (Phase.DEGRADED, "no server of 7 is up")


@given(st.dictionaries(st.sampled_from("6789"), st.integers(0, 256), min_size=2), st.sampled_from(["", *"6789"]),
       st.dictionaries(st.sampled_from("6789"), st.one_of(st.none(), st.floats(0, NOW))))
def test_roles_are_of_versions_with_weights_and_never_the_same(
        weights: dict[str, int], good: str, first: dict[str, float | None]) -> None:
    found = with_roles(backend(weights), hints(last_known_good=good, first_seen=first))
    for each in (found.stable, found.canary):
        assert each is None or weights[each.version] > 0
    assert found.stable is None or found.canary is None or found.stable.version != found.canary.version
    if found.canary is not None and good and weights.get(good):
        assert found.stable is not None
        assert found.stable.version == good


def manifest(good: str | None = None) -> Manifest:
    found = notebook(SUCCESS).manifest
    return found.model_copy(update={"spec": found.spec.model_copy(update={
        "registry": Registry(kind="mlflow", name=found.metadata.name),
        "rollback": found.spec.rollback.model_copy(update={"last_known_good": good}),
        "rollout": Rollout(kind="haproxy", name="fraud", servers={"7": ["a"], "8": ["b"]})})})


TRAFFIC = seen({"8": 0.75, "7": 0.25}, {"8": "stable"})
SHARED = backend({"7": 25, "8": 75})


def since(found: Versions, **first: float | None) -> Versions:
    return replace(found, items=tuple(replace(v, first_seen=first[f"v{v.version}"]) for v in found.items))


@pytest.mark.parametrize(("traffic", "said", "good", "expected"), [
    (TRAFFIC, Deployed(rollout=SHARED), "7", ("rollout", {"7": "stable", "8": "canary"})),
    (TRAFFIC, Deployed(registered(champion="7"), rollout=SHARED), None, ("rollout", {"7": "stable", "8": "canary"})),
    (since(TRAFFIC, v7=None, v8=NOW - HOUR), Deployed(rollout=SHARED), None,
     ("rollout", {"7": "stable", "8": "canary"})),
    # Nobody knows: no version has an arm, and none that the traffic alone would give.
    (TRAFFIC, Deployed(rollout=SHARED), None, ("unknown", {})),
    (since(TRAFFIC, v7=None, v8=None), Deployed(registered(champion="9"), rollout=SHARED), "6", ("unknown", {})),
    (TRAFFIC, Deployed(rollout=backend({"7": 0, "8": 100})), None, ("rollout", {"8": "stable"}))])
def test_the_screen_has_the_roles_that_are_known_and_no_others(
        traffic: Versions, said: Deployed, good: str | None, expected: tuple[str, dict[str, str]]) -> None:
    assert arms(settled(traffic, said, manifest(good), NOW)) == expected


def test_that_nobody_knows_is_a_reason_to_be_unknown_with_what_to_do() -> None:
    from triage.signals.deployed import with_roles as roles_of
    said = roles_of(TRAFFIC, Deployed(rollout=SHARED), manifest())
    [reason] = rollout_reasons(TRAFFIC, said, manifest(), NOW)
    assert (reason.verdict, reason.text) == (
        Verdict.UNKNOWN, "Backend haproxy/fraud: which of 7 (25 %) and 8 (75 %) is stable, and which on trial, is not "
        "known: set rollback.last_known_good in the manifest")
    known = roles_of(since(TRAFFIC, v7=NOW - HOUR, v8=None), Deployed(rollout=SHARED), manifest("7"))
    [reason] = rollout_reasons(TRAFFIC, known, manifest("7"), NOW)
    assert (reason.verdict, "8 is by the requests" in reason.text) == (Verdict.WARN, True)


def test_a_version_that_is_only_named_has_not_served() -> None:
    [item] = seen({"7": 1.0}, {}).items
    named = replace(item, version="8", first_seen=None, last_seen=None, share=replace(item.share, n=None, value=None))
    assert first_seen((item, named)) == {"7": NOW - HOUR}
