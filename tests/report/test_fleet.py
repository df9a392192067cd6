"""The fleet in the text of ``triage status``."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.cells import cell_len

from tests.tui import fleets, snapshots
from triage.live.snapshot import Snapshot
from triage.report.characters import Characters
from triage.report.console import as_text, console
from triage.report.fleet import MOST_IN_FULL
from triage.report.text import status_text


def status(snapshot: Snapshot, models: int, width: int = 120, *, ascii_only: bool = False) -> str:
    whole = replace(snapshot, models=snapshot.models[:1] * models)
    return as_text(status_text(whole, Characters(ascii_only)), console(io.StringIO(), width))


def test_many_models_are_a_line_each_worst_first_and_not_told_in_full() -> None:
    text = status(fleets.many(50), 50)
    lines = [line for line in text.splitlines() if "model-00" in line]
    assert len(lines) == 50
    assert "objective" not in text.splitlines()[4]
    assert text.index("image-moderation") < text.index("ads-pacing") < text.index("model-0000")
    assert "57 models  2 fail, 3 unknown, 1 warn, 51 pass" in text
    assert "triage status MODEL" in text


def test_a_few_models_are_told_in_full() -> None:
    text = status(fleets.many(3), MOST_IN_FULL)
    assert text.count("versions  ") == MOST_IN_FULL
    assert "triage status MODEL" not in text


def test_while_prometheus_is_silent_figures_and_verdicts_stand_in_brackets() -> None:
    text = status(fleets.lost(), 50)
    assert "Prometheus is silent" in text
    line = next(each for each in text.splitlines() if "image-moderation" in each)
    assert "(fail, page)" in line
    assert "(15.1x)" in line
    assert "?" in next(each for each in text.splitlines() if "chat-assistant" in each)


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(width: int, ascii_only: bool) -> None:
    text = status(fleets.many(50), 50, width, ascii_only=ascii_only)
    assert max(map(cell_len, text.splitlines())) <= width
    assert text.isascii() or not ascii_only


def test_a_single_model_stays_as_it_was() -> None:
    assert "models  " not in status(snapshots.healthy(), 1)
