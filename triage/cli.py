"""The command line: one thin function per command. Whatever is heavy is imported inside the function that needs it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

import click

from triage import __version__
from triage.cli_act import act, watch
from triage.cli_cells import capture, cells, run_notebook
from triage.cli_group import (
    SCREEN_COMMAND,
    TriageGroup,
    ascii_only,
    formats,
    given,
    model_argument,
    overrides,
    screen,
    sentence,
    where,
    writes,
)
from triage.cli_incident import incident
from triage.cli_journal import journal
from triage.cli_lab import demo, lab
from triage.cli_looks import check, status
from triage.errors import TriageError

if TYPE_CHECKING:
    from triage.facts.alerts import Alert

UNANSWERED = 2
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group("triage", cls=TriageGroup, invoke_without_command=True, context_settings=_SETTINGS,
             subcommand_metavar="[MODEL | COMMAND [ARGS]...]")
@click.version_option(__version__, prog_name="triage", message="%(prog)s %(version)s")
@where
@screen
@writes
@ascii_only
@click.pass_context
def cli(ctx: click.Context) -> int | None:
    """On-call triage of machine-learning models: what is wrong, since when, and by which numbers.

    Without a command it opens the screen, on MODEL when one is named. It changes nothing anywhere without --write.

    \b
    Examples:
      triage
      triage fraud-scorer --context prod-eu
      triage --prometheus http://localhost:9090 --notebooks ./notebooks
      triage --alert 'alertname=CanaryLatency,model=fraud-scorer'
    """
    if ctx.invoked_subcommand is None:
        return _open(None)
    if ctx.invoked_subcommand != SCREEN_COMMAND:
        for name in ("alert", "theme"):
            if given(name) is not None:
                ctx.fail(f"--{name} is for the screen, not for {ctx.invoked_subcommand}")
    return None


@cli.command(SCREEN_COMMAND)
@model_argument()
@where
@screen
@writes
@ascii_only
def open_screen(model: str | None) -> int:
    """Open the screen; the same as triage MODEL.

    \b
    Examples:
      triage open fraud-scorer
      triage open status          a model whose name is a command's
    """
    return _open(model)


def _open(model: str | None) -> int:
    if not all(s is not None and s.isatty() for s in (sys.__stdin__, sys.__stderr__)):
        raise TriageError("the screen needs a terminal", "for one look without it: triage status")
    from triage.cli_sights import Past
    from triage.live.feed import LiveFeed
    from triage.tui.app import run_app
    from triage.tui.link import end_within
    alert = given("alert")
    named = overrides()
    feed = LiveFeed(lambda: named, wanted=None if alert is None else _wanted(alert))
    status = run_app(feed, model=model, alert=alert, theme_name=given("theme") or "auto",
                     glyphs="ascii" if given("ascii") else "auto", write=bool(given("write")), past=Past)
    # A credential's program that still waits for something would keep the shell waiting, too.
    end_within(status=status)
    return status


def _wanted(text: str) -> Callable[[Alert], bool]:
    def is_meant(alert: Alert) -> bool:
        from triage.tui.alert_link import parse_alert_link
        return parse_alert_link(text).matches(alert)
    return is_meant


@cli.group()
def notebook() -> None:
    """Model notebooks: check them, run their cells, and the schema of their manifest.

    \b
    Examples:
      triage notebook lint notebooks/
      triage notebook schema > manifest.schema.json
    """


@notebook.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@click.option("--links", is_flag=True, help="Try the links of the runbooks too.")
@click.option("--live", is_flag=True, help="Ask the context's Prometheus too whether the runbooks' metrics exist.")
@formats("text", "json")
@where
def lint(paths: Sequence[str], links: bool, live: bool, output: str) -> int:
    """Find errors and doubtful settings in notebooks, their cells and their runbooks at and below PATH.

    0 nothing found, 1 warnings only, 2 errors, or, with --live, Prometheus does not answer.

    \b
    Examples:
      triage notebook lint notebooks/
      triage notebook lint notebooks/ --live --context prod-eu
      triage notebook lint fraud-scorer/manifest.yaml --format json
    """
    from datetime import UTC, datetime
    from pathlib import Path

    from triage.cells.lint import lint as find_in_cells
    from triage.notebook.lint import lint as find
    from triage.report import lint as report
    from triage.runbook.lint import lint as find_in_runbooks
    from triage.sources.links import reach
    today = datetime.now(UTC).date()
    there = None
    if live:
        from triage.cli_endpoint import endpoint_for
        from triage.facts.outcome import Failure
        from triage.sources.discovery import metric_names
        asked = metric_names(endpoint_for(None, overrides()))
        if isinstance(asked, Failure):
            click.echo(sentence(TriageError(f"metrics could not be read: {asked.sentence()}", asked.hint)), err=True)
            return UNANSWERED
        there = asked
    findings = list(dict.fromkeys(finding for path in map(Path, paths) for finding in (
        *find(path), *find_in_cells(path), *find_in_runbooks(path, today, reach if links else None, there))))
    if output == "json":
        click.echo(report.lint_json(findings))
    else:
        for line in report.lint_lines(findings):
            click.echo(line)
        click.echo(report.summary(findings), err=True)
    return report.exit_code(findings)


@notebook.command()
def schema() -> None:
    """Print the JSON Schema of the manifest.

    \b
    Examples:
      triage notebook schema > manifest.schema.json
    """
    import json

    from triage.notebook.schema import schema as manifest_schema
    click.echo(json.dumps(manifest_schema(), indent=2, ensure_ascii=False))


@cli.command()
@formats("text", "json")
@where
@ascii_only
def doctor(output: str) -> int:
    """Ask every source of the context what it is and can do, and say how to mend what is wrong.

    0 when triage can work with what there is, else 2.

    \b
    Examples:
      triage doctor
      triage doctor --context prod-eu --format json
    """
    import asyncio

    from triage.clock import SystemClock
    from triage.config import activate
    from triage.report import doctor as report
    from triage.sources.checkup import check_up
    found = asyncio.run(check_up(activate(overrides()), SystemClock()))
    if output == "json":
        click.echo(report.doctor_json(found))
    else:
        from triage.report.console import show
        show(lambda plain: report.doctor_text(found, plain), ascii_only=bool(given("ascii")))
    return 0 if found.ok else 2


@cli.command()
@click.argument("url", required=False)
@click.option("--model", metavar="NAME", help="Propose a manifest for this model.")
@where
@ascii_only
def discover(url: str | None, model: str | None) -> int:
    """List the models and metrics on a Prometheus; with --model, propose a manifest to start from.

    URL may be left out: then the context's Prometheus is asked. The context's credentials go to its own server only.
    Ends with 2 when the server does not answer.

    \b
    Examples:
      triage discover http://localhost:9090
      triage discover http://localhost:9090 --model fraud-scorer > manifest.yaml
      triage discover --context prod-eu
    """
    from triage.cli_endpoint import endpoint_for
    from triage.facts.outcome import Failure
    from triage.report.console import show
    from triage.report.discover import discover_text, next_step
    from triage.sources.discovery import discover as look_around
    from triage.sources.discovery import propose_manifest
    found = look_around(endpoint_for(url, overrides()))
    if isinstance(found, Failure):
        click.echo(sentence(TriageError(f"nothing could be read: {found.sentence()}", found.hint)), err=True)
        return UNANSWERED
    plain = bool(given("ascii"))
    if model is None:
        show(lambda how: discover_text(found, how), ascii_only=plain)
        click.echo(next_step(found), err=True)
    else:
        click.echo(propose_manifest(found, model), nl=False)
    for note in found.notes:
        click.echo(f"triage: {note}", err=True)
    return 0


@cli.group("config")
def config_group() -> None:
    """The configuration: what is in force, where it is looked for, whether it is right.

    \b
    Examples:
      triage config show --context prod-eu
      triage config validate
    """


@config_group.command("show")
@formats("text", "json")
@where
def config_show(output: str) -> None:
    """Print the values in force after all overrides. Secrets are named by where they lie and never read.

    \b
    Examples:
      triage config show
      triage config show --context prod-eu --format json
    """
    from triage.config import activate
    from triage.report.config import show_json, show_lines
    active = activate(overrides())
    for line in [show_json(active)] if output == "json" else show_lines(active):
        click.echo(line)


@config_group.command("paths")
@where
def config_paths() -> None:
    """Print where the configuration and the notebooks are looked for, and which variables are set.

    \b
    Examples:
      triage config paths
    """
    from triage.report.config import path_lines
    for line in path_lines(overrides()):
        click.echo(line)


@config_group.command("validate")
@where
def config_validate() -> None:
    """Check the whole file, that the context can be chosen, and that secret files and variables can be read.

    Programs that print a secret are not run. 0 when it is right, else 64 and every error.

    \b
    Examples:
      triage config validate --config ./triage.yaml
    """
    from triage.report.config import validated
    click.echo(validated(overrides()), err=True)


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes commands and model names.

    \b
    Examples:
      triage completion bash > ~/.local/share/bash-completion/completions/triage
      triage completion zsh > ~/.zfunc/_triage
      triage completion fish > ~/.config/fish/completions/triage.fish
    """
    from click.shell_completion import get_completion_class
    found = get_completion_class(shell)
    if found is None:
        raise TriageError(f"there is no completion for {shell}", "there is one for bash, zsh and fish")
    click.echo(found(cli, {}, "triage", "_TRIAGE_COMPLETE").source())


cli.add_command(status)
cli.add_command(check)
cli.add_command(act)
cli.add_command(watch)
cli.add_command(cells)
cli.add_command(capture)
cli.add_command(demo)
cli.add_command(lab)
cli.add_command(journal)
cli.add_command(incident)
notebook.add_command(run_notebook)


def main() -> NoReturn:
    """The entry point."""
    cli.main(prog_name="triage")
    raise AssertionError("click always exits")
