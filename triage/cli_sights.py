"""What a cell is shown: the present of a context, or a capture of it. Questions to Prometheus are answered from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triage.cells.questions import Answered
    from triage.cells.results import Against
    from triage.cells.sights import Seen
    from triage.clock import Clock
    from triage.config import Active


class Present:
    """The context as it is."""

    against: Against | None = None

    def __init__(self, active: Active, clock: Clock, model: str) -> None:
        from triage.cells.questions import PrometheusQuestions
        self._active = active
        self._clock = clock
        self._model = model
        self._questions = PrometheusQuestions(active.context.prometheus, clock)

    async def look(self) -> Seen:
        from triage.cells.sights import Seen
        from triage.live.once import take_snapshot
        from triage.report.json import status_json
        snapshot = await take_snapshot(self._active, [self._model], self._clock)
        return Seen(snapshot.at, snapshot.model(self._model), status_json(snapshot), snapshot)

    async def answer(self, path: str, fields: Sequence[tuple[str, str]]) -> Answered:
        return await self._questions.answer(path, fields)

    async def aclose(self) -> None:
        await self._questions.aclose()


class Past:
    """A capture: its series are put into the store of the lab's Prometheus, which answers as a real one would."""

    def __init__(self, folder: Path, model: str) -> None:
        """Raises :class:`~triage.errors.TriageError` when it is no capture of this model, or was changed since."""
        import httpx
        import numpy as np

        from triage.cells.capture import against, read_capture, series_of
        from triage.lab.apis import prometheus
        from triage.lab.clock import LabClock
        from triage.lab.promql.engine import Engine
        from triage.lab.promql.store import Store
        self._capture = read_capture(folder, model)
        self.against: Against | None = against(self._capture)
        store = Store()
        for labels, times, values in series_of(self._capture):
            store.append(labels, np.array([round(at * 1000) for at in times], dtype=np.int64),
                         np.array(values, dtype=np.float64))
        served = prometheus.app(Engine(store), LabClock(self._capture.end, 0.0, 0.0))
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://capture")

    async def look(self) -> Seen:
        from triage.cells.sights import Seen
        return Seen(self._capture.end, None, self._capture.facts)

    async def answer(self, path: str, fields: Sequence[tuple[str, str]]) -> Answered:
        from triage.cells.questions import READING, refusal
        if READING.fullmatch(path) is None:
            return refusal(403, "triage passes on questions only")
        found = await self._client.get(path, params=list(fields))
        return found.status_code, found.text

    async def aclose(self) -> None:
        await self._client.aclose()
