"""Each guard stops an action, or asks about it, for what is really so in the lab: nothing that it looks at is made up,
and no request reaches the lab."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.desk.others import proxy
from tests.desk.whole import Whole, carried_out, ended, planned, whole
from tests.lab.standing import NOW, READS
from tests.notebook.example_data import EXAMPLES
from triage.actions.guards import GUARDS
from triage.actions.guards.checking import Checked, Verdict
from triage.actions.history import Outcome
from triage.actions.plan import Action
from triage.actions.steps import Confirmation, Prepared, Stage, Step
from triage.actions.system import Wish
from triage.desk.actions import ActionDesk
from triage.lab.cluster.resources import PODS, REPLICA_SETS, ROLLOUTS

MODEL = "fraud-scorer"
ROLLOUT = f"ml/{MODEL}"
CANARY, WITHDRAWN = "canary-latency", "bad-rollback-target"


@dataclass(frozen=True)
class Scene:
    """A lab, and a person in it with a state directory of their own."""

    lab: Whole
    state: str
    """Name of the state directory."""
    open: ExitStack
    """What is undone when the case is over."""
    begun: list[AsyncGenerator[Step, None]] = field(default_factory=list)
    """Actions of others that are under way."""

    async def desk(self, **how: Any) -> ActionDesk:
        """A desk of that person."""
        return await self.lab.desk(MODEL, state=self.state, **how)


Change = Callable[[Scene], Awaitable[None]]


async def nothing(scene: Scene) -> None:
    """All is as it is at the opening."""


@dataclass(frozen=True)
class Case:
    """How a guard comes to say something."""

    guard: str
    why: str
    action: Action
    words: str
    """Pattern found in its sentence."""
    verdict: Verdict = Verdict.BLOCKED
    asks: bool = False
    """It can be acknowledged, and then it goes on; else nothing that is typed lets it go on."""
    to: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    scenario: str = CANARY
    desk: Mapping[str, Any] = field(default_factory=dict)
    before: Change = nothing
    """Until somebody looks, and makes the plan."""
    between: Change = nothing
    """After it was made and before it is carried out."""
    own: bool = False
    """It needs a lab of its own, because what it does stays."""

    @property
    def wish(self) -> Wish:
        return Wish(self.action, "a test", self.to, parameters=self.parameters)

    def __str__(self) -> str:
        return f"{self.guard}: {self.why}"


async def kill_switch(scene: Scene) -> None:
    (scene.lab.folder / "frozen").write_text("the datacenter moves\n")
    scene.open.callback((scene.lab.folder / "frozen").unlink)


async def kubernetes_falls_silent(scene: Scene) -> None:
    scene.lab.silence("kubernetes")
    scene.open.callback(scene.lab.hear, "kubernetes")


async def prometheus_falls_silent(scene: Scene) -> None:
    scene.lab.silence("prometheus")
    scene.open.callback(scene.lab.hear, "prometheus")


async def nobody_looks_any_more(scene: Scene) -> None:
    scene.lab.lab.later(90)


async def made_anew(scene: Scene) -> None:
    cluster = scene.lab.lab.world.cluster
    old = cluster.storage.get(ROLLOUTS, "ml", MODEL)
    for each in (REPLICA_SETS, PODS):
        for item in cluster.storage.all(each, "ml"):
            if item["metadata"]["name"].startswith(MODEL):
                cluster.storage.remove(each, "ml", item["metadata"]["name"])
    cluster.storage.remove(ROLLOUTS, "ml", MODEL)
    cluster.add({**old, "metadata": {key: old["metadata"][key] for key in ("name", "namespace", "labels")}})
    scene.lab.lab.later(60)


async def most_goes_to_the_trial(scene: Scene) -> None:
    made = scene.open.enter_context(proxy(scene.lab.folder, {"m7": 25, "m8": 75}))
    scene.open.callback(made.socket.unlink)


async def nobody_tells_them_apart(scene: Scene) -> None:
    await most_goes_to_the_trial(scene)
    await prometheus_falls_silent(scene)


async def somebody_aborts(scene: Scene) -> None:
    scene.lab.patch(ROLLOUT, {"status": {"abort": True}}, "status")


async def somebody_is_at_it(scene: Scene) -> None:
    other = await scene.desk()
    steps = other.carry_out(await planned(other, Wish(Action.PAUSE, "look at it first")), Confirmation())
    scene.begun.append(steps)
    assert (await anext(steps)).stage is Stage.LEASE


async def the_journal_is_gone(scene: Scene) -> None:
    state = scene.lab.folder / scene.state
    state.mkdir(mode=0o700, exist_ok=True)
    if (state / "journal").exists():
        (state / "journal").rename(state / "put away")
    (state / "journal").write_text("the file of somebody else")


async def argo_cd_owns_it(scene: Scene) -> None:
    mark = "argocd.argoproj.io/tracking-id"
    scene.lab.patch(ROLLOUT, {"metadata": {"annotations": {mark: "fraud:argoproj.io/Rollout:ml/fraud"}}})
    scene.open.callback(scene.lab.patch, ROLLOUT, {"metadata": {"annotations": {mark: None}}})


async def no_stable_pod_serves(scene: Scene) -> None:
    cluster = scene.lab.lab.world.cluster
    for pod in cluster.pods("ml", MODEL):
        if pod.version == "7":
            cluster.crash("ml", pod.name, down_seconds=900)
    scene.lab.lab.later(5)


def tagged(version: str, key: str, value: str) -> Change:
    async def tag(scene: Scene) -> None:
        registry = scene.lab.lab.world.registry
        before = registry.version(MODEL, int(version)).tags.get(key)
        scene.lab.tag(MODEL, version, key, value)
        if before is None:
            scene.open.callback(registry.delete_tag, MODEL, key, version)
        else:
            scene.open.callback(registry.set_tag, MODEL, key, before, version)
    return tag


def registered_with_another_input() -> str:
    manifest = yaml.safe_load((EXAMPLES / MODEL / "manifest.yaml").read_text("utf-8"))
    manifest["metadata"]["version"] = "7"
    manifest["spec"]["inputs"].append({"name": "device", "type": "string"})
    return str(yaml.safe_dump(manifest))


async def the_registry_forgets(scene: Scene) -> None:
    scene.lab.lab.world.registry.delete_version(MODEL, 6)


def done(action: Action) -> Change:
    """Carried out just now, as far as sending it."""
    async def act(scene: Scene) -> None:
        desk = await scene.desk()
        await goes_on(desk, await planned(desk, Wish(action, f"{action} first")))
        if action is Action.PAUSE:
            scene.open.callback(scene.lab.patch, ROLLOUT, {"spec": {"paused": None}})
    return act


async def an_answer_is_lost(scene: Scene) -> None:
    """And nobody can look what became of the request."""
    desk = await scene.desk()
    prepared = await planned(desk, Wish(Action.PAUSE, "look at it first"))
    async with contextlib.aclosing(desk.carry_out(prepared, Confirmation())) as steps:
        async for step in steps:
            if step.stage is Stage.INTENT:
                scene.lab.silence("kubernetes")
            if step.outcome is not None:
                assert step.outcome is Outcome.UNKNOWN
    scene.lab.hear("kubernetes")


def at(seconds: float) -> str:
    return datetime.fromtimestamp(NOW + seconds, UTC).isoformat()


FREEZE = {"actions": {"freezes": [{"start": at(-3600), "end": at(86400), "reason": "sale of the year"}]}}
ONE_AT_A_TIME = {"actions": {"cool_down_actions": 1}}
SCALED = {"resources": {"replicas": {"min": 2, "max": 12}}}
BALANCED: dict[str, Any] = {
    "context": {"haproxy": {"socket": "admin.sock"}},
    "spec": {"rollout": {"kind": "haproxy", "name": "fraud", "servers": {"7": ["m7"], "8": ["m8"]}}}}
UNTOLD = BALANCED | {"spec": BALANCED["spec"] | {"rollback": {}, "registry": {"kind": "none", "name": MODEL}}}
STRICTER = {"slos": [{"name": "latency", "objective": 99.9, "window": "30d", "required": True, "sli": {
    "histogram": "fraud_request_duration_seconds", "threshold": "500ms", "unit": "s"}}]}
"""A latency that the month did not keep."""

CASES = (
    Case("write", "nobody asked for writing", Action.ROLLBACK, "^read-only: nothing is executed without --write",
         desk={"write": False}),
    Case("write", "somebody throws the kill switch", Action.ROLLBACK,
         "frozen exists: nothing is executed: the datacenter moves$", between=kill_switch,
         desk={"context": {"actions": {"freeze_file": "frozen"}}}),
    Case("permission", "may only read", Action.ABORT,
         r"^you may not patch rollouts.argoproj.io/status in ml \(as lab-viewer\)", desk={"token": READS}),
    Case("permission", "may only read, and wants to scale", Action.SCALE,
         r"^you may not patch rollouts.argoproj.io in ml \(as lab-viewer\)", parameters={"replicas": "7"},
         desk={"token": READS, "spec": SCALED}),
    Case("target", "cannot be read any more", Action.ROLLBACK, "cannot be read: ", Verdict.CANNOT_TELL,
         between=kubernetes_falls_silent),
    Case("target", "was made anew under its name", Action.ROLLBACK, "^another object has taken its name",
         between=made_anew, own=True),
    Case("unchanged", "somebody aborted it meanwhile", Action.ROLLBACK,
         r"no longer true that it is not aborted \(aborted is true\); make the plan again$", between=somebody_aborts,
         own=True),
    Case("dry-run", "the server refuses to rehearse it", Action.SCALE, "^the system refuses it: .*from 0 to 200",
         parameters={"replicas": "300"}, desk={"spec": {"resources": {"replicas": {"min": 2, "max": 500}}}}),
    Case("lease", "somebody else is at it", Action.ROLLBACK, "^held by .*: pause fraud-scorer",
         before=somebody_is_at_it),
    Case("lease", "somebody else comes first", Action.ROLLBACK, "^held by .*: pause fraud-scorer",
         between=somebody_is_at_it),
    Case("journal", "nothing can be written down", Action.ROLLBACK, "journal", before=the_journal_is_gone),
    Case("journal", "nothing can be written down any more", Action.ABORT, "journal", between=the_journal_is_gone),
    Case("roles", "leads to the version on trial", Action.ROLLBACK, "^v8 is on trial itself, and v7 is stable, by ",
         to="8", before=most_goes_to_the_trial, desk=BALANCED),
    Case("roles", "nobody knows which is on trial", Action.ROLLBACK, r"^which of 7 \(25 %\) and 8 \(75 %\) is stable, ",
         Verdict.CANNOT_TELL, asks=True, to="7", before=nobody_tells_them_apart, desk=UNTOLD),
    Case("facts", "Prometheus does not answer", Action.PROMOTE, "^prometheus does not answer", Verdict.CANNOT_TELL,
         before=prometheus_falls_silent),
    Case("facts", "Prometheus does not answer a rollback", Action.ROLLBACK, "^prometheus does not answer",
         Verdict.CANNOT_TELL, asks=True, before=prometheus_falls_silent),
    Case("facts", "nobody has looked for a while", Action.SCALE, "^what is shown is 1 m 30 s old",
         Verdict.CANNOT_TELL, parameters={"replicas": "7"}, between=nobody_looks_any_more, desk={"spec": SCALED}),
    Case("known-good", "the registry withdrew it", Action.ROLLBACK, "^v7 is not good: withdrawn by model-risk",
         to="7", scenario=WITHDRAWN),
    Case("known-good", "nobody has approved it yet", Action.ROLLBACK, "; but its approval is pending$",
         Verdict.CANNOT_TELL, asks=True, before=tagged("7", "validation_status", "pending")),
    Case("known-good", "was rejected", Action.ROLLBACK, "^v7 is not good: rejected",
         before=tagged("7", "validation_status", "rejected")),
    Case("known-good", "nothing shows that it served", Action.ROLLBACK, "it never had 50 % or more of the traffic in ",
         Verdict.CANNOT_TELL, asks=True, to="6"),
    Case("known-good", "has no replica and is not registered", Action.ROLLBACK,
         "no replica serves it yet, and nothing shows that it can still be loaded", Verdict.CANNOT_TELL, asks=True,
         to="6", scenario=WITHDRAWN, before=the_registry_forgets),
    Case("known-good", "wants an input that nobody sends", Action.ROLLBACK,
         "^v7 is not good: does not take today's inputs: device is not sent any more",
         before=tagged("7", "triage.manifest", registered_with_another_input())),
    Case("capacity", "no replica of the stable version serves", Action.ABORT,
         "^no replica of the stable version can serve: the traffic would go nowhere$", before=no_stable_pod_serves,
         own=True),
    Case("capacity", "a rollback takes the traffic there first", Action.ROLLBACK,
         "^no replica of the stable version can serve: the traffic would go nowhere$", to="6",
         before=no_stable_pod_serves, own=True),
    Case("freeze", "was announced", Action.PROMOTE, "^frozen until .*: sale of the year$", desk={"context": FREEZE}),
    Case("freeze", "was announced, and it is a way back", Action.ROLLBACK, "^frozen until .*: sale of the year$",
         Verdict.WARN, asks=True, desk={"context": FREEZE}),
    Case("gitops", "Argo CD would undo it", Action.ROLLBACK, "^Argo CD owns it and may undo this within seconds",
         Verdict.WARN, asks=True, before=argo_cd_owns_it),
    Case("budget", "is spent", Action.PROMOTE, "^latency: -", desk={"spec": STRICTER}),
    Case("trial", "the canary fails", Action.PROMOTE, "canary 8 latency: "),
    Case("trial", "the canary fails, all at once", Action.PROMOTE_FULL, "canary 8 latency: "),
    Case("persons", "is one alone", Action.PROMOTE, "^needs 1 other person: share the plan to be approved$"),
    Case("ends", "nobody knows what became of an earlier request", Action.ROLLBACK,
         "^the end of pause fraud-scorer by lab-engineer, .* ago, is not known", Verdict.CANNOT_TELL, asks=True,
         before=an_answer_is_lost),
    Case("cool-down", "something was done just now", Action.RESUME,
         r"^\d actions? on it in 10 min already, (all|1) by this journal",
         desk={"context": ONE_AT_A_TIME}, before=done(Action.PAUSE)),
    Case("cool-down", "something was done just now, and it is a way back", Action.ROLLBACK,
         r"^\d actions? on it in 10 min already, (all|1) by this journal", Verdict.WARN, asks=True,
         desk={"context": ONE_AT_A_TIME}, before=done(Action.PAUSE)),
    Case("toggle", "back to what was aborted", Action.RETRY,
         r"^v8 was left .* ago \(abort by lab-engineer: abort first\): this leads back to it$",
         before=done(Action.ABORT), own=True),
    Case("toggle", "back to what was rolled back", Action.ROLLBACK,
         r"^v8 was left .* ago \(rollback by lab-engineer: rollback first\): this leads back to it$", to="8",
         before=done(Action.ROLLBACK), own=True),
)
"""Each guard has its cases here."""


async def goes_on(desk: ActionDesk, prepared: Prepared, break_glass: str = "") -> list[Stage]:
    """Carried out until all is sent, with everything typed that it asks for; nobody waits for what comes of it."""
    stages: list[Stage] = []
    words = frozenset(prepared.acknowledgements)
    typed = Confirmation(prepared.plan.confirmation, words, break_glass)
    async with contextlib.aclosing(desk.carry_out(prepared, typed)) as steps:
        async for step in steps:
            assert step.outcome is None, step
            if step.stage is Stage.VERIFYING:
                break
            stages.append(step.stage)
    return stages


def answer(checked: tuple[Checked, ...], guard: str) -> Checked:
    return next(each for each in checked if each.name == guard)


@pytest.fixture(scope="module")
def opening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Whole]]:
    """The lab at the opening of a scenario, for all cases that leave it as it is."""
    running: dict[str, Whole] = {}
    with ExitStack() as stack:
        def of(scenario: str) -> Whole:
            if scenario not in running:
                running[scenario] = stack.enter_context(whole(scenario, tmp_path_factory.mktemp(scenario)))
            return running[scenario]
        yield of


@pytest.fixture
async def scene(request: pytest.FixtureRequest, opening: Callable[[str], Whole],
                tmp_path: Path) -> AsyncIterator[Scene]:
    case: Case = request.node.callspec.params["case"]
    with ExitStack() as stack:
        lab = stack.enter_context(whole(case.scenario, tmp_path, past=False)) if case.own else opening(case.scenario)
        made = Scene(lab, tmp_path.name, stack)
        yield made
        for steps in made.begun:
            await steps.aclose()
        await lab.leave()


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_guard_stops_what_the_lab_gives_it_reason_to(scene: Scene, case: Case) -> None:
    lab = scene.lab
    await case.before(scene)
    desk = await scene.desk(**case.desk)
    prepared = await planned(desk, case.wish)
    if case.between is nothing:
        found = answer(prepared.checked, case.guard)
        assert (found.verdict, bool(found.acknowledgement)) == (case.verdict, case.asks), found
        assert re.search(case.words, found.sentence), found.sentence
    await case.between(scene)
    lab.ear.changes.clear()
    outcome, sentence = ended(await carried_out(desk, prepared, but=case.guard))
    assert (outcome, lab.ear.changes) == (Outcome.REFUSED, [])
    _, *told = re.split(rf"(?:; |: ){case.guard}{' has to be acknowledged' * case.asks}: ", sentence)
    assert any(re.search(case.words.removesuffix("$"), each) for each in told), sentence
    now = answer((await desk.recheck(prepared)).checked, case.guard)
    assert (now.verdict, bool(now.acknowledgement)) == (case.verdict, case.asks), now


def test_each_guard_has_its_case() -> None:
    assert {case.guard for case in CASES} == {guard.name for guard in GUARDS}


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Whole]:
    """A lab to change."""
    with whole(CANARY, tmp_path, past=False) as running:
        yield running
        await running.leave()


async def test_a_plan_that_was_read_for_too_long_is_not_carried_out(lab: Whole) -> None:
    desk = await lab.desk(MODEL)
    prepared = await planned(desk, Wish(Action.ABORT, "a test"))
    lab.lab.later(121)
    outcome, sentence = ended(await carried_out(desk, prepared))
    assert (outcome, lab.ear.changes) == (Outcome.REFUSED, [])
    assert "the plan has expired: make it again" in sentence


async def test_what_is_asked_goes_on_once_all_of_it_was_acknowledged(lab: Whole, tmp_path: Path) -> None:
    with ExitStack() as stack:
        scene = Scene(lab, "state", stack)
        for change in (an_answer_is_lost, tagged("7", "validation_status", "pending"), argo_cd_owns_it,
                       prometheus_falls_silent):
            await change(scene)
        desk = await scene.desk(context={"actions": {**FREEZE["actions"], **ONE_AT_A_TIME["actions"]}})
        prepared = await planned(desk, Wish(Action.ROLLBACK, "a test"))
        assert set(prepared.acknowledgements) == {"facts", "known-good", "freeze", "gitops", "ends", "cool-down"}
        lab.ear.changes.clear()
        for word in prepared.acknowledgements:
            assert ended(await carried_out(desk, await planned(desk, prepared.wish), but=word))[0] is Outcome.REFUSED
        assert lab.ear.changes == []
        assert (await goes_on(desk, prepared)).count(Stage.SENT) == len(prepared.plan.requests) == len(lab.ear.changes)


async def test_glass_is_broken_where_a_guard_allows_it_loudly_and_for_a_reason(lab: Whole) -> None:
    desk = await lab.desk(MODEL)
    prepared = await planned(desk, Wish(Action.PROMOTE, "a test"))
    assert {each.name for each in prepared.stops} == {"trial", "persons"}
    assert ended(await carried_out(desk, prepared))[0] is Outcome.REFUSED
    assert lab.ear.changes == []
    assert Stage.BREAK_GLASS in await goes_on(desk, prepared, "the other version is worse")
    assert len(lab.ear.changes) == 1
