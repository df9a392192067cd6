"""Sources asked beside Prometheus: the registry and the rollout controller, each at a pace and in flights of its own.

A client is made in a thread when it is first needed: its secret may come from a command, and nothing waits for that.
"""

from __future__ import annotations

import asyncio
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from triage.clock import Clock
from triage.errors import TriageError
from triage.facts.outcome import SILENT, Failure, FailureKind, SourceHealth, SourceState
from triage.facts.rollouts import PodsFacts, RolloutFacts
from triage.facts.scaling import ScalingFacts
from triage.facts.versions import Document, DocumentKind, RegisteredModel, RegisteredVersion, TrainingRun
from triage.live.drift import wants_references
from triage.live.flights import Flights
from triage.live.pacing import APART_SECONDS, Turn
from triage.live.watch import SourceWatch
from triage.signals.deployed import Deployed
from triage.signals.lineage import described
from triage.signals.promise import Promise, compare_promise
from triage.signals.references import Registered

if TYPE_CHECKING:
    from triage.config import Active
    from triage.notebook.load import Notebook
    from triage.sources.kubernetes import KubernetesClient
    from triage.sources.registry.face import Registry

REGISTRY_SECONDS = 30.0
"""How often the registry is asked."""
UNREAD_SECONDS = 600.0
"""After how long a registered manifest that could not be had is asked for again."""
MOST_IN_FULL = 12
"""Rollouts read one by one, with their replicas; more of them are looked over with one request per namespace. Of so
many models training runs are read, too, which takes a request for each."""
_Client = TypeVar("_Client")


class Beside(ABC, Generic[_Client]):
    """One source: its client, when it is asked next, and how it is."""

    def __init__(self, name: str, *, configured: bool, clock: Clock, interval: float, pace: float,
                 changed: Callable[[], None]) -> None:
        """``changed`` is called when something was answered, or not."""
        self.flights = Flights()
        self._watch = SourceWatch(name, configured=configured)
        self._configured = self._is_used = configured
        self._clock = clock
        self._interval = interval
        self._pace = max(pace, interval)
        self._changed = changed
        self._turn = Turn()
        self._client: _Client | None = None

    def health(self) -> SourceHealth:
        """The state of the source; ``off`` also while there is nothing to ask it about the models shown."""
        return self._watch.health() if self._is_used else SourceHealth(self._watch.health().name, SourceState.OFF)

    def begin(self, notebooks: Sequence[Notebook]) -> None:
        """Ask about these models when it is time to."""
        wanted = tuple(n for n in notebooks if self._concerns(n)) if self._configured else ()
        self._is_used = bool(wanted)
        now = self._clock.monotonic()
        if wanted and self._turn.is_due(now, self._interval) and not self.flights.under_way():
            self._turn.begin(now, self._pace)
            self.flights.start("all", partial(self._refresh, wanted))

    def is_heard(self, notebook: Notebook) -> bool:
        """Whether it is asked about the model and not known to be gone: what it has not said it may yet say."""
        return self._configured and self._watch.health().state is not SourceState.DOWN and self._concerns(notebook)

    def give_up(self) -> None:
        """Other models are looked at: nobody waits for what is under way."""
        self.flights.cancel_all()
        self._turn.give_up()

    def hurry(self) -> None:
        """Ask at the next refresh, also where it is being left alone after failures."""
        if self._client is not None:
            self._reset(self._client)
        self._turn.give_up()

    async def aclose(self) -> None:
        """Give up what is under way and close the connections; another :meth:`begin` makes new ones."""
        tasks = self.flights.tasks()
        self.flights.cancel_all()
        await asyncio.gather(*tasks, return_exceptions=True)
        client, self._client = self._client, None
        self._turn.give_up()
        if client is not None:
            await self._close(client)

    async def _refresh(self, notebooks: Sequence[Notebook]) -> None:
        if self._client is None:
            try:
                self._client = await asyncio.to_thread(self._open)
            except TriageError as error:
                # What the configuration names may be mended while we run.
                self._turn.at = self._clock.monotonic() + APART_SECONDS
                failure = Failure(FailureKind.CONNECT, f"it cannot be used as configured: {error.message}", error.hint)
                self._concluded([failure], None)
                return
        client = self._client
        outcomes = await self._ask(client, notebooks)
        failure_now = next((o for o in outcomes if isinstance(o, Failure)), None)
        if failure_now is None:
            self._turn.failures = 0
        else:
            self._turn.failed(failure_now, self._clock.monotonic(), self._pace, self._interval)
        self._concluded(outcomes, self._next_try_in(client))

    def _concluded(self, outcomes: Sequence[object], next_try_in: float | None) -> None:
        self._watch.seen(outcomes, self._clock.now(), next_try_in)
        self._changed()

    @abstractmethod
    def _concerns(self, notebook: Notebook) -> bool:
        """Whether there is anything to ask about the model."""

    @abstractmethod
    def _open(self) -> _Client:
        """Make the client. Raises :class:`TriageError` when it cannot be used as configured."""

    @abstractmethod
    async def _ask(self, client: _Client, notebooks: Sequence[Notebook]) -> list[object]:
        """Ask, keep what came, and say what it came to: failures of the source, or anything else for an answer."""

    @abstractmethod
    def _next_try_in(self, client: _Client) -> float | None: ...

    @abstractmethod
    def _reset(self, client: _Client) -> None: ...

    @abstractmethod
    async def _close(self, client: _Client) -> None: ...


class RegistryWatch(Beside["Registry"]):
    """What is registered of the models shown: two requests, and one for a manifest whose digest does not tell."""

    def __init__(self, active: Active, clock: Clock, interval: float, changed: Callable[[], None]) -> None:
        super().__init__("registry", configured=active.context.registry is not None, clock=clock, interval=interval,
                         pace=REGISTRY_SECONDS, changed=changed)
        self._active = active
        self._models: dict[str, RegisteredModel | Failure] = {}
        self._promises: dict[str, Promise | None] = {}
        self._references: dict[str, Registered | Failure | None] = {}
        self._on_disk: dict[str, bytes] = {}
        self._runs: dict[str, tuple[str, TrainingRun | Failure | None, float]] = {}
        """By notebook: the run asked about, what it said, and until when a failure is not asked about again."""
        self._unread: dict[tuple[str, str, str, DocumentKind], tuple[Failure, float]] = {}
        """Why documents could not be had, and until when they are not asked for again."""

    def registered(self, notebook: Notebook) -> RegisteredModel | Failure | None:
        """The model in the registry; None when it was not asked about, or has not answered."""
        promised = notebook.manifest.spec.registry
        return self._models.get(promised.name) if promised is not None and self._concerns(notebook) else None

    def promise(self, notebook: Notebook) -> Promise | None:
        """How the manifest on disk stands to the registered one."""
        return self._promises.get(notebook.name)

    def references(self, notebook: Notebook) -> Registered | Failure | None:
        """The references kept with the version that the notebook describes; None until they were asked for.

        The same object until they change.
        """
        return self._references.get(notebook.name)

    def run(self, notebook: Notebook) -> TrainingRun | Failure | None:
        """The training run of the version that the notebook describes; None when none is named, or not asked yet."""
        return self._runs.get(notebook.name, ("", None, 0.0))[1]

    def _concerns(self, notebook: Notebook) -> bool:
        promised = notebook.manifest.spec.registry
        return promised is not None and promised.kind != "none"

    def _open(self) -> Registry:
        from triage.sources.registry.face import open_registry
        opened = open_registry(self._active, self._clock)
        if opened is None:
            raise TriageError("the context names none")
        return opened

    async def _ask(self, client: Registry, notebooks: Sequence[Notebook]) -> list[object]:
        promised = [n.manifest.spec.registry.name for n in notebooks if n.manifest.spec.registry is not None]
        found = await client.models(list(dict.fromkeys(promised)))
        for name, model in found.items():
            keep(self._models, name, model)
        compared = await asyncio.gather(*(self._compare(client, notebook, found[name])
                                          for notebook, name in zip(notebooks, promised, strict=True)))
        read = await asyncio.gather(*(self._read_references(client, notebook, found[name])
                                      for notebook, name in zip(notebooks, promised, strict=True)
                                      if wants_references(notebook)))
        ran = await asyncio.gather(*(self._read_run(client, notebook, found[name])
                                     for notebook, name in zip(notebooks, promised, strict=True)
                                     if notebook.manifest.spec.data and len(notebooks) <= MOST_IN_FULL))
        # A model that it does not have is an answer, and a finding about the model.
        return [None if is_missing(each) else each for each in (*found.values(), *compared, *read, *ran)]

    async def _read_run(self, client: Registry, notebook: Notebook, model: RegisteredModel | Failure) -> object:
        """Read the run of the version described, once; what asking came to."""
        version = None if isinstance(model, Failure) else described(notebook.manifest, model)
        if version is None:
            return None
        run_id, known, until = self._runs.get(notebook.name, ("", None, 0.0))
        if run_id == version.run_id and (not isinstance(known, Failure) or self._clock.monotonic() < until):
            return None
        told = await client.run(version)
        silent = isinstance(told, Failure) and told.kind in SILENT
        rest = 0.0 if silent else UNREAD_SECONDS
        self._runs[notebook.name] = version.run_id, told, self._clock.monotonic() + rest
        return told if silent else None

    async def _read_references(self, client: Registry, notebook: Notebook, model: RegisteredModel | Failure) -> object:
        """Read the references that drift is scored against, once for each version; what asking came to."""
        if isinstance(model, Failure):
            return None
        version, known = described(notebook.manifest, model), self._references.get(notebook.name)
        if version is None or (isinstance(known, Registered) and known.version == version.version):
            return None
        document = await self._document(client, model.name, version, DocumentKind.REFERENCES)
        if document is None:
            self._references[notebook.name] = Registered(version.version, None)
        elif isinstance(document, Failure):
            if not isinstance(known, Failure) or known.message != document.message:
                self._references[notebook.name] = document
            return document if document.kind in SILENT else None
        else:
            from triage.notebook.references import parse_references
            parsed = await asyncio.to_thread(parse_references, document)
            if isinstance(parsed, Failure):
                self._refuse(model.name, version, DocumentKind.REFERENCES, parsed)
                self._references[notebook.name] = parsed
            else:
                self._references[notebook.name] = Registered(version.version, parsed)
        return None

    def _refuse(self, model: str, version: RegisteredVersion, kind: DocumentKind, failure: Failure) -> None:
        """Do not ask for the document again for a while."""
        self._unread[model, version.version, version.manifest_sha256, kind] = (
            failure, self._clock.monotonic() + UNREAD_SECONDS)

    async def _compare(self, client: Registry, notebook: Notebook, model: RegisteredModel | Failure) -> object:
        """Compare the manifest on disk with the registered one; what asking for that came to."""
        if isinstance(model, Failure):
            return model
        version = described(notebook.manifest, model)
        ours = self._bytes_of(notebook)
        if version is None or ours is None:
            self._promises[notebook.name] = None
            return None
        document: Document | Failure | None = None
        if version.manifest_sha256 != hashlib.sha256(ours).hexdigest():
            document = await self._document(client, model.name, version, DocumentKind.MANIFEST)
        self._promises[notebook.name] = compare_promise(ours, notebook.manifest, version, document)
        # A server that cannot read its files answers all the same: that is told of the version it is about.
        return document if isinstance(document, Failure) and document.kind in SILENT else None

    async def _document(self, client: Registry, model: str, version: RegisteredVersion,
                        kind: DocumentKind) -> Document | Failure | None:
        """A document of a version. One that could not be had is not asked for again at every refresh."""
        key, now = (model, version.version, version.manifest_sha256, kind), self._clock.monotonic()
        failure, until = self._unread.get(key, (None, now))
        if failure is not None and now < until:
            return failure
        document = await client.document(model, version, kind)
        self._unread.pop(key, None)
        if isinstance(document, Failure) and document.kind not in SILENT:
            self._refuse(model, version, kind, document)
        return document

    def _bytes_of(self, notebook: Notebook) -> bytes | None:
        """The manifest as it was first read, which is what the rest of the picture rests on; None when it is gone."""
        if notebook.name not in self._on_disk:
            try:
                self._on_disk[notebook.name] = (notebook.path / "manifest.yaml").read_bytes()
            except OSError:
                return None
        return self._on_disk[notebook.name]

    def _next_try_in(self, client: Registry) -> float | None:
        return client.next_try_in()

    def _reset(self, client: Registry) -> None:
        client.retry_now()

    async def _close(self, client: Registry) -> None:
        await client.aclose()


class RolloutWatch(Beside["KubernetesClient"]):
    """Where the rollouts of the models shown stand: two requests each, and two more for the one seen closely."""

    def __init__(self, active: Active, clock: Clock, interval: float, changed: Callable[[], None]) -> None:
        super().__init__("kubernetes", configured=active.context.kubernetes is not None, clock=clock,
                         interval=interval, pace=interval, changed=changed)
        self._active = active
        self._rollouts: dict[str, RolloutFacts | Failure] = {}
        self._seen_closely: str | None = None
        self._pods: PodsFacts | Failure | None = None
        self._scaling: ScalingFacts | Failure | None = None

    def look_closely(self, name: str | None) -> None:
        """Read the pods of this model's rollout, and what is told of their number, too; None: of no model."""
        if name != self._seen_closely:
            self._seen_closely, self._pods, self._scaling = name, None, None
            if name is not None:
                self._turn.give_up()

    def pods(self, notebook: Notebook) -> PodsFacts | Failure | None:
        """The pods of the rollout; None while nobody looks closely, or they have not been read."""
        return self._pods if notebook.name == self._seen_closely else None

    def scaling(self, notebook: Notebook) -> ScalingFacts | Failure | None:
        """What is told of the number of its pods; None as for :meth:`pods`."""
        return self._scaling if notebook.name == self._seen_closely else None

    def rollout(self, notebook: Notebook) -> RolloutFacts | Failure | None:
        """The rollout that the manifest names; None when there is none, or it has not been read."""
        return self._rollouts.get(notebook.name)

    def _concerns(self, notebook: Notebook) -> bool:
        from triage.sources.rollouts.controller import KINDS
        named = notebook.manifest.spec.rollout
        return named is not None and named.kind in KINDS

    def _open(self) -> KubernetesClient:
        from triage.sources.kubernetes import connect
        opened = connect(self._active, self._clock)
        if opened is None:
            raise TriageError("the context names none")
        return opened

    async def _ask(self, client: KubernetesClient, notebooks: Sequence[Notebook]) -> list[object]:
        from triage.sources.rollouts.controller import address, controller_for, overview
        named = [(n.name, n.manifest.spec.rollout) for n in notebooks if n.manifest.spec.rollout is not None]
        found: list[RolloutFacts | Failure] = []
        if len(named) > MOST_IN_FULL:
            many = await overview([rollout for _, rollout in named], client, self._clock)
            found = [many[address(rollout)] for _, rollout in named]
        else:
            controllers = [(controller_for(rollout, client, self._clock), rollout) for _, rollout in named]
            found = await asyncio.gather(*(c.state(rollout) for c, rollout in controllers if c is not None))
        for (name, _), facts in zip(named, found, strict=True):
            keep(self._rollouts, name, facts)
        close = next((facts for (name, _), facts in zip(named, found, strict=True) if name == self._seen_closely), None)
        more = await self._read_closely(client, close) if isinstance(close, RolloutFacts) else []
        return [None if is_missing(each) else each for each in (*found, *more)]

    async def _read_closely(self, client: KubernetesClient, facts: RolloutFacts) -> list[object]:
        from triage.sources.rollouts.pods import pods
        from triage.sources.rollouts.scaling import scaling
        about = self._seen_closely
        listed, told = await asyncio.gather(pods(client, facts, self._clock), scaling(client, facts, self._clock))
        if about != self._seen_closely:
            return []
        # What was said last stands while nothing is answered; its age is judged where it is shown.
        if not isinstance(listed, Failure) or not isinstance(self._pods, PodsFacts):
            self._pods = listed
        if not isinstance(told, Failure) or not isinstance(self._scaling, ScalingFacts):
            self._scaling = told
        # Whoever may not read pods or events has heard from the server all the same.
        return [each for each in (listed, told)
                if isinstance(each, Failure) and each.kind in SILENT and each.status != 403]

    def _next_try_in(self, client: KubernetesClient) -> float | None:
        return client.breaker.next_try_in()

    def _reset(self, client: KubernetesClient) -> None:
        client.breaker.reset()

    async def _close(self, client: KubernetesClient) -> None:
        await client.aclose()


_Facts = TypeVar("_Facts")


def keep(known: dict[str, _Facts | Failure], name: str, found: _Facts | Failure) -> None:
    """What was said last stands while nothing is answered; that it is not there is an answer."""
    if not isinstance(found, Failure) or is_missing(found) or not _is_known(known.get(name)):
        known[name] = found


def _is_known(found: object) -> bool:
    return found is not None and not isinstance(found, Failure)


def is_missing(found: object) -> bool:
    """Whether the source answered that there is no such thing."""
    return isinstance(found, Failure) and found.kind is FailureKind.NOT_FOUND


def deployed(notebook: Notebook, registry: RegistryWatch, rollouts: RolloutWatch,
             rollout: RolloutFacts | Failure | None, interval: float, *, awaited: bool = False) -> Deployed:
    """What registry and rollout controller said of one model, whichever ``rollout`` is its own.

    ``awaited``: it has not said anything yet, and may.
    """
    return Deployed(registry.registered(notebook), registry.promise(notebook), rollout,
                    3 * max(interval, 5.0), rollouts.pods(notebook), rollouts.scaling(notebook), registry.run(notebook),
                    awaited)
