"""Snapshots for reports: load the notebooks, ask, say what is known; once, or at every interval."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import os
from collections.abc import AsyncGenerator, Callable, Sequence

from triage.clock import Clock, SleepWatch
from triage.config import Active
from triage.errors import InvalidDocument, TriageError
from triage.facts.closer_look import CloserLook
from triage.live.poller import Poller
from triage.live.snapshot import Snapshot
from triage.notebook.load import Loaded, Notebook, load_all
from triage.text import clean


class UnknownModel(TriageError):
    """No notebook is of this model."""


def load_notebooks(active: Active) -> Loaded:
    """The notebooks of the context.

    Raises :class:`TriageError` when none are named, when one that was named for this run is not there, or when none of
    the configuration's is: one folder of several that is not there hides no others.
    """
    if not active.notebooks:
        raise TriageError("no model notebooks are named",
                          "use --notebooks FOLDER, $TRIAGE_NOTEBOOKS, or notebooks: in triage.yaml")
    missing = [path for path in active.notebooks if not os.path.lexists(path)]
    if missing and (active.notebooks_named or len(missing) == len(active.notebooks)):
        named = ", ".join(clean(str(path), limit=200) for path in missing)
        raise TriageError(f"there is no file or folder {named}",
                          "check --notebooks, $TRIAGE_NOTEBOOKS, or notebooks: in triage.yaml")
    return load_all(active.notebooks)


def chosen_names(loaded: Loaded, names: Sequence[str] | None) -> tuple[str, ...]:
    """The models to ask about: all, or those named. A named one may be broken: then nothing is asked about it.

    Raises :class:`UnknownModel` with the nearest names.
    """
    known = [n.name for n in loaded.notebooks]
    if names is None:
        return tuple(known)
    broken = [b.name for b in loaded.broken]
    for name in names:
        if name not in known and name not in broken:
            near = difflib.get_close_matches(name, [*known, *broken], n=3, cutoff=0.5)
            every = ", ".join(sorted({*known, *broken})) or "none"
            raise UnknownModel(f"there is no model notebook of {clean(name, limit=80)}",
                               f"did you mean {' or '.join(near)}?" if near else f"there are: {every}")
    return tuple(name for name in names if name in known)


def notebook_of(active: Active, model: str) -> Notebook:
    """The notebook of one model. Raises as :func:`chosen_names` does, and :class:`~triage.errors.InvalidDocument`."""
    loaded = load_notebooks(active)
    chosen_names(loaded, [model])
    broken = next((item for item in loaded.broken if item.name == model), None)
    if broken is not None:
        raise InvalidDocument(broken.findings)
    return next(item for item in loaded.notebooks if item.name == model)


async def take_snapshot(active: Active, names: Sequence[str] | None, clock: Clock, *,
                        closely: bool = False) -> Snapshot:
    """Load the notebooks and ask every source once. ``names`` None means all models.

    ``closely``: ask for the first of them also what otherwise only a closer look asks: labels by prediction time,
    what the features are worth, its pods and their work.

    Raises :class:`TriageError` when there is nothing to ask about; a source that does not answer is no error but part
    of the snapshot.
    """
    loaded = load_notebooks(active)
    poller = Poller(active, loaded, clock, goes_on=False)
    try:
        poller.watch(chosen_names(loaded, names))
        poller.look_closer(CloserLook(pods=True) if closely else None)
        return await poller.refresh_once()
    finally:
        await poller.aclose()


async def take_snapshots(active: Active, names: Sequence[str] | None, clock: Clock) -> AsyncGenerator[Snapshot, None]:
    """As :func:`take_snapshot`, then another at every interval, for ever: each question is asked at its own pace.

    The first waits for every answer, the others an interval at most. After a suspend everything is asked anew.
    """
    loaded = load_notebooks(active)
    interval = active.context.interval
    poller = Poller(active, loaded, clock)
    try:
        poller.watch(chosen_names(loaded, names))
        sleep = SleepWatch(clock)
        patience = None
        while True:
            began = clock.monotonic()
            yield await poller.refresh_once(patience)
            patience = interval
            await asyncio.sleep(max(0.0, interval - (clock.monotonic() - began)))
            if sleep.was_asleep(interval):
                await poller.reconnect()
    finally:
        await poller.aclose()


async def take_settled_snapshot(active: Active, names: Sequence[str] | None, clock: Clock,
                                waits: Callable[[Snapshot], bool], wait_seconds: float) -> Snapshot:
    """As :func:`take_snapshot`; while ``waits`` says so another at every interval, for ``wait_seconds`` at most.

    The last one, whether or not it still waits.
    """
    if wait_seconds <= 0:
        return await take_snapshot(active, names, clock)
    began = clock.monotonic()
    async with contextlib.aclosing(take_snapshots(active, names, clock)) as snapshots:
        async for snapshot in snapshots:
            if not waits(snapshot) or clock.monotonic() - began + active.context.interval > wait_seconds:
                return snapshot
    raise AssertionError("there is always another snapshot")
