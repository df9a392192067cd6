"""What the commands about cells tell incidents: runs, captures, and runs that lost their triage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from triage.errors import TriageError

if TYPE_CHECKING:
    from triage.cells.capture import Capture
    from triage.cells.results import Run
    from triage.incident.entries import Entry
    from triage.incident.store import Timelines


def timeline(context: str, name: str, model: str) -> tuple[Timelines, str]:
    """Where the incident ``name`` of ``model`` is told, and its id. Raises :class:`TriageError` where there is none, or
    it is over."""
    import os

    from triage.incident.store import Timelines
    from triage.state_dir import StateDir, state_home
    timelines = Timelines(StateDir(state_home(os.environ)), context)
    found = timelines.get(name)
    if found.model != model:
        raise TriageError(f"{found.id} is an incident of {found.model}", "triage incident list shows those there are")
    if found.closing is not None:
        raise TriageError(f"{found.id} is closed", "leave --incident out; a note can still be added on its screen")
    return timelines, found.id


def tell(context: str, name: str, run: Run) -> None:
    """The incident is told of the run. Where there is none of that name for this model, the user is."""
    from triage.desk.timeline import of_cells
    from triage.person import person
    try:
        timelines, incident = timeline(context, name, run.model)
        _add(timelines, incident, of_cells(run, person()))
    except TriageError as error:
        click.echo(f"triage: the run is told to no incident: {error.message}", err=True)


def tell_capture(context: str, name: str, made: Capture, at: float) -> None:
    """The incident is told of the capture of the facts of ``at`` (Unix seconds); stderr says whether it was."""
    from triage.desk.timeline import of_capture
    from triage.person import person
    try:
        timelines, incident = timeline(context, name, made.model)
        _add(timelines, incident, of_capture(made, at, incident, person()))
    except TriageError as error:
        click.echo(f"triage: the capture is told to no incident: {error.message}", err=True)
    else:
        click.echo(f"triage: {incident} is told", err=True)


def _add(timelines: Timelines, incident: str, entry: Entry) -> None:
    """Raises :class:`TriageError` when ``entry`` did not count."""
    if not timelines.add(incident, [entry]) and entry.origin not in timelines.get(incident).origins:
        raise TriageError(f"{incident} was closed meanwhile")


def tell_left(context: str, model: str) -> None:
    """Say on stderr which runs lost their triage, and tell their incidents."""
    import os

    from triage.cells.left import settle_left
    from triage.cells.marks import CELLS
    from triage.cells.words import headline
    from triage.state_dir import StateDir, StateError, state_home
    try:
        left = settle_left(StateDir(state_home(os.environ), CELLS), model, context)
    except StateError as error:
        click.echo(f"triage: runs of before cannot be looked at: {error.message}", err=True)
        return
    for run in left:
        click.echo(f"triage: {headline(run)}; what there was is kept in {run.record}", err=True)
        if run.incident:
            tell(context, run.incident, run)
