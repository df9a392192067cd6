"""Time of ``triage demo`` to its first frame and to its first figures, against an empty Textual program."""

from __future__ import annotations

import statistics

import pytest

from tests.bench.conftest import Figure
from tests.bench.test_first_frame import FIRST_FRAME, times

RUNS = 5
FIRST_FIGURES = b"burns"
"""In the verdict or a reason of the slow canary, once the facts are there."""

pytestmark = pytest.mark.bench


def test_the_first_frame_and_the_first_figures_of_the_demo(figure: Figure) -> None:
    wanted = (FIRST_FRAME, FIRST_FIGURES)
    # Once without counting: the first start compiles.
    times("triage", "demo", wanted=wanted)
    empty = [times("tests.tui.empty", wanted=(FIRST_FRAME,))[0] for _ in range(RUNS)]
    shown = [times("triage", "demo", wanted=wanted) for _ in range(RUNS)]
    base, frame, figures = (statistics.median(column) for column in (empty, *zip(*shown, strict=True)))
    figure("first frame, triage demo", f"{frame * 1000:.0f} ms, {frame / base:.2f}x an empty Textual program")
    figure("first figures, triage demo", f"{figures * 1000:.0f} ms")
    assert len(shown) == RUNS
