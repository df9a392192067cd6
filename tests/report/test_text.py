"""The text of ``triage status``. Goldens are written anew only with ``TRIAGE_WRITE_GOLDENS=1``, and read then."""

from __future__ import annotations

import io
import os
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.tui import snapshots
from triage.facts.outcome import SourceState
from triage.live.snapshot import Snapshot
from triage.report.characters import Characters
from triage.report.console import as_text, characters, console
from triage.report.text import status_text
from triage.signals.reading import Verdict

GOLDENS = Path(__file__).parent / "goldens"
STATES = ("healthy", "canary", "lost", "waiting", "idle", "few", "just-lost", "partial", "broken",
          "trial-few", "trial-both", "trial-stale", "trial-begun", "trial-shadow",
          "drift-moved", "drift-both", "drift-quiet", "drift-stale", "drift-unread",
          "deployed-paused", "deployed-unapproved", "deployed-aborted", "deployed-unread")


def drawn(snapshot: Snapshot, width: int = 80, *, ascii_only: bool = False) -> str:
    return as_text(status_text(snapshot, Characters(ascii_only)), console(io.StringIO(), width))


def check(name: str, text: str) -> None:
    path = GOLDENS / f"{name}.txt"
    if os.environ.get("TRIAGE_WRITE_GOLDENS"):
        path.write_text(text)
    assert path.read_text() == text, f"{path.name} says something else; if that is better, write it anew"


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("state", STATES)
def test_a_status_reads_as_agreed(state: str, width: int) -> None:
    check(f"{state}-{width}", drawn(snapshots.ALL[state](), width))


def test_a_status_in_ascii_reads_as_agreed() -> None:
    check("canary-ascii", drawn(snapshots.canary_failing(), ascii_only=True))


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("state", snapshots.ALL)
def test_no_line_is_wider_than_the_terminal(state: str, width: int) -> None:
    assert max(cell_len(line) for line in drawn(snapshots.ALL[state](), width).splitlines()) <= width


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("state", snapshots.ALL)
def test_nothing_but_text_and_line_ends_is_written_where_nobody_looks(state: str, ascii_only: bool) -> None:
    text = drawn(snapshots.ALL[state](), ascii_only=ascii_only)
    assert {c for c in text if unicodedata.category(c) in ("Cc", "Cf")} <= {"\n"}
    assert not ascii_only or text.isascii()


def test_markup_in_data_is_drawn_as_it_is() -> None:
    assert "[@click=app.quit]x[/]" in drawn(snapshots.hostile(), 200)


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.UNKNOWN])
def test_every_verdict_is_a_word(verdict: Verdict) -> None:
    text = drawn(snapshots.with_model(snapshots.healthy(), verdict=verdict))
    assert f"fraud-scorer  {str(verdict).upper()}" in text


def test_a_value_that_is_not_fresh_stands_in_brackets_with_its_age() -> None:
    text = drawn(snapshots.prometheus_lost())
    assert "(98.9 %" in text
    assert "stale 4 m 12 s old" in text


def test_colours_are_used_on_a_terminal_only_and_never_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    report = status_text(snapshots.canary_failing(), Characters())
    assert "\x1b[1;31m" in as_text(report, console(Terminal(), 80))
    monkeypatch.setenv("NO_COLOR", "1")
    assert "31m" not in as_text(report, console(Terminal(), 80))


def test_ascii_is_chosen_where_the_output_takes_no_more() -> None:
    assert characters(False, io.TextIOWrapper(io.BytesIO(), encoding="latin-1")).ascii
    assert not characters(False, io.TextIOWrapper(io.BytesIO(), encoding="UTF-8")).ascii
    assert characters(True, io.TextIOWrapper(io.BytesIO(), encoding="UTF-8")).ascii


def test_alerts_are_not_known_where_no_source_of_them_answers() -> None:
    quiet = snapshots.with_model(snapshots.healthy(), alerts=())
    assert "alert     none\n" in drawn(quiet)
    gone = replace(quiet, sources=snapshots.sources(alertmanager=SourceState.DOWN))
    assert "alert     not known: no answer from alertmanager\n" in drawn(gone)


def test_without_notebooks_it_says_how_to_name_them() -> None:
    assert "--notebooks" in drawn(replace(snapshots.healthy(), models=(), other_models=()))


@pytest.mark.parametrize(("width", "shown"), [(120, "burn 5m"), (80, "burn 1h"), (70, "now")])
def test_a_narrow_table_leaves_out_burn_rates_before_it_breaks_a_name(width: int, shown: str) -> None:
    healthy = snapshots.healthy()
    named = replace(healthy.models[0].slos[1], name="run-duration-of-the-night")
    text = drawn(snapshots.with_model(healthy, slos=(healthy.models[0].slos[0], named)), width)
    assert "run-duration-of-the-night" in text
    assert shown in text


def test_without_a_terminal_it_is_120_wide_unless_the_environment_says_otherwise(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert console(io.StringIO()).width == 120
    monkeypatch.setenv("COLUMNS", "66")
    assert console(io.StringIO()).width == 66
    assert console(io.StringIO(), 50).width == 50
