"""The commands about incidents: ``incident list``, ``incident show`` and ``incident export``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from triage.cli_group import formats, model_argument, overrides, where

if TYPE_CHECKING:
    from triage.config import Active
    from triage.incident.store import Timelines
    from triage.notebook.load import Notebook

_name = click.argument("name", metavar="INCIDENT")


@click.group()
def incident() -> None:
    """Incidents: what happened, when, who did what, and the draft of the postmortem.

    They are kept in the state directory ($TRIAGE_STATE, usually ~/.local/state/triage). Everybody who works as one user
    with the same directory, also from several machines that share it, sees and writes the same; $TRIAGE_PERSON says who
    is who. Whoever has another directory sees only what is exported.

    \b
    Examples:
      triage incident list
      triage incident export INC-0001 > INC-0001.md
    """


@incident.command("list")
@model_argument()
@formats("text", "json")
@where
def list_incidents(model: str | None, output: str) -> int:
    """List the incidents of the context, of MODEL alone when one is named, oldest first.

    Exit code: 3 when some of them cannot be read, they are named on stderr; else 0.

    \b
    Examples:
      triage incident list
      triage incident list fraud-scorer --format json
    """
    from triage.report import incident as report
    _, timelines = _opened()
    found = [each for each in timelines.all() if model is None or each.model == model]
    for sentence in timelines.unread.values():
        click.echo(f"triage: {sentence}", err=True)
    code = 3 if timelines.unread else 0
    if output == "json":
        click.echo(report.list_json(found, timelines.unread))
        return code
    for line in report.list_lines(found):
        click.echo(line)
    if not found and not timelines.unread:
        click.echo("triage: there is no incident; on the screen: 5, then o opens one", err=True)
    return code


@incident.command()
@_name
@formats("text", "json")
@where
def show(name: str, output: str) -> int:
    """Print one incident: state, times, people, hypotheses, actions and the whole timeline.

    \b
    Examples:
      triage incident show INC-0001
      triage incident show INC-0001 --format json | jq '.measures'
    """
    from triage.report import incident as report
    found = _opened()[1].get(name)
    if output == "json":
        click.echo(report.incident_json(found))
        return 0
    for line in report.show_lines(found):
        click.echo(line)
    return 0


@incident.command()
@_name
@where
def export(name: str) -> int:
    """Print the draft of the postmortem as Markdown: the same incident gives the same text, while its notebook stays.

    \b
    Examples:
      triage incident export INC-0001 > INC-0001.md
    """
    from triage.actions.opening import open_journal
    from triage.clock import SystemClock
    from triage.desk.timeline import JournalReader
    from triage.report.postmortem import postmortem
    active, timelines = _opened()
    found = timelines.get(name)
    head = JournalReader(open_journal(active, SystemClock())).head(found.told_until)
    click.echo(postmortem(found, head, _notebook(active, found.model)), nl=False)
    return 0


def _opened() -> tuple[Active, Timelines]:
    """The context and its incidents; no server is asked, so none has to be named."""
    import os

    from triage.config import activate
    from triage.endpoints import ConfigError
    from triage.incident.store import Timelines
    from triage.state_dir import StateDir, state_home
    wanted = overrides()
    try:
        active = activate(wanted)
    except ConfigError:
        if wanted.prometheus_url:
            raise
        active = activate(replace(wanted, prometheus_url="http://localhost"))
    return active, Timelines(StateDir(state_home(os.environ)), active.name)


def _notebook(active: Active, model: str) -> Notebook | None:
    from triage.notebook.load import load_all
    return next((each for each in load_all(active.notebooks).notebooks if each.name == model), None)
