"""The commands that look at models and report: ``status`` and ``check``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from triage.cli_group import INTERRUPTED, ascii_only, formats, given, model_argument, overrides, where

if TYPE_CHECKING:
    from triage.live.snapshot import Snapshot

_VERDICTS = ("warn", "fail", "unknown")


@click.command()
@model_argument()
@formats("text", "json")
@click.option("--watch", is_flag=True, help="Look again at every interval until ctrl-c.")
@where
@ascii_only
def status(model: str | None, output: str, watch: bool) -> int:
    """How the models stand now: verdict, reasons, objectives, versions, alerts.

    One look at the sources. The exit code is 0 whatever the verdict; see triage check.

    \b
    Examples:
      triage status
      triage status fraud-scorer --format json | jq '.models[0].verdict'
      triage status --watch --interval 10s
    """
    if watch:
        _watch(model, as_json=output == "json")
        return INTERRUPTED
    _write(_look(model, closely=model is not None and output == "json"), output)
    return 0


@click.command()
@model_argument(required=True)
@formats("text", "json", "junit")
@click.option("--fail-on", metavar="VERDICTS", multiple=True, help="Verdicts that end with a code other than 0, "
              "separated by commas: warn, fail, unknown, or none.  [default: warn,fail,unknown]")
@click.option("--candidate", metavar="VERSION", help="Demand that this version is on trial.")
@click.option("--wait", metavar="TIME", help="While the version on trial has had too little traffic to decide, look "
              "again at every interval, for so long at most (30m, 2h).")
@where
@ascii_only
def check(model: str, output: str, fail_on: Sequence[str], candidate: str | None, wait: str | None) -> int:
    """Judge one model, for a pipeline: the exit code is the verdict.

    0 pass, 1 warn, 2 fail, 3 unknown (a broken notebook and a source that does not answer are unknown), 64 a mistake
    in the command line or the configuration.

    A model that would pass or warn is unknown while nothing is decided about the version on trial: when it has had too
    little traffic (insufficient), when the difference is as large as its margin (inconclusive), when it cannot be
    compared (error), and when another version than --candidate is on trial, or none. --wait waits only for the first.

    \b
    Examples:
      triage check fraud-scorer
      triage check fraud-scorer --fail-on fail,unknown
      triage check fraud-scorer --candidate 8 --wait 30m
      triage check fraud-scorer --format junit > triage.xml
    """
    from triage.report import verdicts
    gate, seconds = _fail_on(fail_on), _seconds(wait)
    snapshot = _settled_look(model, candidate, seconds) if seconds else _look(model)
    judged = verdicts.judge(snapshot, model, candidate)
    code = verdicts.exit_code(judged.verdict, gate)
    if output == "junit":
        from triage.report.junit import junit
        click.echo(junit(snapshot, model, gate, judged))
    elif output == "json":
        from triage.report.json import check_json
        click.echo(check_json(snapshot, model, judged, code))
    else:
        _write(snapshot, output)
    if judged.beyond:
        click.echo(f"triage: {judged.verdict}: {judged.reason}", err=True)
    return code


def _seconds(wait: str | None) -> float:
    from triage.quantities import parse_duration
    try:
        return 0.0 if wait is None else parse_duration(wait)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--wait") from None


def _settled_look(model: str, candidate: str | None, wait_seconds: float) -> Snapshot:
    """Looks until the version on trial has had enough traffic, or the time is over."""
    import asyncio

    from triage.clock import SystemClock
    from triage.config import activate
    from triage.live.once import take_settled_snapshot
    from triage.report.verdicts import judge
    from triage.signals.wording import span
    told: list[str] = []

    def waits(snapshot: Snapshot) -> bool:
        judged = judge(snapshot, model, candidate)
        if judged.waits and not told:
            told.append(judged.reason)
            click.echo(f"triage: waiting for {span(wait_seconds)} at most: {judged.reason}", err=True)
        return judged.waits

    return asyncio.run(take_settled_snapshot(activate(overrides()), [model], SystemClock(), waits, wait_seconds))


def _fail_on(values: Sequence[str]) -> frozenset[str]:
    named = [word.strip().lower() for value in values for word in value.split(",") if word.strip()]
    wrong = next((word for word in named if word not in (*_VERDICTS, "none")), None)
    if wrong is not None or ("none" in named and len(set(named)) > 1):
        raise click.BadParameter(f"{wrong or 'none beside others'} does not go; write some of {', '.join(_VERDICTS)}, "
                                 "or none", param_hint="--fail-on")
    return frozenset(named or _VERDICTS) - {"none"}


def _look(model: str | None, *, closely: bool = False) -> Snapshot:
    """One look at the sources; ``closely``: with labels by prediction time and attributions."""
    import asyncio

    from triage.clock import SystemClock
    from triage.config import activate
    from triage.live.once import take_snapshot
    return asyncio.run(take_snapshot(activate(overrides()), None if model is None else [model], SystemClock(),
                                     closely=closely))


def _watch(model: str | None, *, as_json: bool) -> None:
    """Look at every interval, until interrupted."""
    import asyncio

    from triage.clock import SystemClock
    from triage.config import activate
    from triage.live.once import take_snapshots
    from triage.report.watch import watch
    snapshots = take_snapshots(activate(overrides()), None if model is None else [model], SystemClock())
    asyncio.run(watch(snapshots, as_json=as_json, ascii_only=bool(given("ascii"))))


def _write(snapshot: Snapshot, output: str) -> None:
    if output == "json":
        from triage.report.json import status_json
        click.echo(status_json(snapshot))
    else:
        from triage.report.console import show
        from triage.report.text import status_text
        show(lambda plain: status_text(snapshot, plain), ascii_only=bool(given("ascii")))
