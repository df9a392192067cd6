"""What all systems over the Kubernetes API promise: permission, identity, offers, and plans that two can compare."""

from __future__ import annotations

import asyncio
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.actions.rollouts.conftest import ACTOR, NOTHING, Stage, manifest
from tests.lab.cluster.ground import START, Ground
from tests.tui.snapshots import healthy, prometheus_lost, with_model
from triage.actions.plan import Action, Plan, Precondition
from triage.actions.rollouts.by_kind import Setting, system_of
from triage.actions.system import Fate, Refusal, Wish
from triage.clock import ManualClock
from triage.config import Active, Context
from triage.facts.outcome import Failure
from triage.lab.cluster.access import VIEW, Access, Rule, User
from triage.signals.reading import Verdict

STEERING = (Action.PAUSE, Action.RESUME, Action.PROMOTE, Action.PROMOTE_FULL, Action.ABORT, Action.ROLLBACK)


class TestPermission:
    async def test_who_may_is_told_as_whom(self, argo: Stage) -> None:
        found = await argo.system.granted(Action.ABORT)
        assert (found.allowed, found.sentence) == (
            True, "you may patch rollouts.argoproj.io/status in ml (as operator)")

    @pytest.mark.parametrize("action", [*STEERING, Action.RETRY, Action.SCALE])
    async def test_a_token_that_only_reads_may_do_nothing_and_is_told_what_is_missing(self, make_stage: Any,
                                                                                      action: Action) -> None:
        stage = make_stage(Ground().with_rollout(), token="reading")
        found = await stage.system.granted(action)
        assert found.allowed is False
        assert found.sentence.startswith("you may not patch rollouts.argoproj.io")
        assert found.sentence.endswith("(as viewer)")
        assert stage.switched.patches == []
        await stage.client.aclose()

    async def test_a_role_without_the_subresource_may_pause_and_not_abort(self, argo: Stage) -> None:
        role = (*VIEW, Rule(("argoproj.io",), ("rollouts",), ("patch",)))
        argo.ground.cluster.access = Access({"writing": User("half", role)})
        assert [(await argo.system.granted(each)).allowed for each in (Action.PAUSE, Action.ABORT)] == [True, False]

    async def test_a_role_that_names_the_object_counts(self, argo: Stage) -> None:
        named = (*VIEW, Rule(("argoproj.io",), ("rollouts",), ("patch",), names=("fraud",)))
        argo.ground.cluster.access = Access({"writing": User("one", named)})
        assert (await argo.system.granted(Action.PAUSE)).allowed is True

    async def test_what_cannot_be_asked_is_not_known(self, argo: Stage) -> None:
        argo.switched.inside = _hanging_up
        found = await argo.system.granted(Action.ABORT)
        assert found.allowed is None
        assert found.sentence.startswith("whether you may patch rollouts.argoproj.io/status in ml is not known: ")

    async def test_it_is_asked_once_a_minute(self, argo: Stage) -> None:
        await argo.system.granted(Action.ABORT)
        asked = len(argo.switched.writes)
        await argo.system.granted(Action.RETRY)
        assert len(argo.switched.writes) == asked

    async def test_a_403_at_sending_is_a_refusal_whatever_was_granted(self, argo: Stage) -> None:
        plan = await argo.plan(Action.ABORT)
        argo.ground.cluster.access = Access({"writing": User("viewer")})
        [refused] = await argo.send(plan)
        assert (refused.fate, refused.code) == (Fate.REFUSED, 403)
        assert 'User "viewer" cannot patch resource "rollouts/status"' in refused.message

    async def test_a_401_at_sending_is_not_sent_again_with_another_credential(
            self, argo: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        plan = await argo.plan(Action.ABORT)
        monkeypatch.setenv("LAB_TOKEN", "another")
        argo.ground.cluster.access = Access({"another": User("operator")})
        [refused] = await argo.send(plan)
        assert (refused.fate, refused.code, len(argo.switched.patches)) == (Fate.REFUSED, 401, 1)


async def _hanging_up(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 503, "headers": []})
    await send({"type": "http.response.body", "body": b"no healthy upstream"})


async def test_we_are_whom_the_server_says(argo: Stage) -> None:
    assert await argo.system.whoami() == "operator"


async def test_an_acted_identity_is_the_one_that_is_told(make_stage: Any) -> None:
    stage = make_stage(Ground().with_rollout())
    role = (*VIEW, Rule(("",), ("users",), ("impersonate",), names=("ana",)))
    stage.ground.cluster.access = Access({"writing": User("bastion", role), "": User("ana")})
    stage.client.source._client.headers["Impersonate-User"] = "ana"
    assert await stage.system.whoami() == "ana"
    await stage.client.aclose()


class TestOffers:
    async def test_every_action_is_possible_or_says_why_not(self, argo: Stage, chat: Stage) -> None:
        for stage in (argo, chat):
            offers = await _offers_of(stage)
            assert set(offers) == set(Action)
            for offer in offers.values():
                if offer.refusal is None:
                    assert offer.sentence
                else:
                    assert offer.refusal.message

    async def test_an_offer_is_possible_exactly_when_there_is_a_plan(self, argo: Stage) -> None:
        for action, offer in (await argo.offers()).items():
            assert isinstance(await argo.wish(action), Plan) is (offer.refusal is None)


async def _offers_of(stage: Stage) -> dict[Action, Any]:
    from triage.lab.apis.kubernetes import app
    stage.switched.inside = app(stage.ground.cluster)
    return await stage.offers()


class TestPlans:
    @pytest.mark.parametrize("action", STEERING)
    async def test_every_precondition_is_something_that_is_observed(self, argo: Stage, action: Action) -> None:
        plan, observed = await argo.plan(action), await argo.system.observe()
        assert not isinstance(observed, Failure)
        found: list[Precondition] = [each for request in plan.requests for each in request.preconditions]
        assert {each.name for each in found} >= {"uid"}
        for each in found:
            assert observed.values[each.name] == each.expected
            assert each.sentence

    @pytest.mark.parametrize("action", STEERING)
    async def test_the_same_facts_give_the_same_digest(self, argo: Stage, action: Action) -> None:
        first, second = await argo.plan(action), await argo.plan(action)
        assert first.digest == second.digest
        later = await argo.system.observe()
        assert not isinstance(later, Failure)
        again = argo.system.plan(Wish(action, "tests"), later, NOTHING, ACTOR, START + 60)
        assert isinstance(again, Plan)
        assert again.digest == first.digest

    async def test_a_preconditions_truth_survives_the_requests_before_it(self, argo: Stage) -> None:
        plan = await argo.plan(Action.ROLLBACK)
        assert (await argo.system.send(plan.requests[0], "a1")).fate is Fate.DONE
        argo.ground.wait(0)
        observed = await argo.system.observe()
        assert not isinstance(observed, Failure)
        for each in plan.requests[1].preconditions:
            assert observed.values[each.name] == each.expected

    async def test_any_change_of_any_field_changes_the_digest(self, argo: Stage) -> None:
        plan = await argo.plan(Action.ROLLBACK)
        ways = list(_changed(plan))
        assert len(ways) > 40
        digests = {each.digest for each in ways}
        assert plan.digest not in digests
        assert len(digests) == len(ways)

    async def test_objectives_that_fail_are_what_has_to_recover(self, argo: Stage) -> None:
        observed = await argo.system.observe()
        assert not isinstance(observed, Failure)
        [model] = healthy().models
        worst = replace(model.slos[0], verdict=Verdict.FAIL)
        snapshot = with_model(healthy(), slos=(worst, *model.slos[1:]))
        for action, expected in ((Action.ABORT, (worst.name,)), (Action.PAUSE, ())):
            plan = argo.system.plan(Wish(action), observed, snapshot, ACTOR, START)
            assert isinstance(plan, Plan)
            assert plan.verification.readings == expected

    async def test_objectives_that_cannot_be_seen_have_to_be_seen_where_failing_ones_have_to_recover(
            self, argo: Stage) -> None:
        observed = await argo.system.observe()
        assert not isinstance(observed, Failure)
        for action, expected in ((Action.ROLLBACK, ("latency", "success", "schema")), (Action.PAUSE, ())):
            plan = argo.system.plan(Wish(action), observed, prometheus_lost(), ACTOR, START)
            assert isinstance(plan, Plan)
            assert plan.verification.readings == expected

    async def test_what_was_read_by_another_system_is_refused(self, argo: Stage) -> None:
        from triage.actions.system import Observed
        found = argo.system.plan(Wish(Action.ABORT), Observed(START, {}), NOTHING, ACTOR, START)
        assert isinstance(found, Refusal)


def _changed(value: Any) -> Any:
    """``value`` with one leaf changed, in every way there is one; aside from when it was made, and how an image was
    read."""
    for each in fields(value):
        if each.name in ("made_at", "image_source"):
            continue
        inner = getattr(value, each.name)
        for other in _others(inner):
            yield replace(value, **{each.name: other})


def _others(inner: Any) -> Any:
    if is_dataclass(inner):
        yield from _changed(inner)
    elif isinstance(inner, tuple):
        for place, each in enumerate(inner):
            for other in _others(each):
                yield (*inner[:place], other, *inner[place + 1:])
        if not inner:
            yield ("more",)
    elif isinstance(inner, bool):
        yield not inner
    elif isinstance(inner, Action):
        yield Action.RETRY
    elif isinstance(inner, str):
        yield f"{inner}~"
    elif inner is None:
        yield 12345
    else:
        yield inner + 1


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(to=st.text(max_size=30) | st.sampled_from(["7", "v7", "8", "revision:1", "revision:2", "revision:"]),
       action=st.sampled_from(list(Action)), replicas=st.text(max_size=8))
def test_whatever_is_wished_gives_a_plan_or_a_refusal_the_same_each_time(seen: tuple[Stage, Any], to: str,
                                                                         action: Action, replicas: str) -> None:
    stage, observed = seen
    wish = Wish(action, "why", to, parameters={"replicas": replicas})
    first, second = (stage.system.plan(wish, observed, NOTHING, ACTOR, START + n) for n in range(2))
    if isinstance(first, Plan):
        assert isinstance(second, Plan)
        assert (first.digest, first.requests) == (second.digest, second.requests)
        assert all(request.body.isascii() and request.body.isprintable() for request in first.requests)
    else:
        assert first == second


@pytest.fixture
def seen(make_stage: Any) -> Any:
    stage = make_stage(Ground().with_rollout(), resources={"replicas": {"min": 1, "max": 9}})
    stage.ground.deploy("8")

    async def look() -> Any:
        observed = await stage.system.observe()
        await stage.client.aclose()
        return observed
    return stage, asyncio.run(look())


class TestByKind:
    @staticmethod
    def of(stage: Stage, found: Any, *, connected: bool = True) -> Any:
        active = Active("lab", Context.model_validate({"prometheus": {"url": "http://p"}}), (), None)
        return system_of(Setting(found, active, ManualClock(START), stage.client if connected else None))

    async def test_the_target_is_named_in_full(self, argo: Stage) -> None:
        target = argo.system.target
        assert (target.system, target.kind, target.namespace, target.name, target.model, target.context) == (
            "argo", "Argo Rollout", "ml", "fraud", "fraud-scorer", "lab")
        assert target.cluster.startswith("http://127.0.0.1:")

    async def test_a_cluster_that_has_a_name_is_called_by_it(self, argo: Stage) -> None:
        named = Context.model_validate({"prometheus": {"url": "http://p"},
                                        "kubernetes": {"url": argo.client.source.url, "name": "prod-eu"}})
        found = system_of(Setting(manifest(), Active("lab", named, (), None), ManualClock(START), argo.client))
        assert not isinstance(found, Refusal)
        assert found.target.sentence() == "Argo Rollout ml/fraud, prod-eu"

    @pytest.mark.parametrize("kind", ["flagger", "kserve", "istio", "gateway", "seldon", "none"])
    async def test_a_kind_that_cannot_be_changed_says_so(self, argo: Stage, kind: str) -> None:
        found = self.of(argo, manifest(kind))
        assert isinstance(found, Refusal)
        assert found.hint

    async def test_a_context_without_a_cluster_says_what_to_add(self, argo: Stage) -> None:
        found = self.of(argo, manifest(), connected=False)
        assert isinstance(found, Refusal)
        assert found.message == "the context lab names no Kubernetes API, which the Argo Rollout is in"

    async def test_a_manifest_without_a_rollout_says_what_to_add(self, argo: Stage) -> None:
        bare = manifest().model_copy(update={"spec": manifest().spec.model_copy(update={"rollout": None})})
        found = self.of(argo, bare)
        assert isinstance(found, Refusal)
        assert "spec.rollout" in found.hint
