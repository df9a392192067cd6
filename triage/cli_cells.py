"""The commands about diagnostic cells: ``triage cells list|run``, ``triage capture`` and ``triage notebook run``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from triage.cli_group import (
    INTERRUPTED,
    Span,
    ascii_only,
    assignments,
    formats,
    given,
    model_argument,
    overrides,
    where,
)
from triage.cli_telling import tell, tell_capture, tell_left, timeline
from triage.errors import TriageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from triage.cells.prepare import Prepared
    from triage.cells.results import Run
    from triage.cells.run import Setting
    from triage.cells.sights import Sight
    from triage.cells.supervise import Stop
    from triage.config import Active
    from triage.notebook.load import Notebook

_DEFAULT_WINDOW = 3600.0
_DEFAULT_CAPTURE = 86400.0
_EXIT = {None: 0, "pass": 0, "warn": 1, "fail": 2, "unknown": 3}


@click.group()
def cells() -> None:
    """Diagnostic cells of the model notebooks: list them, run one.

    \b
    Examples:
      triage cells list fraud-scorer
      triage cells run fraud-scorer compare-feature --param FEATURE=amount
    """


@cells.command("list")
@model_argument(required=True)
@formats("text", "json")
@where
@ascii_only
def list_cells(model: str, output: str) -> None:
    """What can be run: each cell's question, the alerts that it helps with, its time limit, what it changes.

    No server is asked.

    \b
    Examples:
      triage cells list fraud-scorer
      triage cells list fraud-scorer --format json | jq -r '.cells[].id'
    """
    from triage.cells.document import pinned
    from triage.cells.prepare import diagnostics, open_book
    active = _context()[0]
    notebook = _notebook(active, model)
    tell_left(active.name, model)
    book = open_book(notebook)
    found, pin = diagnostics(book), pinned(book, notebook.manifest.spec.notebook.sha256)
    if output == "json":
        from triage.report.cells_json import list_json
        click.echo(list_json(model, book, found, pin))
        return
    from triage.report.cells import list_text
    from triage.report.console import show
    show(lambda chars: list_text(model, book, found, pin, chars), ascii_only=bool(given("ascii")))


def _complete_cell(ctx: click.Context, param: click.Parameter | None, incomplete: str) -> list[CompletionItem]:
    """Names of cells of the model before it. Silent whatever goes wrong."""
    from click.shell_completion import CompletionItem

    from triage.cells.prepare import diagnostics, open_book
    try:
        with ctx.scope(cleanup=False):
            book = open_book(_notebook(_context()[0], str(ctx.params.get("model"))))
            return [CompletionItem(cell.id) for cell in diagnostics(book) if cell.id.startswith(incomplete)]
    except Exception:
        return []


_param = click.option("--param", "params", metavar="NAME=VALUE", multiple=True,
                      help="Another value for a parameter of the notebook. Repeatable.")
_accept = click.option("--accept", metavar="DIGEST", help="Run a file that is not the pinned one: the first 8 "
                       "digits of its digest, or more, as triage cells list shows them.")


@cells.command("run")
@model_argument(required=True)
@click.argument("cell", shell_complete=_complete_cell)
@_param
@click.option("--last", metavar="TIME", type=Span(), default=_DEFAULT_WINDOW, show_default="1h",
              help="Time range that the cell is told to look at.")
@click.option("--capture", "capture_folder", metavar="FOLDER", type=click.Path(exists=True, file_okay=False),
              help="Look at a capture instead of the present: questions to Prometheus are answered from it.")
@click.option("--incident", metavar="ID", default="", help="Incident that the run belongs to.")
@_accept
@click.option("--write", is_flag=True, help="Run a cell that changes something, after its guards and your word.")
@click.option("--reason", metavar="TEXT", default="", help="Why; it is journalled with a cell that changes something.")
@formats("text", "json")
@where
@ascii_only
def run_cell(model: str, cell: str, params: Sequence[str], last: float, capture_folder: str | None, incident: str,
             accept: str | None, write: bool, reason: str, output: str) -> int:
    """Run one cell, with the cells that it needs, in a process of its own and within limits.

    A cell that is not declared to change nothing is an action: its plan is shown, and it is run with --write only,
    after its guards and a confirmation, and journalled. 0 when nothing speaks against the model, 1 warn, 2 fail (also
    when the cell raised or was stopped), 3 unknown, 130 interrupted. ctrl-c interrupts the cell, a second one kills it.

    \b
    Examples:
      triage cells run fraud-scorer slowest-requests
      triage cells run fraud-scorer compare-feature --param FEATURE=amount --last 6h
      triage cells run fraud-scorer slowest-requests --capture ./capture-fraud-scorer-20261123T143300Z
      triage cells run fraud-scorer rebuild-features --write --reason "stale since 14:02"
    """
    import asyncio

    from triage.clock import SystemClock
    active, has_server = _context()
    notebook = _notebook(active, model)
    clock = SystemClock()
    sight: Sight | None = None
    if capture_folder is not None:
        from triage.cli_sights import Past
        sight = Past(Path(capture_folder), model)
    elif has_server:
        from triage.cli_sights import Present
        sight = Present(active, clock, model)
    wish = _Wish(active.name, last, incident, accept, output, active, write, reason)
    return asyncio.run(_run(notebook, [cell], assignments("--param", params), sight, wish))


@click.command("run")
@click.argument("path", metavar="PATH", type=click.Path(path_type=Path))
@click.option("--tag", metavar="TAG", default="critical", show_default=True, help="Run the cells with this tag.")
@_param
@_accept
@formats("text", "json", "junit")
@where
@ascii_only
def run_notebook(path: Path, tag: str, params: Sequence[str], accept: str | None, output: str) -> int:
    """Run the tagged cells of the notebook at PATH, for a pipeline: the exit code is the verdict.

    They run in one kernel in the order of the notebook, each with the cells that it needs, within the same limits as
    elsewhere; the first one that does not finish ends the run. 0 nothing failed, 1 warn, 2 a cell raised, was stopped
    or decided fail, 3 unknown, or nothing could be run. A file that is not the pinned one is refused, see --accept.

    \b
    Examples:
      triage notebook run notebooks/fraud-scorer --tag critical
      triage notebook run notebooks/fraud-scorer --tag diagnostic --format junit > cells.xml
    """
    import asyncio

    from triage.cells.prepare import open_book
    from triage.clock import SystemClock
    from triage.notebook.load import load_notebook
    notebook = load_notebook(path)
    names = [cell.id for cell in open_book(notebook).tagged(tag)]
    if not names:
        raise TriageError(f'{notebook.manifest.spec.notebook.path} has no cells tagged "{tag}"',
                          "tag them, or name another tag with --tag")
    sight = None
    if given("prometheus") or given("config") or given("context"):
        from triage.cli_sights import Present
        sight = Present(_context()[0], SystemClock(), notebook.name)
    return asyncio.run(_run(notebook, names, assignments("--param", params), sight,
                            _Wish("", _DEFAULT_WINDOW, "", accept, output)))


@click.command()
@model_argument(required=True)
@click.option("--last", metavar="TIME", type=Span(), default=_DEFAULT_CAPTURE, show_default="24h",
              help="How far back it reaches.")
@click.option("--to", metavar="FOLDER", type=click.Path(path_type=Path), help="A folder that does not exist yet.  "
              "[default: capture-MODEL-TIME]")
@click.option("--incident", metavar="ID", default="", help="Incident that it belongs to: its timeline is told, and on "
              "its screens cells can be run against it.")
@where
def capture(model: str, last: float, to: Path | None, incident: str) -> int:
    """Save what the sources say of MODEL, with digests: series, status, log lines of bad predictions.

    Cells look at it later as they look at the present (triage cells run --capture). The first line on stdout is the
    folder, the second one the digest of everything in it. 2 when something could not be had; stderr says what.

    \b
    Examples:
      triage capture fraud-scorer
      triage capture fraud-scorer --last 6h --to ./INC-0412 --incident INC-0412
    """
    import asyncio
    return asyncio.run(_capture(model, last, to, incident))


async def _capture(model: str, last: float, to: Path | None, incident: str) -> int:
    from triage.cells.capture import default_folder, take_capture
    from triage.cli_sights import Present
    from triage.clock import SystemClock
    from triage.config import activate
    active, clock = activate(overrides()), SystemClock()
    notebook = _notebook(active, model)
    if incident:
        timeline(active.name, incident, model)
    present = Present(active, clock, model)
    seen = await present.look()
    folder = to or default_folder(model, seen.at)
    made = await take_capture(active, notebook, clock, folder=folder, start=seen.at - last, end=seen.at,
                              facts=seen.facts)
    await present.aclose()
    click.echo(made.folder)
    click.echo(made.digest)
    for part in made.parts:
        click.echo(f"triage: {part.name}: {part.about}, {part.size_bytes / 1e6:.1f} MB", err=True)
    for missing in made.missing:
        click.echo(f"triage: not captured: {missing}", err=True)
    if incident:
        # Its screens are started in other folders.
        tell_capture(active.name, incident, replace(made, folder=made.folder.absolute()), seen.at)
    return 2 if made.missing else 0


class _Wish(NamedTuple):
    """How a run was asked for."""

    context: str
    last_seconds: float
    incident: str
    accept: str | None
    output: str
    active: Active | None = None
    """None: nothing may be changed, whatever is said."""
    write: bool = False
    reason: str = ""


async def _run(notebook: Notebook, names: Sequence[str], params: Mapping[str, str], sight: Sight | None,
               wish: _Wish) -> int:
    import os

    from triage.cells.filling import filled, registered_digest, versions_then
    from triage.cells.marks import CELLS
    from triage.cells.parameters import Value
    from triage.cells.prepare import is_accepted, open_book, prepare
    from triage.cells.questions import refusal
    from triage.cells.run import Setting, first_view, python_of, run_cells
    from triage.cells.supervise import Stop
    from triage.clock import SystemClock
    from triage.state_dir import StateDir, state_home
    clock = SystemClock()
    state = StateDir(state_home(os.environ), CELLS)
    tell_left(wish.context, notebook.name)
    book = open_book(notebook)
    seen = None if sight is None else await sight.look()
    end = clock.now() if seen is None else seen.at
    values: Mapping[str, Value] = filled(
        None if seen is None else seen.model, start=end - wish.last_seconds, end=end, incident=wish.incident,
        capture=None if sight is None or sight.against is None else sight.against.folder,
        then=(None, None) if seen is None else versions_then(seen.facts, notebook.name))
    prepared = prepare(notebook, book, names, params, values, state,
                       registered_digest(None if seen is None else seen.model))
    if prepared.difference and not (wish.accept and is_accepted(prepared, wish.accept)):
        raise TriageError(prepared.difference, f"look at what differs; to run it nevertheless: --accept "
                          f"{book.sha256[:12]}")
    if prepared.effects and (wish.active is None or seen is None):
        raise TriageError(f"{prepared.effects[0]}: it is not run here, where nothing is changed",
                          'declare "effects": "none" in its metadata where that is true')
    for doubt in prepared.chosen.doubts:
        click.echo(f"triage: not proven that nothing else is needed: {doubt}", err=True)
    setting = Setting(wish.context, state, wish.incident, "" if wish.active is None else python_of(wish.active),
                      None if sight is None else sight.against, "" if seen is None else seen.facts)

    async def answer(path: str, fields: Sequence[tuple[str, str]]) -> tuple[int, str]:
        return refusal(503, "no Prometheus is configured") if sight is None else await sight.answer(path, fields)
    begun = first_view(prepared, setting, clock)
    for sentence in begun.protection:
        click.echo(f"triage: {sentence}", err=True)
    stop = Stop()
    if prepared.effects and wish.active is not None and seen is not None:
        from triage.cells.system import CellSystem
        from triage.cli_cell_plan import carry_out
        system = CellSystem(prepared, setting, clock, answer, production=wish.active.context.production,
                            on_change=_narrator())
        stop = system.stop
        with _interrupts(stop):
            run = await carry_out(system, wish.active, notebook.manifest, seen.snapshot, write=wish.write,
                                  reason=wish.reason, incident=wish.incident)
    else:
        with _interrupts(stop):
            run = await run_cells(prepared, setting, clock, answer, stop, _narrator(), begun)
    if sight is not None:
        await sight.aclose()
    _write(prepared, setting, run, wish)
    if wish.incident and wish.active is not None:
        tell(wish.active.name, wish.incident, run)
    if stop.asked:
        return INTERRUPTED
    if run.trouble:
        click.echo(f"triage: {run.trouble}", err=True)
        return _EXIT["unknown"]
    return _EXIT[run.status]


def _write(prepared: Prepared, setting: Setting, run: Run, wish: _Wish) -> None:
    if wish.output == "junit":
        from triage.report.cells_junit import run_junit
        click.echo(run_junit(run))
    elif wish.output == "json":
        from triage.cells.run import circumstances
        from triage.report.cells_json import run_json
        click.echo(run_json(run, circumstances(prepared, setting)))
    else:
        from triage.report.cells import run_text
        from triage.report.console import show
        show(lambda chars: run_text(run, chars), ascii_only=bool(given("ascii")))


def _narrator() -> Callable[[Run], None]:
    """Says on stderr which cell runs."""
    told: set[str] = set()

    def tell(run: Run) -> None:
        for cell in run.cells:
            if cell.running and cell.part == "asked" and cell.id not in told:
                told.add(cell.id)
                click.echo(f"triage: {cell.id} runs", err=True)
    return tell


@contextmanager
def _interrupts(stop: Stop) -> Iterator[None]:
    """ctrl-c asks the cell to stop, and the second time kills it, instead of ending this program."""
    import asyncio
    import signal
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop.ask)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _notebook(active: Active, model: str) -> Notebook:
    from triage.live.once import notebook_of
    return notebook_of(active, model)


def _context() -> tuple[Active, bool]:
    """(the context, whether a Prometheus is configured): cells need notebooks, and only some of them a server."""
    from triage.config import activate
    from triage.endpoints import ConfigError
    wanted = overrides()
    try:
        return activate(wanted), True
    except ConfigError:
        if wanted.prometheus_url:
            raise
        return activate(replace(wanted, prometheus_url="http://localhost")), False
