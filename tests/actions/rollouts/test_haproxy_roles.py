"""Actions on an HAProxy at which the version on trial has more traffic than the stable one, carried out to the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.actions.building import ARMED, DAY, model, proven, snapshot
from tests.actions.rollouts.conftest import manifest
from tests.desk.others import Proxy, proxy
from tests.sources.test_haproxy import active
from triage.actions.circumstances import Policy
from triage.actions.executor import Executor
from triage.actions.history import Outcome
from triage.actions.journal import Journal, Origin
from triage.actions.lease_files import FileLeases
from triage.actions.plan import Action
from triage.actions.proven import Proven
from triage.actions.rollouts.by_kind import Setting, system_of
from triage.actions.signature import Signature
from triage.actions.steps import Confirmation, Prepared, Stage
from triage.actions.system import Refusal, Wish
from triage.clock import ManualClock
from triage.config_sources import HaproxySocket
from triage.signals.model import ModelState
from triage.state_dir import StateDir


@dataclass
class Site:
    """An executor over one backend."""

    executor: Executor
    haproxy: Proxy

    async def prepare(self, action: Action, to: str = "") -> Prepared:
        found = await self.executor.prepare(Wish(action, "it fails", to))
        assert isinstance(found, Prepared), found
        return found

    async def confirmed(self, prepared: Prepared, *, glass: str = "") -> Outcome | None:
        said = Confirmation(prepared.plan.confirmation, frozenset(prepared.acknowledgements), glass)
        steps = [step async for step in self.executor.carry_out(prepared, said)]
        return next(step.outcome for step in steps if step.outcome is not None)


UNKNOWN_ROLES = replace(model(), lineage=None, versions=replace(model().versions, items=()))
PAIR = {"7": ["m7"], "8": ["m8"]}
Make = Callable[..., Site]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Make]:
    """An executor over a backend with these weights; what is ``shown`` beside it knows of no roles."""
    with ExitStack() as stack:
        def made(weights: Mapping[str, int], servers: Mapping[str, Sequence[str]] | None = None, *,
                 steps: Sequence[float] = (10, 50, 75), good: str = "7", shown: ModelState = UNKNOWN_ROLES,
                 configured: Mapping[str, int] | None = None) -> Site:
            folder = Path(stack.enter_context(TemporaryDirectory(dir=tmp_path)))
            haproxy = stack.enter_context(proxy(folder, weights, configured))
            clock, screen = ManualClock(), replace(snapshot(shown), production=False)
            promised = manifest(rollout={"kind": "haproxy", "name": "fraud", "servers": dict(servers or PAIR)},
                                canary={"steps": list(steps)}, rollback={"last_known_good": good} if good else {},
                                registry={"kind": "mlflow", "name": "fraud-scorer"})
            system = system_of(Setting(promised, active(HaproxySocket(socket=str(haproxy.socket))), clock,
                                       snapshot=lambda: screen))
            assert not isinstance(system, Refusal)

            async def wait(seconds: float) -> None:
                clock.advance(seconds)
                await asyncio.sleep(0)

            async def signature(version: str) -> Signature:
                return Signature(True, "takes today's inputs")

            async def looked_back(needed_seconds: float, share: float) -> Proven:
                return proven()

            return Site(Executor(
                system, Journal(StateDir(folder / "journal"), clock, None, Origin("bastion", "ana", 1, 1)),
                FileLeases(StateDir(folder / "leases"), "bastion"), clock,
                Policy(last_known_good=good, approvals=0, proven_seconds=DAY, cool_down_actions=99), lambda: ARMED,
                lambda: replace(screen, at=clock.now() - 1, models=tuple(
                    replace(each, data_at=clock.now() - 1) for each in screen.models)), signature, wait, looked_back),
                haproxy)
        yield made


ONE_EACH = {"m7": 100, "m8": 0}


@pytest.mark.parametrize("action", [Action.ABORT, Action.ROLLBACK])
@pytest.mark.parametrize(("weights", "servers", "steps"), [
    (ONE_EACH, PAIR, (10, 50, 75)),
    # At one half, more servers or their order in the manifest must not decide.
    ({"a": 100, "a2": 100, "b": 0, "b2": 0, "b3": 0}, {"7": ["a", "a2"], "8": ["b", "b2", "b3"]}, (10, 50)),
    (ONE_EACH, {"8": ["m8"], "7": ["m7"]}, (10, 50))])
async def test_after_the_last_step_the_traffic_goes_back_to_the_version_that_was_stable(
        site: Make, action: Action, weights: Mapping[str, int], servers: Mapping[str, Sequence[str]],
        steps: Sequence[float]) -> None:
    of = site(weights, servers, steps=steps)
    for _ in steps:
        prepared = await of.prepare(Action.PROMOTE)
        assert prepared.plan.after.version == "8"
        await of.confirmed(prepared, glass="tests")
    back = await of.prepare(action)
    assert (back.plan.before.version, back.plan.after.version) == ("8", "7")
    assert await of.confirmed(back) is not Outcome.REFUSED
    assert {name for name, weight in of.haproxy.weights.items() if weight} == set(servers["7"])


@pytest.mark.parametrize("action", [Action.PROMOTE, Action.PROMOTE_FULL])
async def test_above_one_half_a_promotion_goes_on_with_the_version_on_trial(site: Make, action: Action) -> None:
    of = site({"m7": 33, "m8": 100}, steps=(10, 50, 75, 90))
    prepared = await of.prepare(action)
    assert (prepared.plan.after.version, prepared.plan.before.version) == ("8", "7")
    await of.confirmed(prepared, glass="tests")
    assert of.haproxy.weights == ({"m7": 11, "m8": 100} if action is Action.PROMOTE else {"m7": 0, "m8": 100})


@pytest.mark.parametrize("shown", [
    replace(model(), lineage=None), replace(model(), versions=replace(model().versions, items=()))],
    ids=["who served first", "alias"])
async def test_without_a_word_in_the_manifest_the_registry_or_the_requests_know_it(
        site: Make, shown: ModelState) -> None:
    of = site({"m7": 25, "m8": 75}, good="", shown=shown)
    assert (await of.prepare(Action.ABORT)).plan.after.version == "7"
    promotion = (await of.prepare(Action.PROMOTE)).plan
    assert promotion.after.version == "8"
    assert promotion.warnings[0].startswith("7 is stable by the re")


async def test_where_nobody_knows_the_roles_a_version_has_to_be_named_and_what_is_not_known_is_acknowledged(
        site: Make) -> None:
    of = site({"m7": 25, "m8": 75}, good="")
    for action in (Action.ABORT, Action.ROLLBACK, Action.PROMOTE, Action.PROMOTE_FULL):
        refusal = await of.executor.prepare(Wish(action, "it fails"))
        assert isinstance(refusal, Refusal)
        assert "which of 7 (25 %) and 8 (75 %) is stable" in refusal.message
        assert "--to 7 or 8" in refusal.hint
    assert of.haproxy.set == []
    prepared = await of.prepare(Action.ROLLBACK, "7")
    assert "roles" in prepared.acknowledgements
    [roles] = [each for each in prepared.checked if each.name == "roles"]
    assert roles.sentence.startswith("which of 7 (25 %) and 8 (75 %)")
    await of.confirmed(prepared)
    assert of.haproxy.weights == {"m7": 25, "m8": 0}


@pytest.mark.parametrize(("action", "said"), [(Action.PROMOTE, "v8 takes 50 % of the requests"),
                                              (Action.PROMOTE_FULL, "v8 takes all traffic")])
async def test_a_version_that_is_named_is_promoted_also_where_nobody_knows_the_roles(
        site: Make, action: Action, said: str) -> None:
    assert (await site({"m7": 90, "m8": 10}, good="").prepare(action, "8")).plan.after.text == said


async def test_a_rollback_to_the_version_on_trial_is_blocked_and_only_breaking_glass_does_it(site: Make) -> None:
    of = site({"m7": 25, "m8": 75})
    prepared = await of.prepare(Action.ROLLBACK, "8")
    [roles] = [each for each in prepared.stops if each.name == "roles"]
    assert roles.sentence == ("v8 is on trial itself, and v7 is stable, by the manifest's last_known_good: promote is "
                              "what gives it more traffic")
    assert await of.confirmed(prepared) is Outcome.REFUSED
    assert of.haproxy.set == []
    assert await of.confirmed(await of.prepare(Action.ROLLBACK, "8"), glass="v7 is bad") is not Outcome.REFUSED
    assert of.haproxy.weights == {"m7": 0, "m8": 75}


async def test_where_nobody_else_knows_the_journal_knows_what_was_promoted(site: Make) -> None:
    of = site(ONE_EACH, good="")
    await of.confirmed(await of.prepare(Action.PROMOTE, "8"), glass="tests")
    [roles] = [each for each in (await of.prepare(Action.ROLLBACK, "8")).stops if each.name == "roles"]
    assert roles.sentence.startswith("v8 is on trial: promote fraud-scorer to v8 by ")
    assert roles.sentence.endswith("by the journal")


async def test_a_version_that_the_configuration_gives_nothing_can_still_take_everything(site: Make) -> None:
    of = site(ONE_EACH, configured={"m7": 100, "m8": 0}, good="")
    prepared = await of.prepare(Action.PROMOTE_FULL)
    assert [each.path for each in prepared.plan.requests] == ["set weight fraud/m8 100", "set weight fraud/m7 0%"]
    await of.confirmed(prepared, glass="tests")
    assert of.haproxy.weights == {"m7": 0, "m8": 100}


async def test_by_configured_weights_of_all_or_nothing_the_trial_is_known(site: Make) -> None:
    prepared = await site({"m7": 25, "m8": 75}, configured={"m7": 100, "m8": 0}, good="").prepare(Action.ABORT)
    assert prepared.plan.after.version == "7"
    [roles] = [each for each in prepared.checked if each.name == "roles"]
    assert roles.sentence == "v7 is stable, by the configured weights, which give it everything"


async def test_traffic_is_not_sent_to_servers_that_went_down_after_the_plan(site: Make) -> None:
    of = site({"m7": 90, "m8": 10})
    prepared = await of.prepare(Action.ROLLBACK)
    of.haproxy.down.add("m7")
    assert await of.confirmed(prepared, glass="tests") is Outcome.REFUSED
    assert of.haproxy.set == []


async def test_between_two_commands_it_is_looked_whether_the_servers_are_still_up(site: Make) -> None:
    of = site({"m7": 0, "m8": 100})
    prepared = await of.prepare(Action.ROLLBACK, "7")
    assert len(prepared.plan.requests) == 2
    said = Confirmation(prepared.plan.confirmation, frozenset(prepared.acknowledgements), "tests")
    ended = None
    async for step in of.executor.carry_out(prepared, said):
        if step.stage is Stage.SENT and step.request == 0:
            of.haproxy.down.add("m7")
        ended = step.outcome or ended
    assert ended is Outcome.FAILED
    assert of.haproxy.weights == {"m7": 100, "m8": 100}
