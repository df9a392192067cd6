"""The panels of pods, work, scaling and lineage as text, and what is never shown as well."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tui import servings, snapshots
from tests.tui.test_goldens import check
from triage.signals.lineage_model import Lineage, LineageLink, LinkState
from triage.tui.line import Line, Role
from triage.tui.look import Look
from triage.tui.panels.lineage import lineage
from triage.tui.panels.pods import found_pods, pods, scaling, work
from triage.tui.pods_page import pod_page
from triage.tui.view import View

NOW = snapshots.NOW
WIDTHS = (80, 120, 200)
LINKS = (
    LineageLink("version", "", "8", "8", "7 90 %, 8 10 %", LinkState.SAME),
    LineageLink("image", "", "registry.example/ml/fraud-scorer:8.0.2", "", "registry.example/ml/fraud-scorer:8.0.3",
                LinkState.DIFFERS, "another image runs than the manifest names"),
    LineageLink("manifest", "", "4f2a9c3b1d7e", "9e01c2d3a4b5", "", LinkState.DIFFERS, "2 fields differ"),
    LineageLink("run", "", "", "5f3c9a7b", "", LinkState.NOT_RECORDED, "its files are at s3://models/fraud-scorer/8"),
    LineageLink("data", "warehouse.payments.transactions", "snap-2026-11-02", "snap-2026-09-01", "", LinkState.DIFFERS,
                "spec.data[transactions].version was another when it was registered"),
    LineageLink("data", "loose", "", "", "", LinkState.MUTABLE,
                "neither version nor digest: it may have changed since"),
    LineageLink("features", "amount, merchant_age_days", "transactions snap-2026-11-02", "", "", LinkState.UNKNOWN,
                "the registered manifest cannot be compared field by field"))


def view(state: str, width: int = 120, *, ascii_only: bool = False, links: tuple[LineageLink, ...] = LINKS) -> View:
    snapshot = snapshots.ALL["canary"]()
    serving = servings.READINGS[state]() if state else None
    model = replace(snapshot.models[0], serving=serving, lineage=Lineage(True, (), (), None, NOW - 12, links=links))
    look = Look(ascii_only, "ascii" if ascii_only else "braille")
    return View(snapshot, model, None, NOW, 3600.0, None, None, look, width, 40)


def everything(shown: View, chosen: str | None = None) -> list[Line]:
    width = shown.width
    return [*pods(shown, chosen, width, 12), Line(), *work(shown, width, 20), Line(), *scaling(shown, width, 8), Line(),
            *lineage(shown, width, 30)]


def text(lines: list[Line]) -> str:
    return "\n".join(line.text.rstrip() for line in lines)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("state", servings.READINGS)
def test_the_panels_look_as_agreed(state: str, width: int) -> None:
    shown = view(state, width)
    names = [pod.name for pod in found_pods(shown)]
    found = everything(shown, names[1] if len(names) > 1 else None)
    assert all(line.width <= width for line in found)
    check(f"panel-pods-{state}-{width}", text(found))


def test_in_ascii_they_say_the_same() -> None:
    found = text(everything(view("mixed", 120, ascii_only=True)))
    assert found.isascii()
    check("panel-pods-ascii", found)


def test_the_page_behind_a_pod_says_what_it_uses_of_what() -> None:
    shown = view("mixed", 100)
    assert shown.model is not None
    check("page-pod", text(pod_page(shown, shown.model, servings.NEW, 100)))
    assert pod_page(shown, shown.model, "gone", 100) == []


def test_a_pod_without_metrics_is_a_question_and_never_well() -> None:
    [row] = [line for line in pods(view("mixed"), None, 120, 20) if servings.OLD[2][-10:] in line.text]
    assert "? no sample for 12 min" not in row.text
    assert row.text.split()[0] == "?"
    assert "no sample for 12 min" in row.text
    assert {text for text, role in row.spans if role is Role.UNKNOWN and text == "?"}


@pytest.mark.parametrize("state", ["stale", "unread"])
def test_what_does_not_describe_the_present_is_in_brackets_or_a_question(state: str) -> None:
    found = [*pods(view(state), None, 120, 20), *work(view(state), 120, 20)]
    shares = [text for line in found for text, role in line.spans if "%" in text and role is not Role.DIM]
    assert all(part.strip().startswith("(") for part in shares)
    assert not any(role is Role.PASS for line in found for _, role in line.spans)


def test_an_exception_is_told_by_more_than_its_colour() -> None:
    found = pods(view("mixed"), None, 120, 20)
    warned = [text.strip() for line in found for text, role in line.spans if role is Role.WARN]
    assert warned
    assert all(part.startswith("!") or " " in part for part in warned)


@pytest.mark.parametrize("rows", range(6))
def test_few_rows_hold_what_fits_of_them(rows: int) -> None:
    shown = view("mixed", 80)
    for part in (pods(shown, servings.NEW, 80, rows), work(shown, 80, rows), scaling(shown, 80, rows),
                 lineage(shown, 80, rows)):
        assert len(part) <= rows


def test_the_pod_under_the_cursor_stays_in_sight() -> None:
    last = found_pods(view("mixed"))[-1].name
    assert any(last[-5:] in line.text for line in pods(view("mixed"), last, 120, 4))


def test_before_anybody_asked_there_is_no_figure() -> None:
    assert text(pods(view(""), None, 80, 9)) == " PODS\n   asked, no answer yet"
    assert work(view(""), 80, 9) == []
    assert text(lineage(view("", links=()), 80, 9)) == " LINEAGE  nothing is known of it yet"


def test_work_in_one_row_says_its_first_figures() -> None:
    [short] = work(view("mixed"), 120, 1)
    assert short.text.startswith(" WORK  throughput ")
    assert "cost of 1,000" in short.text
    assert len(short.text.rstrip()) <= 120
