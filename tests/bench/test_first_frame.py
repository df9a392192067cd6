"""Time to the first frame and to the first figures of the real program, against an empty Textual program."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

import pytest

from tests.bench.conftest import Figure
from tests.real.stage import Stage
from tests.tui.terminal import Terminal

RUNS = 5
FIRST_FRAME = b"WAITING"
FIRST_FIGURES = b"FAIL, page"
"""The verdict on fraud-scorer with its failing canary."""

pytestmark = pytest.mark.bench


def times(module: str, *arguments: str, wanted: tuple[bytes, ...],
          environment: Mapping[str, str] | None = None) -> tuple[float, ...]:
    """Seconds from the start of the process until each of ``wanted`` was written."""
    with Terminal(*arguments, module=module, environment=dict(environment or {})) as terminal:
        return tuple(terminal.read_until(text) for text in wanted)


def test_the_first_frame_and_the_first_figures(bench_stage: Stage, figure: Figure) -> None:
    own = {"TRIAGE_CONFIG": str(bench_stage.config)}
    wanted = (FIRST_FRAME, FIRST_FIGURES)
    # Once without counting: the first start compiles.
    times("triage", "fraud-scorer", wanted=wanted, environment=own)
    empty: list[float] = []
    frame: list[float] = []
    figures: list[float] = []
    for _ in range(RUNS):
        empty.extend(times("tests.tui.empty", wanted=(FIRST_FRAME,)))
        first, then = times("triage", "fraud-scorer", wanted=wanted, environment=own)
        frame.append(first)
        figures.append(then)
    base = statistics.median(empty)
    figure("first frame, an empty Textual program", f"{base * 1000:.0f} ms")
    figure("first frame, triage", f"{statistics.median(frame) * 1000:.0f} ms, {statistics.median(frame) / base:.2f}x")
    figure("first figures, triage on a real Prometheus", f"{statistics.median(figures) * 1000:.0f} ms, "
           f"{statistics.median(figures) / base:.2f}x")
    assert len(frame) == RUNS
