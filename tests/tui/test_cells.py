"""The cells screen: the list, a cell and its run as they stream, stopping, confirming, what ends with the program."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import psutil
import pytest
from textual import events
from textual.pilot import Pilot

from tests.cells.books import C
from tests.cells.books import write as written
from tests.cells.test_capture import store
from tests.cells.test_left import CELLS as LEFT
from tests.cells.test_left import killed
from tests.lab.serving import serving
from tests.tui import snapshots
from tests.tui.driving import press, running, screen_text
from tests.tui.scripted import ScriptedFeed
from tests.tui.shelves import SHELVES, chosen
from tests.tui.test_goldens import check
from tests.tui.test_sizes import SIZES
from triage.cells.capture import read_capture
from triage.cells.protocol import Outcome
from triage.cells.sights import Sight
from triage.cli_sights import Past
from triage.config import Active, Context
from triage.endpoints import Endpoint
from triage.incident.entries import Entry, Kind
from triage.lab.apis import prometheus
from triage.lab.clock import LabClock
from triage.lab.promql.engine import Engine
from triage.notebook.load import Notebook, load_notebook
from triage.runbook.intents import Place, RunCell
from triage.signals.lineage_model import Lineage
from triage.signals.promise import Promise, PromiseState
from triage.signals.wording import clock_time
from triage.tui.app import TriageApp
from triage.tui.keymap import CELLS, all_keys
from triage.tui.line import Line
from triage.tui.look import Look
from triage.tui.panels import cells as panel
from triage.tui.screens.cells import Cells
from triage.tui.screens.consent import Consent
from triage.tui.screens.oncall import OnCall
from triage.tui.screens.reader import Reader
from triage.tui.view import View

Opens = Callable[[Path, str], Sight]
READS = {"effects": "none", "purpose": "Why?", "time_limit": "20s"}
BOOK = (C("parameters", 'FEATURE = "x"', ["parameters"], None),
        C("quick", "print('feature', FEATURE)\nprint('\\x1b]52;c;aGk=\\x07')", about=READS),
        C("slow", "import time\nprint('begun', flush=True)\nwhile True: time.sleep(0.01)", about=READS),
        C("changing", "1", about={"effects": "fills the view", "purpose": "Fill"}))


def view(width: int = 120, height: int = 40, *, ascii_only: bool = False) -> View:
    snapshot = snapshots.ALL["canary"]()
    return View(snapshot, snapshot.models[0], None, snapshots.NOW, 3600.0, None, None, Look(ascii_only), width, height)


def drawn(state: str, width: int, height: int, *, ascii_only: bool = False) -> str:
    """List and cell as the screen puts them together."""
    now, shelf = view(width, height, ascii_only=ascii_only), SHELVES[state]()
    rows: list[Line] = [*panel.listing(now, shelf, chosen(shelf), width, 9), Line(),
                        *panel.detail(now, shelf, chosen(shelf), width, height)]
    return "\n".join(row.text.rstrip() for row in rows)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("state", SHELVES)
def test_every_state_looks_as_agreed(state: str, width: int) -> None:
    check(f"cells-{state}-{width}", drawn(state, width, 14))


def test_in_ascii_nothing_else_is_drawn() -> None:
    text = drawn("failed", 80, 14, ascii_only=True)
    assert text.isascii()
    check("cells-ascii", text)


@pytest.mark.parametrize("state", SHELVES)
def test_no_row_is_wider_than_its_room(state: str) -> None:
    for width, height in SIZES:
        now, shelf = view(width, height), SHELVES[state]()
        for rows in (panel.listing(now, shelf, chosen(shelf), width, height),
                     panel.detail(now, shelf, chosen(shelf), width, height)):
            assert len(rows) <= max(0, height)
            assert [row.text for row in rows if row.width > width] == []


def test_everything_about_a_run_is_on_its_page() -> None:
    shelf = SHELVES["failed"]()
    check("cells-page", "\n".join(row.text.rstrip() for row in panel.page(view(), shelf, "compare-feature", 78)))


@asynccontextmanager
async def at_work(folder: Path, *, pinned: bool = True, write_notebook: bool = True, size: tuple[int, int] = (100, 36),
                  write: bool = False, url: str = "http://127.0.0.1:1", past: Opens | None = None
                  ) -> AsyncIterator[tuple[TriageApp, Pilot[None], Notebook]]:
    """The program on the cells screen, with a notebook of its own for the model that is shown."""
    if write_notebook:
        written(folder / "m", *BOOK, pinned=pinned, name="fraud-scorer")
    manifest = folder / "m/manifest.yaml"
    manifest.write_text(manifest.read_text().replace("{preset: triton}", "{preset: triton, selector: {model: scorer}}"))
    notebook = load_notebook(folder / "m")
    feed = ScriptedFeed(snapshots.ALL["canary"](), now=snapshots.NOW, names=("fraud-scorer",))
    feed.notebooks = {"fraud-scorer": notebook}
    feed.active = Active("prod-eu", Context(prometheus=Endpoint(url=url), production=True), (folder,),
                         None)
    async with running(None, size, feed=feed, state_home=folder / "state", write=write,
                       past=past) as (app, pilot, _):
        await press(pilot, "4")
        await until(pilot, lambda: app.cells.shelf().listing is not None)
        yield app, pilot, notebook


async def until(pilot: Pilot[None], holds: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, screen_text(pilot.app)
        await asyncio.sleep(0.02)
    await pilot.pause()


def digest(app: TriageApp) -> str:
    """Of the notebook file at hand."""
    listing = app.cells.shelf().listing
    assert listing is not None
    assert listing.book is not None
    return listing.book.sha256


def outcome(app: TriageApp, cell: str) -> Outcome | None:
    run = app.cells.shelf().runs.get(cell)
    return None if run is None else run.outcome


async def test_four_opens_it_and_escape_and_two_go_back(tmp_path: Path) -> None:
    async with at_work(tmp_path) as (app, pilot, _):
        assert isinstance(app.screen, Cells)
        await press(pilot, "escape")
        assert isinstance(app.screen, OnCall)
        await press(pilot, "4", "question_mark", "4")
        assert isinstance(app.screen, Cells)
        await press(pilot, "2")
        assert isinstance(app.screen, OnCall)


async def test_enter_runs_the_cell_with_the_values_that_were_set_and_o_shows_all(tmp_path: Path) -> None:
    async with at_work(tmp_path) as (app, pilot, _):
        await press(pilot, "e", *"FEATURE=amount", "enter", "enter")
        await until(pilot, lambda: "kept, o says where" in screen_text(app))
        text = screen_text(app)
        assert "feature amount" in text
        assert "with FEATURE=amount" in text
        assert "\x1b" not in text
        assert "␛]52;c;aGk=␇" in text
        await press(pilot, "o")
        assert isinstance(app.screen, Reader)
        assert "HOW IT RAN" in screen_text(app)
        await press(pilot, "escape", "y")
        assert "feature amount" in screen_text(app)


async def test_output_streams_x_interrupts_and_keys_stay_quick(tmp_path: Path) -> None:
    async with at_work(tmp_path) as (app, pilot, _):
        await press(pilot, "j", "enter")
        await until(pilot, lambda: "begun" in screen_text(app))
        began = time.monotonic()
        await press(pilot, "k", "j")
        assert time.monotonic() - began < 2.0
        await press(pilot, "enter")
        assert "slow runs already" in screen_text(app)
        await press(pilot, "x")
        assert "interrupted; once more kills it" in screen_text(app)
        await until(pilot, lambda: outcome(app, "slow") is not None)
        assert outcome(app, "slow") is Outcome.STOPPED
        await until(pilot, lambda: "stopped by you" in screen_text(app))
        await press(pilot, "x")
        assert "slow does not run" in screen_text(app)


async def test_what_runs_ends_with_the_program(tmp_path: Path) -> None:
    async with at_work(tmp_path) as (app, pilot, _):
        # Labs that other tests share live as long as all of them.
        before = set(psutil.Process().children(recursive=True))
        await press(pilot, "j", "enter")
        await until(pilot, lambda: "begun" in screen_text(app))
        below = [each for each in psutil.Process().children(recursive=True) if each not in before]
        assert below != []
    _, alive = psutil.wait_procs(below, timeout=5)
    assert alive == []


def enter_twice(app: TriageApp) -> None:
    """As a link that lags behind gives it: two in one read."""
    for _ in range(2):
        app.post_message(events.Key("enter", None))


async def test_two_enters_in_one_read_start_one_run_which_x_stops_and_which_is_told_of(tmp_path: Path) -> None:
    async with at_work(tmp_path) as (app, pilot, _):
        ended: list[str] = []
        app.cells.on_end(lambda run: ended.append(run.id))
        before = set(psutil.Process().children(recursive=True))
        await press(pilot, "j")
        enter_twice(app)
        await until(pilot, lambda: "slow is being prepared already" in screen_text(app))
        await until(pilot, lambda: "begun" in screen_text(app))
        below = [each for each in psutil.Process().children(recursive=True) if each not in before]
        await press(pilot, "x", "x")
        await until(pilot, lambda: outcome(app, "slow") is not None and bool(ended))
        _, alive = psutil.wait_procs(below, timeout=5)
        assert alive == []
        assert [run.id for run in app.cells.shelf().runs.values()] == ended
    assert len(list((tmp_path / "state/cells/fraud-scorer").glob("*/run.json"))) == 1


async def test_two_enters_in_one_read_ask_once_and_the_next_one_asks_again(tmp_path: Path) -> None:
    async with at_work(tmp_path, pinned=False) as (app, pilot, _):
        enter_twice(app)
        await until(pilot, lambda: "quick is being prepared already" in app._message)
        for _ in range(2):
            await until(pilot, lambda: isinstance(app.screen, Consent))
            await press(pilot, "escape")
            assert isinstance(app.screen, Cells)
            await press(pilot, "enter")


async def test_two_enters_in_one_read_show_one_plan_and_the_next_one_shows_another(tmp_path: Path) -> None:
    async with at_work(tmp_path) as (app, pilot, _):
        await press(pilot, "j", "j")
        enter_twice(app)
        await until(pilot, lambda: "changing is being prepared already" in app._message)
        for _ in range(2):
            await until(pilot, lambda: "read-only: nothing is executed" in screen_text(app))
            await press(pilot, "escape")
            assert isinstance(app.screen, Cells)
            await press(pilot, "enter")


async def test_a_file_that_is_not_pinned_is_run_only_after_its_digest_was_typed(tmp_path: Path) -> None:
    async with at_work(tmp_path, pinned=False) as (app, pilot, _):
        assert "not pinned" in screen_text(app)
        await press(pilot, "enter")
        await until(pilot, lambda: isinstance(app.screen, Consent))
        assert "nothing pins notebook.ipynb" in screen_text(app)
        await press(pilot, *"yes", "enter")
        assert isinstance(app.screen, Consent)
        assert outcome(app, "quick") is None
        await press(pilot, "escape", "enter")
        await until(pilot, lambda: isinstance(app.screen, Consent))
        await press(pilot, *digest(app)[:8], "enter")
        await until(pilot, lambda: outcome(app, "quick") is Outcome.FINISHED)


async def test_a_cell_with_effects_of_another_file_is_confirmed_before_its_plan_is_made(tmp_path: Path) -> None:
    async with at_work(tmp_path, pinned=False) as (app, pilot, _):
        await press(pilot, "j", "j", "enter")
        await until(pilot, lambda: isinstance(app.screen, Consent))
        assert "nothing pins notebook.ipynb" in screen_text(app)
        await press(pilot, "escape")
        assert isinstance(app.screen, Cells)
        await press(pilot, "enter")
        await until(pilot, lambda: isinstance(app.screen, Consent))
        await press(pilot, *digest(app)[:8], "enter")
        await until(pilot, lambda: "read-only: nothing is executed" in screen_text(app))
        assert outcome(app, "changing") is None


@pytest.mark.parametrize(("registered", "said"), [("", "as registered"), ("0" * 64, "not the registered file")])
async def test_the_digest_in_the_registry_counts_where_the_manifest_has_none(
        tmp_path: Path, registered: str, said: str) -> None:
    async with at_work(tmp_path, pinned=False) as (app, pilot, _):
        assert "not pinned" in screen_text(app)
        snapshot = snapshots.ALL["canary"]()
        promise = Promise("8", PromiseState.DIFFERS, "1" * 64, notebook_sha256=registered or digest(app))
        model = replace(snapshot.models[0], lineage=Lineage(True, (), (), promise, snapshot.at))
        cast(ScriptedFeed, app.feed).give(replace(snapshot, models=(model, *snapshot.models[1:])))
        await until(pilot, lambda: said in screen_text(app))
        await press(pilot, "enter")
        if registered:
            await until(pilot, lambda: isinstance(app.screen, Consent))
            assert "000000000000" in screen_text(app)
        else:
            await until(pilot, lambda: outcome(app, "quick") is Outcome.FINISHED)


async def test_what_a_required_cell_changes_is_said_in_the_list_too(tmp_path: Path) -> None:
    written(tmp_path / "m", *BOOK, C("truncate", "rows = 0", about={"effects": "truncates the view"}),
            C("look", "print(rows)", about=READS), name="fraud-scorer")
    async with at_work(tmp_path, write_notebook=False) as (app, pilot, _):
        row = next(row for row in screen_text(app).splitlines() if " look " in row)
        assert "changes something" in row
        await press(pilot, "G")
        assert "needs truncate: truncates the view; at most 20s" in screen_text(app)
        assert "reads only" not in screen_text(app)


async def test_a_cell_with_effects_shows_its_plan_which_read_only_blocks(tmp_path: Path) -> None:
    async with at_work(tmp_path) as (app, pilot, _):
        assert "changes something" in screen_text(app)
        await press(pilot, "j", "j", "enter")
        await until(pilot, lambda: "read-only: nothing is executed" in screen_text(app))
        assert "fills the view" in screen_text(app)
        assert outcome(app, "changing") is None


async def test_with_write_a_cell_with_effects_is_run_when_its_word_was_typed(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_STATE", str(tmp_path / "state"))
    async with at_work(tmp_path, write=True) as (app, pilot, _):
        app.actions.deaf_seconds = 0.0
        await press(pilot, "j", "j", "enter")
        await until(pilot, lambda: "to go on" in screen_text(app))
        word = re.search(r"type (\S+) to go on", screen_text(app))
        assert word is not None
        await press(pilot, *word[1], "enter")
        await until(pilot, lambda: outcome(app, "changing") is Outcome.FINISHED)
        await until(pilot, lambda: "has run to its end" in screen_text(app))
    assert "changing" in (tmp_path / "state/journal").joinpath(
        next(path.name for path in (tmp_path / "state/journal").iterdir() if path.suffix == ".jsonl")).read_text()


@pytest.mark.parametrize(("typed", "said"), [("FEATURE", "FEATURE is no NAME=VALUE"), ("'a", "a quote is not closed"),
                                             ("X=1", "there is no parameter X")])
async def test_values_that_cannot_be_set_are_said(tmp_path: Path, typed: str, said: str) -> None:
    async with at_work(tmp_path) as (app, pilot, _):
        await press(pilot, "e", *("quotation_mark" if c == '"' else "apostrophe" if c == "'" else c for c in typed),
                    "enter", "enter")
        await until(pilot, lambda: said in screen_text(app))


async def test_a_step_of_a_runbook_runs_its_cell_and_is_told_how_it_came_out(tmp_path: Path) -> None:
    async with at_work(tmp_path) as (app, pilot, _):
        told: list[tuple[Place, str, str]] = []
        why = Place("prod-eu", "fraud-scorer", "slow", "why")
        assert app.cells.start_step(RunCell("quick", {"FEATURE": "age"}, "why", why), lambda step, how, said:
                                    told.append((step, str(how), said))) == ""
        await until(pilot, lambda: bool(told))
        assert told == [(why, "passed", "finished, without a verdict")]
        assert app.cells.start_step(RunCell("gone", {}, "why", why), lambda step, how, said: told.append(
            (step, str(how), said))) == ""
        await until(pilot, lambda: len(told) == 2)
        assert told[1] == (why, "None", "there is no cell gone in notebook.ipynb; there are: quick, slow, changing")


async def test_c_captures_shows_where_it_lies_and_tells_the_incident(tmp_path: Path,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with serving(prometheus.app(Engine(store(snapshots.NOW)), LabClock(snapshots.NOW, 0.0, 0.0))) as url:
        async with at_work(tmp_path, url=url) as (app, pilot, _):
            await press(pilot, "5", "o", "enter")
            await until(pilot, lambda: app.incident.id("fraud-scorer") == "INC-0001")
            await press(pilot, "4", "c")
            assert "capture fraud-scorer: how far back" in screen_text(app)
            await press(pilot, *["backspace"] * 3, *"1h", "enter")
            folder = tmp_path / "capture-fraud-scorer-20261123T143300Z"
            await until(pilot, lambda: folder.name in unbroken(app) and told(app) != [])
            made = read_capture(folder, "fraud-scorer")
            assert made.digest[:12] in unbroken(app)
            entry, = told(app)
    assert entry.text.startswith(f"capture of 1h: {folder}, 2 files, ")
    assert entry.text.endswith("; not captured: samples of bad predictions: no logs are configured")
    assert (entry.state, entry.details["capture"], entry.details["incident"]) == ("partial", made.digest, "INC-0001")


ASKING = (C("parameters", "CAPTURE = LIVE_STABLE = LIVE_VERSION = None\nWINDOW_END = 0", ["parameters"], None),
          C("ask", """
import json, os, urllib.request
query = os.environ["TRIAGE_PROMETHEUS_URL"] + "/api/v1/query?query=count(nv_inference_request_success)"
found = json.load(urllib.request.urlopen(query))["data"]["result"][0]["value"][1]
print("series", found, "stable", LIVE_STABLE, "trial", LIVE_VERSION, "until", WINDOW_END, "past", CAPTURE is not None)
print(json.load(open(os.environ["TRIAGE_FACTS"]))["schema"])
""", about=READS))


async def test_a_run_within_an_incident_looks_at_its_capture_and_says_which_also_later(tmp_path: Path) -> None:
    written(tmp_path / "m", *ASKING, name="fraud-scorer")
    folder = tmp_path / "then"
    when = f"against capture {clock_time(snapshots.NOW)}"
    with serving(prometheus.app(Engine(store(snapshots.NOW)), LabClock(snapshots.NOW, 0.0, 0.0))) as url:
        async with at_work(tmp_path, url=url, write_notebook=False, past=Past) as (app, pilot, _):
            await press(pilot, "t")
            assert "there is no capture of this incident or of this session: c takes one" in screen_text(app)
            await press(pilot, "5", "o", "enter")
            await until(pilot, lambda: app.incident.id("fraud-scorer") == "INC-0001")
            await press(pilot, "4", "c", *["backspace"] * 3, *f"1h {folder}", "enter")
            await until(pilot, lambda: "SHA-256" in unbroken(app) and told(app) != [])
            assert "t runs cells against the capture, not the present" in screen_text(app)
            await press(pilot, "t", "enter")
            # Two of the three series that the server has are the model's.
            await until(pilot, lambda: "series 2 stable v7 trial v8 until 1795444380.0" in unbroken(app)
                        and "kept, o says where" in unbroken(app))
            assert "past True" in unbroken(app)
            assert "triage.status/v1" in unbroken(app)
            assert unbroken(app).count(when) == 2
            await until(pilot, lambda: len(told(app)) == 2)
            assert told(app)[-1].text == f"cell ask: finished, without a verdict, {when}"
            await press(pilot, "o")
            assert re.search(rf"looked at +capture .*: {folder}", unbroken(app))
            about = json.loads(next((tmp_path / "state/cells/fraud-scorer").glob("*/run.json")).read_text())
            assert about["capture"]["folder"] == str(folder)
            assert about["capture"]["digest"] == read_capture(folder, "fraud-scorer").digest
            await press(pilot, "escape", "t", "enter")
            await until(pilot, lambda: "series 3 stable v7 trial v8" in unbroken(app))
            assert "against capture" not in unbroken(app)
        async with at_work(tmp_path, url=url, write_notebook=False, past=Past) as (app, pilot, _):
            await until(pilot, lambda: app.incident.id("fraud-scorer") == "INC-0001")
            await press(pilot, "t")
            await until(pilot, lambda: when in screen_text(app))
            (folder / "series.jsonl").write_text("{}")
            await press(pilot, "enter")
            await until(pilot, lambda: "its digest differs; take the capture" in screen_text(app))
            await press(pilot, "t")
            assert "cells look at the present" in screen_text(app)


@asynccontextmanager
async def captured(folder: Path, *, past: Opens = Past) -> AsyncIterator[tuple[TriageApp, Pilot[None]]]:
    """On the cells screen after an earlier program has captured the open incident INC-0001; the capture is chosen."""
    with serving(prometheus.app(Engine(store(snapshots.NOW)), LabClock(snapshots.NOW, 0.0, 0.0))) as url:
        async with at_work(folder, url=url, past=past) as (app, pilot, _):
            await press(pilot, "5", "o", "enter")
            await until(pilot, lambda: app.incident.id("fraud-scorer") == "INC-0001")
            await press(pilot, "4", "c", *["backspace"] * 3, *f"1h {folder / 'then'}", "enter")
            await until(pilot, lambda: "SHA-256" in unbroken(app) and told(app) != [])
        async with at_work(folder, url=url, write_notebook=False, past=past, size=(140, 36)) as (app, pilot, _):
            await until(pilot, lambda: app.incident.id("fraud-scorer") == "INC-0001")
            await press(pilot, "t")
            await until(pilot, lambda: f"against capture {clock_time(snapshots.NOW)}" in screen_text(app))
            yield app, pilot


async def ends(app: TriageApp, pilot: Pilot[None]) -> None:
    """Close the incident, and go back to the cells."""
    await press(pilot, "5", "e", *"none", "space", *"ok", "enter")
    await until(pilot, lambda: app.incident.id("fraud-scorer") == "")
    await press(pilot, "4")


async def test_when_the_incident_of_the_chosen_capture_is_closed_t_goes_back_to_the_present(tmp_path: Path) -> None:
    async with captured(tmp_path) as (app, pilot):
        await ends(app, pilot)
        assert "against capture" in screen_text(app)
        await press(pilot, "t")
        assert "cells look at the present" in screen_text(app)
        assert "against capture" not in screen_text(app)
        await press(pilot, "t")
        assert "there is no capture of this incident or of this session" in screen_text(app)


async def test_a_capture_chosen_in_one_incident_is_not_looked_at_in_the_next_one_and_that_is_said(
        tmp_path: Path) -> None:
    async with captured(tmp_path) as (app, pilot):
        await ends(app, pilot)
        await press(pilot, "5", "o", "enter")
        await until(pilot, lambda: app.incident.id("fraud-scorer") == "INC-0002")
        await press(pilot, "4")
        await until(pilot, lambda: "INC-0002 is another incident than the capture's: cells look at the present"
                    in unbroken(app))
        assert "against capture" not in screen_text(app)
        await press(pilot, "enter")
        await until(pilot, lambda: outcome(app, "quick") is Outcome.FINISHED)
        assert app.cells.shelf().runs["quick"].against is None


async def test_a_cell_that_breaks_before_it_runs_says_so_and_can_be_tried_again(tmp_path: Path) -> None:
    def broken(folder: Path, model: str) -> Sight:
        raise ZeroDivisionError("in the past")
    found: list[tuple[object, str]] = []
    async with captured(tmp_path, past=broken) as (app, pilot):
        for _ in range(2):
            found.clear()
            assert app.cells.start("quick", told=lambda run, why: found.append((run, why))) == ""
            await until(pilot, lambda: found != [])
            assert found == [(None, "quick broke before it ran: ZeroDivisionError: in the past")]
            assert "quick broke before it ran" in screen_text(app)


def unbroken(app: TriageApp) -> str:
    """The screen with every row joined to the next: a path may take two."""
    return "".join(row.strip() for row in screen_text(app).splitlines())


def told(app: TriageApp) -> list[Entry]:
    board = app.incident.board
    rows = board.incident.rows if board is not None and board.incident is not None else ()
    return [row.entry for row in rows if row.entry.kind is Kind.CELL]


async def test_a_run_whose_triage_was_killed_is_told_at_the_next_start_and_to_its_incident(tmp_path: Path) -> None:
    written(tmp_path / "m", *LEFT, name="fraud-scorer")
    await asyncio.to_thread(killed, tmp_path / "m", tmp_path / "state", "INC-0001", model="fraud-scorer",
                            context="prod-eu")
    async with at_work(tmp_path, write_notebook=False) as (app, pilot, _):
        await until(pilot, lambda: "slow ended without a result: its triage died" in screen_text(app))
        assert "? slow" in screen_text(app)
        assert "half of it" in screen_text(app)
        assert "pass: so far" in screen_text(app)
        assert re.search("begun .* ago, kept, o says where", screen_text(app))
        await press(pilot, "5", "o", "enter")
        await until(pilot, lambda: told(app) != [])
        entry, = told(app)
        assert (entry.text, entry.state, entry.details["incident"]) == (
            "cell slow: slow ended without a result: its triage died", "unknown", "INC-0001")
        await press(pilot, "4", "j", "enter")
        await until(pilot, lambda: outcome(app, "quick") is Outcome.FINISHED)


@pytest.mark.parametrize(("typed", "said"), [
    ("soon", "soon is no time: write 24h, or 24h FOLDER"), ("1h", "nothing could be captured of fraud-scorer; ")])
async def test_a_capture_that_cannot_be_made_says_why(tmp_path: Path, typed: str, said: str) -> None:
    async with at_work(tmp_path, size=(140, 36)) as (app, pilot, _):
        await press(pilot, "c", *["backspace"] * 3, *typed, "enter")
        await until(pilot, lambda: said in screen_text(app))
    assert not list(tmp_path.glob("capture-*"))


async def test_without_a_notebook_that_is_said() -> None:
    async with running(snapshots.ALL["canary"]()) as (app, pilot, _):
        await press(pilot, "4")
        await until(pilot, lambda: "there is no notebook of fraud-scorer" in screen_text(app))
        await press(pilot, "enter", "x", "o", "e", "j", "y", "escape", "c", "enter")
        await until(pilot, lambda: "the notebook is not read yet" in screen_text(app))


def test_help_knows_every_key() -> None:
    assert {"cells.run", "cells.stop", "cells.output", "cells.values", "cells.capture"} <= set(all_keys(CELLS))
