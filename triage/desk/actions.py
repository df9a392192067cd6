"""``ActionDesk``: the actions on one model: which system does what, what is possible now, plans, and carrying them out.

Screen, ``triage act`` and ``triage watch`` work through it, so that the same action means the same everywhere. It lives
in one event loop.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from triage.actions.approvals import ApprovalRequest
from triage.actions.executor import Executor, Foreseen
from triage.actions.freeze import WriteMode, mode_of
from triage.actions.guards.checking import Checked
from triage.actions.guards.checking import Verdict as Found
from triage.actions.history import Deed, History, history_of
from triage.actions.journal import Origin
from triage.actions.opening import open_executor, open_journal, open_leases
from triage.actions.plan import Action, Target
from triage.actions.proven import ProvenReader
from triage.actions.reconcile import open_ends, reconcile, sight
from triage.actions.rollouts.by_kind import Setting
from triage.actions.steps import Confirmation, Prepared, Step
from triage.actions.system import Granted, Offer, Refusal, Sighting, System, Wish
from triage.actions.systems import ROUTES, Maker
from triage.actions.under_way import OpenEnd, looked_up
from triage.clock import Clock
from triage.config import Active
from triage.config_actions import LeaseKubernetes
from triage.errors import TriageError
from triage.facts.outcome import Failure
from triage.live.snapshot import Snapshot
from triage.notebook.load import Notebook
from triage.notebook.manifest import Manifest
from triage.signals.model import ModelState
from triage.signals.reading import Verdict
from triage.sources.kubernetes import KubernetesClient, connect
from triage.sources.registry.face import Registry, open_registry
from triage.text import clean

_NOBODY = Refusal("no system that triage knows does this for the model", "")
_REASON_CELLS = 160


@dataclass(frozen=True, slots=True)
class Possible:
    """One action as the menu shows it."""

    action: Action
    sentence: str
    """What it would do now; why it is not possible, or why that is not known."""
    is_possible: bool | None
    """None when it cannot be told, and its plan would be stopped for that."""
    hint: str = ""
    """What makes it possible; "" when nothing is known, or it is."""
    target: Target | None = None
    """What it would change; None when no system does it."""
    asks: tuple[str, ...] = ()
    """Guards that will have to be acknowledged, as far as that is known before there is a plan."""


@dataclass(slots=True)
class ActionDesk:
    """Made by :func:`open_desk`; close it with :meth:`aclose`."""

    manifest: Manifest
    systems: dict[Action, System | Refusal]
    executors: dict[str, Executor]
    """By :attr:`~triage.actions.plan.Target.key`."""
    mode: Callable[[], WriteMode]
    snapshot: Callable[[], Snapshot | None]
    _open: Callable[[System], Executor]
    _kubernetes: KubernetesClient | None
    _registry: Registry | None
    _past: ProvenReader

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.manifest.metadata.name

    def take(self, action: Action, system: System) -> None:
        """Have ``system`` do ``action`` from now on: which cell is run is known only when one is chosen."""
        self.systems[action] = system
        self.executors[system.target.key] = self._open(system)

    async def possible(self, incident: str = "") -> tuple[Possible, ...]:
        """Every action, for ``incident`` where one is open ("" else): possible, not possible, or not known, and why.

        The systems are read, and asked whether we may; the guards are asked that need no rehearsal. What is held back
        as a whole, by a missing ``--write``, is not said of each.
        """
        mode = self.mode()
        if mode.killed:
            return tuple(Possible(action, mode.sentence, False) for action in _SHOWN)
        by_system: dict[str, list[Action]] = {}
        for action in _SHOWN:
            system = self.systems.get(action, _NOBODY)
            if not isinstance(system, Refusal):
                by_system.setdefault(system.target.key, []).append(action)
        asked = await asyncio.gather(*(self._offered(self.executors[key], actions, incident)
                                       for key, actions in by_system.items()))
        found = {each.action: each for several in asked for each in several}
        return tuple(found[action] if action in found else self._not_ours(action) for action in _SHOWN)

    def _not_ours(self, action: Action) -> Possible:
        refusal = self.systems.get(action, _NOBODY)
        message, hint = (refusal.message, refusal.hint) if isinstance(refusal, Refusal) else ("", "")
        return Possible(action, message, False, hint)

    async def _offered(self, executor: Executor, actions: Sequence[Action], incident: str) -> list[Possible]:
        """The ``actions`` of one system."""
        system = executor.system
        observed = await system.observe()
        if isinstance(observed, Failure):
            said = f"{system.target.sentence()} cannot be read: {observed.sentence()}"
            return [Possible(action, said, None, observed.hint, system.target) for action in actions]
        snapshot = self.snapshot()
        offers = {each.action: each for each in system.offers(observed, snapshot or _nothing(system, observed.at))}
        open_to = [action for action in actions if action in offers and offers[action].refusal is None]
        granted = dict(zip(open_to, await asyncio.gather(*map(system.granted, open_to)), strict=True))
        reason = reason_of(None if snapshot is None else snapshot.model(self.model))
        foreseen = await executor.foresee({action: (Wish(action, reason, incident=incident), granted[action])
                                           for action in open_to}, observed)
        return [_possible(action, offers.get(action), granted.get(action), foreseen.get(action), system.target)
                for action in actions]

    async def prepare(self, wish: Wish) -> Prepared | Refusal:
        """The plan of ``wish`` with every guard asked; changes nothing."""
        executor = self._executor(wish.action)
        return executor if isinstance(executor, Refusal) else await executor.prepare(wish.cleaned())

    async def prepare_approval(self, request: ApprovalRequest) -> Prepared | Refusal:
        """The plan that somebody else asked to have approved, made anew, to be carried out as us."""
        if request.plan.target.model != self.model:
            asked = clean(f"{request.wish.action} {request.plan.target.model}", limit=200)
            return Refusal(f"it was asked to approve: {asked}", "look at that model")
        executor = self._executor(request.wish.action)
        return executor if isinstance(executor, Refusal) else await executor.prepare_approval(request)

    async def recheck(self, prepared: Prepared) -> Prepared:
        """The same plan, its guards asked again."""
        return await self._of(prepared).recheck(prepared)

    async def share(self, prepared: Prepared, path: Path) -> ApprovalRequest:
        """Ask another person: write the plan to the new file ``path``, or, where it answers a request that more
        persons have to approve, our approval. Raises as :meth:`~triage.actions.executor.Executor.ask` does."""
        of = self._of(prepared)
        return await (of.ask if prepared.circumstances.approval is None else of.approve)(prepared, path)

    async def carry_out(self, prepared: Prepared, confirmation: Confirmation) -> AsyncGenerator[Step, None]:
        """Carry it out, as :meth:`~triage.actions.executor.Executor.carry_out` does."""
        async with aclosing(self._of(prepared).carry_out(prepared, confirmation)) as steps:
            async for step in steps:
                yield step

    async def history(self) -> History:
        """Everything that the journal tells; empty while the model has no system."""
        executor = next(iter(self.executors.values()), None)
        return History(()) if executor is None else await executor.history()

    async def open_ends(self) -> tuple[Deed, ...]:
        """Actions on the model of which it is not known how they ended."""
        return tuple(deed for deed in open_ends(await self.history()) if deed.plan.target.key in self.executors)

    async def standing(self) -> tuple[OpenEnd, ...]:
        """The same, each with whoever is at it in this or another process."""
        found = [await looked_up([deed], self.executors[deed.plan.target.key].leases)
                 for deed in await self.open_ends()]
        return tuple(end for ends in found for end in ends)

    async def find_out(self, deed: Deed, *, records: bool = True) -> Sighting:
        """Look what became of an action that nobody saw the end of. Sends nothing to the target.

        Where we may write and it ``records``, what settles it goes into the journal, under the target's lease; else it
        is only looked at: no lease is taken and nothing is written.
        """
        executor = self.executors[deed.plan.target.key]
        if records and self.mode().allows:
            return await reconcile(deed, executor.system, executor.journal, executor.leases)
        return await sight(deed, executor.system, executor.journal.clock, executor.leases)

    def contacts(self) -> tuple[str, ...]:
        """Whom to call when an action did not help: whoever is on call first."""
        owners = sorted(self.manifest.metadata.owners, key=lambda owner: owner.role != "on-call")
        return tuple(dict.fromkeys(clean(owner.contact or owner.name, limit=80) for owner in owners))

    async def aclose(self) -> None:
        """Close what is open."""
        for executor in self.executors.values():
            await executor.system.aclose()
        for client in (self._kubernetes, self._registry):
            if client is not None:
                await client.aclose()
        await self._past.aclose()

    def _executor(self, action: Action) -> Executor | Refusal:
        system = self.systems.get(action, _NOBODY)
        return system if isinstance(system, Refusal) else self.executors[system.target.key]

    def _of(self, prepared: Prepared) -> Executor:
        return self.executors[prepared.plan.target.key]


async def open_desk(active: Active, notebook: Notebook, clock: Clock, snapshot: Callable[[], Snapshot | None], *,
                    write: bool, environ: Mapping[str, str] = os.environ,
                    routes: Sequence[tuple[frozenset[Action], Maker]] = ROUTES) -> ActionDesk:
    """The desk of one model. Connects to nothing yet.

    Raises :class:`~triage.errors.TriageError` when the configuration of a system, a credential, the journal or the
    leases cannot be used.
    """
    kubernetes = await asyncio.to_thread(connect, active, clock)
    registry = await asyncio.to_thread(open_registry, active, clock)
    setting = Setting(notebook.manifest, active, clock, kubernetes, snapshot)
    made = [(actions, make(setting)) for actions, make in routes]
    systems: dict[Action, System | Refusal] = {}
    for actions, system in made:
        for action in actions:
            if isinstance(systems.get(action, _NOBODY), Refusal):
                systems[action] = system
    targets = {each.target.key: each for each in systems.values() if not isinstance(each, Refusal)}
    past = ProvenReader(notebook, active, clock)

    def opened(system: System) -> Executor:
        return open_executor(system, active, notebook.manifest, clock, snapshot, write=write, kubernetes=kubernetes,
                             registry=registry, proven=past.read, environ=environ)
    executors = {key: opened(each) for key, each in targets.items()}
    return ActionDesk(notebook.manifest, systems, executors, lambda: mode_of(active, write=write, environ=environ),
                      snapshot, opened, kubernetes, registry, past)


def unfinished(active: Active, clock: Clock, model: str) -> tuple[OpenEnd, ...]:
    """Actions on ``model`` in the journal of the context whose end is not written there, each with whoever is at it.
    Nobody is asked but the leases, and these only where there is such an action. Blocks: for a thread.

    Raises :class:`~triage.errors.TriageError` when the journal cannot be read.
    """
    journal = open_journal(active, clock)
    deeds = [deed for deed in open_ends(history_of(journal.records()))
             if deed.plan.target.model == model and deed.plan.target.context == active.name]
    return asyncio.run(_looked_up(active, clock, journal.origin, deeds)) if deeds else ()


async def _looked_up(active: Active, clock: Clock, origin: Origin, deeds: Sequence[Deed]) -> tuple[OpenEnd, ...]:
    in_cluster = isinstance(active.context.actions.leases, LeaseKubernetes)
    client = connect(active, clock) if in_cluster else None
    try:
        return await looked_up(deeds, open_leases(active, origin, client))
    except TriageError:
        # That leases cannot be used is said where it matters: it stops every action.
        return tuple(OpenEnd(deed, None) for deed in deeds)
    finally:
        if client is not None:
            await client.aclose()


def reason_of(model: ModelState | None) -> str:
    """A reason to start from: what is wrong with the model, as its verdict says it; "" when nothing is."""
    if model is None or model.verdict is Verdict.PASS or not model.reasons:
        return ""
    text = f"{model.verdict}: {model.reasons[0].text}"
    return text if len(text) <= _REASON_CELLS else f"{text[:_REASON_CELLS - 3].rstrip()}..."


def _possible(action: Action, offer: Offer | None, granted: Granted | None,
              foreseen: Foreseen | None, target: Target) -> Possible:
    """One action of a system that could be read."""
    if offer is None or granted is None or foreseen is None or foreseen.nothing is not None:
        refusal = foreseen.nothing if foreseen is not None else None if offer is None else offer.refusal
        refusal = refusal or _NOBODY
        return Possible(action, refusal.message, False, refusal.hint, target)
    if granted.allowed is False:
        return Possible(action, granted.sentence, False, "", target)
    stops = [each for each in foreseen.checked if each.stops]
    if granted.allowed is None:
        stops.insert(0, Checked("permission", Found.CANNOT_TELL, granted.sentence))
    if stops:
        blocked = any(each.verdict is Found.BLOCKED for each in stops)
        # The names first: where it is cut, they are what is left of it.
        told = f"{', '.join(each.name for each in stops)}: {'; '.join(each.sentence for each in stops)}"
        return Possible(action, told, False if blocked else None, "", target)
    asks = tuple(each.acknowledgement for each in foreseen.checked if each.acknowledgement)
    sentence = f"{offer.sentence}; not as it stands: {foreseen.lacks}" if foreseen.lacks else offer.sentence
    return Possible(action, sentence, True, "", target, asks)


_SHOWN = tuple(action for action in Action if action is not Action.CELL)


def _nothing(system: System, at: float) -> Snapshot:
    return Snapshot(at, system.target.context, system.target.production, (), (), ())
