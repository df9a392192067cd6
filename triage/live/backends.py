"""Where HAProxy's backends stand that move the traffic of the models shown: two commands each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from triage.clock import Clock
from triage.errors import TriageError
from triage.facts.outcome import Failure
from triage.facts.rollouts import RolloutFacts
from triage.live.beside import Beside, is_missing, keep

if TYPE_CHECKING:
    from triage.config import Active
    from triage.notebook.load import Notebook
    from triage.sources.haproxy import HaproxyClient


class BackendWatch(Beside["HaproxyClient"]):
    """The weights of the backends that manifests name (``rollout.kind: haproxy``)."""

    def __init__(self, active: Active, clock: Clock, interval: float, changed: Callable[[], None]) -> None:
        self.configured = active.context.haproxy is not None
        super().__init__("haproxy", configured=self.configured, clock=clock, interval=interval, pace=interval,
                         changed=changed)
        self._active = active
        self._backends: dict[str, RolloutFacts | Failure] = {}

    def rollout(self, notebook: Notebook) -> RolloutFacts | Failure | None:
        """The backend as a rollout; None when the manifest names none, or it has not been read."""
        return self._backends.get(notebook.name)

    def _concerns(self, notebook: Notebook) -> bool:
        named = notebook.manifest.spec.rollout
        return named is not None and named.kind == "haproxy"

    def _open(self) -> HaproxyClient:
        from triage.sources.haproxy import HaproxyClient
        configured = self._active.context.haproxy
        if configured is None:
            raise TriageError("the context names none")
        return HaproxyClient(configured, self._active, self._clock)

    async def _ask(self, client: HaproxyClient, notebooks: Sequence[Notebook]) -> list[object]:
        from triage.sources.rollouts.haproxy import state
        named = [(n.name, n.manifest.spec.rollout) for n in notebooks if n.manifest.spec.rollout is not None]
        found = await asyncio.gather(*(state(rollout, client, self._clock) for _, rollout in named))
        for (name, _), facts in zip(named, found, strict=True):
            keep(self._backends, name, facts)
        return [None if is_missing(each) else each for each in found]

    def _next_try_in(self, client: HaproxyClient) -> float | None:
        return client.breaker.next_try_in()

    def _reset(self, client: HaproxyClient) -> None:
        client.breaker.reset()

    async def _close(self, client: HaproxyClient) -> None:
        await client.aclose()
