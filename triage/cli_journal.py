"""The commands about the journal of actions: ``journal show`` and ``journal verify``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from triage.cli_group import formats, overrides, where

if TYPE_CHECKING:
    from triage.actions.journal import Journal, JournalError

_UNREADABLE = 3


@click.group()
def journal() -> None:
    """The journal of actions: what was done, by whom, and whether it is as it was written.

    \b
    Examples:
      triage journal show
      triage journal verify
    """


@journal.command()
@formats("text", "json")
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Only the last N actions.")
@where
def show(output: str, last: int | None) -> int:
    """List the actions, oldest first. One whose end is not known is said to be: unknown: verify.

    0, or 3 when the journal cannot be read.

    \b
    Examples:
      triage journal show --last 5
      triage journal show --format json | jq '.actions[] | select(.unresolved)'
    """
    from dataclasses import replace

    from triage.actions.history import history_of
    from triage.actions.journal import JournalError
    from triage.actions.journal_verify import verify as find
    from triage.report import journal as report
    of = _opened()
    try:
        records, files = of.records(), of.files()
    except JournalError as error:
        return _cannot(error)
    history = history_of(records)
    shown = replace(history, deeds=history.deeds[-last:]) if last else history
    if output == "json":
        ids = {deed.action_id for deed in shown.deeds}
        click.echo(report.journal_json(shown, tuple(r for r in records if not last or r.action_id in ids)))
        return 0
    for line in report.journal_lines(shown):
        click.echo(line)
    anchored = None if of.anchor is None else of.anchor.read()
    click.echo(report.summary(history, find(files, anchored)), err=True)
    return 0


@journal.command()
@formats("text", "json")
@click.option("--expect-head", "expected", metavar="[NUMBER:]DIGEST", help="A head that was noted elsewhere, as this "
              "command prints it; it has to be in the journal.")
@where
def verify(output: str, expected: str | None) -> int:
    """Compare the journal with its own chain and with the second place, if the configuration names one.

    0 intact, 2 tampered with, 3 cannot tell. A chain does not show that its end was cut off: it is said how many
    records are known nowhere else.

    \b
    Examples:
      triage journal verify
      triage journal verify --expect-head 12:8f0e...   (64 digits)
    """
    from triage.actions.journal import JournalError
    from triage.actions.journal_verify import ExpectedHead
    from triage.actions.journal_verify import verify as find
    from triage.report import journal as report
    try:
        head = None if expected is None else ExpectedHead.parse(expected)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--expect-head") from None
    of = _opened()
    try:
        files = of.files()
    except JournalError as error:
        return _cannot(error)
    found = find(files, None if of.anchor is None else of.anchor.read(), head)
    if output == "json":
        click.echo(report.verified_json(found))
    else:
        for line in report.verified_lines(found):
            click.echo(line)
    return found.integrity.exit_code


def _opened() -> Journal:
    from triage.actions.opening import open_journal
    from triage.clock import SystemClock
    from triage.config import activate
    return open_journal(activate(overrides()), SystemClock())


def _cannot(error: JournalError) -> int:
    from triage.cli_group import sentence
    click.echo(sentence(error), err=True)
    return _UNREADABLE
