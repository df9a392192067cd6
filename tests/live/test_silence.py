"""While Prometheus is silent no figure is called present, from its first failure on; its state is told truly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.live.conftest import Asked, Published
from tests.live.test_sources_lost import poller_for, prometheus_state, running
from tests.tui import snapshots
from triage.clock import ManualClock
from triage.facts.outcome import Failure, FailureKind, SourceState
from triage.facts.samples import Answer
from triage.live.silence import as_shown, silent
from triage.live.snapshot import Snapshot
from triage.live.watch import SourceWatch
from triage.signals.reading import Quality, Verdict

Notebooks = Callable[..., Path]


def gone() -> Snapshot:
    """Prometheus just refused a connection; its answers are seconds old."""
    return replace(snapshots.canary_failing(), sources=snapshots.just_lost().sources)


def test_nothing_changes_while_it_answers() -> None:
    snapshot = snapshots.canary_failing()
    assert silent(snapshot) is None
    assert as_shown(snapshot.models[0], snapshot) is snapshot.models[0]


def test_every_value_is_stale_from_its_first_failure_on_and_none_is_lost() -> None:
    snapshot = gone()
    model, shown = snapshot.models[0], as_shown(snapshot.models[0], snapshot)
    valued = [(before.now, after.now) for before, after in zip(model.slos, shown.slos, strict=True)
              if before.now.value is not None]
    assert valued
    assert all(after == replace(before, quality=Quality.STALE) for before, after in valued)
    assert {v.share.quality for v in shown.versions.items} == {Quality.STALE}
    assert {q.p95.quality for s in shown.slos for q in s.quantiles} == {Quality.STALE}
    assert (shown.verdict, shown.reasons) == (model.verdict, model.reasons)


def test_what_has_no_value_keeps_saying_why() -> None:
    snapshot = gone()
    assert as_shown(snapshot.models[0], snapshot).slos[-1] == snapshot.models[0].slos[-1]


async def test_the_first_time_out_is_enough_while_other_questions_still_hang(
        notebooks: Notebooks, prometheus: Asked, clock: ManualClock) -> None:
    published = Published()
    poller = poller_for(notebooks(m=1), prometheus, clock, "m", interval=60.0, published=published)
    prometheus.fake.hold = lambda expression: "[30d]" in expression or "[1d]" in expression
    async with running(poller):
        await published.until(lambda: bool(published.snapshots) and prometheus.fake.answered >= 7)
        prometheus.fake.down = True
        poller.refresh_now()
        await published.until(lambda: prometheus_state(published.snapshots[-1]) is SourceState.DOWN)
        assert any(not task.done() for task in asyncio.all_tasks() - {asyncio.current_task()})
        prometheus.fake.released.set()
    assert published.snapshots[-1].models[0].verdict in (Verdict.PASS, Verdict.UNKNOWN)


outcomes = st.sampled_from([*(Failure(kind, "x") for kind in FailureKind), Answer(1_000_000.0)])


@given(st.lists(st.tuples(st.lists(outcomes, max_size=3), st.floats(-5, 60)), max_size=12))
def test_silent_since_never_lies_before_the_last_answer(story: list[tuple[list[object], float]]) -> None:
    watch, now = SourceWatch("prometheus", configured=True), 1_000_000.0
    for seen, passed in story:
        # Even where the clock is set back.
        now += passed
        watch.seen(seen, now, None)
        health = watch.health()
        if health.state is SourceState.DOWN and health.last_ok_at is not None:
            assert health.since is not None
            assert health.since >= health.last_ok_at
