"""The commands that change something: ``triage act`` and ``triage watch``."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from triage.cli_group import (
    Likely,
    ascii_only,
    assignments,
    complete_model,
    formats,
    given,
    overrides,
    where,
    writes,
)
from triage.errors import TriageError

if TYPE_CHECKING:
    from triage.actions.approvals import ApprovalRequest
    from triage.actions.guards.checking import Checked
    from triage.actions.steps import Prepared, Step
    from triage.actions.system import Refusal, Sighting
    from triage.actions.under_way import OpenEnd
    from triage.clock import Clock
    from triage.config import Active
    from triage.desk.actions import ActionDesk
    from triage.desk.newest import Newest
    from triage.desk.watching import Said
    from triage.notebook.load import Notebook

ACTIONS = ("pause", "resume", "promote", "promote-full", "abort", "rollback", "retry", "scale", "retrain", "silence",
           "expire-silence")
_REFUSED = 2
_PERSON = 4
_CATCHES_UP_SECONDS = 15.0
"""At most: enough for a slow answer, and for another one where that came from before."""
_model = click.argument("model", shell_complete=complete_model)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the command line says."""

    action: str
    to: str = ""
    reason: str = ""
    incident: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    confirm: str | None = None
    acknowledged: tuple[str, ...] = ()
    break_glass: str = ""
    dry_run: bool = False
    share: Path | None = None
    approve: Path | None = None
    output: str = "text"
    open_ends: tuple[tuple[OpenEnd, Sighting | None], ...] = ()
    """Earlier actions without a known end, and what was found out; None where nobody looked."""


@click.command()
@click.argument("action", metavar="ACTION",
                type=Likely(ACTIONS, {"freeze": "pause", "undo": "rollback", "unfreeze": "resume"}))
@_model
@click.option("--to", default="", metavar="VERSION", help="Version to go to.  [default: the one that the notebook and "
              "the facts name]")
@click.option("--reason", default="", metavar="TEXT", help="Why, for the journal.  [default: the model's verdict]")
@click.option("--incident", default="", metavar="ID", help="Incident that it belongs to.")
@click.option("--set", "parameters", metavar="NAME=VALUE", multiple=True, help="Further figures of the action, such as "
              "replicas=6 of scale, alert=NAME and duration=1h of silence. Repeatable.")
@click.option("--dry-run", is_flag=True, help="Plan, rehearse and ask every guard, and change nothing; without --write "
              "this is always so.")
@click.option("--confirm", metavar="NAME", help="Name of the target (of the Rollout, the backend, the registered "
              "model ...), in place of typing it when asked.")
@click.option("--acknowledge", "acknowledged", metavar="GUARD", multiple=True, help="A guard that was read, such as "
              "facts when they cannot be had. Repeatable.")
@click.option("--break-glass", default="", metavar="REASON", help="Override the guards that can be; loud, and in the "
              "journal.")
@click.option("--share", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Do not carry it out: "
              "write it to FILE for another person to approve.")
@click.option("--approve", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="Carry out what another person shared, as yourself; with --share FILE add your approval only.")
@formats("text", "json")
@writes
@where
@ascii_only
def act(action: str, model: str, parameters: Sequence[str], **more: Any) -> int:
    """Do one guarded action on MODEL: plan, guards, confirmation, each request once, verification.

    ACTION is pause, resume, promote (a step), promote-full, abort, rollback, retry, scale, retrain, silence or
    expire-silence.

    Without --write it is a dry run: it ends with 0 when nothing but the missing --write stands in the way, and with 2
    also while something has to be acknowledged.

    0 done and recovered, 1 done but not recovered, 2 failed, or refused by a guard, 3 unknown (a request without an
    answer, or what cannot be seen), 64 a mistake in the command line or the configuration, 130 interrupted (129 when
    the terminal closes, 143 when it is told to end): what was sent stays sent, the journal says what is not known,
    and the lease is given back.

    \b
    Examples:
      triage act rollback fraud-scorer
      triage act rollback fraud-scorer --to 7 --write
      triage act pause fraud-scorer --write --confirm fraud-scorer --format json
      triage act promote fraud-scorer --write --share promote.json
    """
    import asyncio

    from triage.clock import SystemClock
    from triage.config import activate
    from triage.live.once import notebook_of
    asked = _Asked(action, parameters=assignments("--set", parameters), **more)
    if asked.share is not None and asked.share.exists():
        raise click.BadParameter(f"{asked.share} exists already", param_hint="--share")
    active = activate(overrides())
    return asyncio.run(_act(active, notebook_of(active, model), SystemClock(), asked))


async def _act(active: Active, notebook: Notebook, clock: Clock, asked: _Asked) -> int:
    from triage.actions.approvals import read
    from triage.actions.system import Refusal
    from triage.desk.actions import open_desk
    from triage.desk.newest import Newest
    request = None if asked.approve is None else read(asked.approve)
    if request is not None and (str(request.wish.action), request.plan.target.model) != (asked.action, notebook.name):
        raise TriageError(f"{asked.approve} asks for: {request.wish.action} {request.plan.target.model}",
                          "name that action and that model")
    async with Newest(active, notebook.name, clock) as newest:
        desk = await open_desk(active, notebook, clock, newest, write=bool(given("write")))
        try:
            asked = replace(asked, open_ends=await _open_ends(desk, clock, asked))
            prepared = await _prepared(desk, request, asked)
            if isinstance(prepared, Refusal):
                return _refused(prepared, asked)
            if asked.share is not None:
                return await _shared(desk, prepared, asked.share, clock, asked)
            if asked.dry_run or not desk.mode().allows:
                return _planned(prepared, asked)
            return await _carried_out(desk, prepared, asked, lambda: _caught_up(
                newest, notebook.name, active.context.interval, clock))
        finally:
            await desk.aclose()


async def _open_ends(desk: ActionDesk, clock: Clock, asked: _Asked) -> tuple[tuple[OpenEnd, Sighting | None], ...]:
    """The first question of whoever acts again: what became of the action that nobody saw the end of? Whoever only
    plans is told that there is one, and writes nothing down. What somebody is still at is told as that."""
    from triage.report.actions import open_end_line
    looks = desk.mode().allows and not asked.dry_run and asked.share is None
    out = []
    for end in await desk.standing():
        found = await desk.find_out(end.deed) if looks and end.held is None else None
        click.echo(f"triage: {open_end_line(end, found, clock.now(), _characters(err=True))}", err=True)
        out.append((end, found))
    return tuple(out)


async def _prepared(desk: ActionDesk, request: ApprovalRequest | None, asked: _Asked) -> Prepared | Refusal:
    from triage.actions.plan import Action
    from triage.actions.system import Wish
    from triage.desk.actions import reason_of
    if request is not None:
        return await desk.prepare_approval(request)
    snapshot = desk.snapshot()
    reason = asked.reason or reason_of(None if snapshot is None else snapshot.model(desk.model))
    return await desk.prepare(Wish(Action(asked.action), reason, asked.to, asked.incident, asked.parameters))


def _refused(refusal: Refusal, asked: _Asked) -> int:
    from triage.report.actions import refusal_line
    if asked.output == "json":
        from triage.report.actions_json import refusal_json
        click.echo(refusal_json(refusal, _REFUSED, asked.open_ends))
    else:
        click.echo(refusal_line(refusal, _characters()), err=True)
    return _REFUSED


def _planned(prepared: Prepared, asked: _Asked) -> int:
    """The dry run: what stands in the way besides that writing was not asked for, also what nobody has acknowledged."""
    from triage.actions.guards.foundation import WRITE
    stops = [guard.name for guard in _stops(prepared, asked) if guard.name != WRITE]
    missing = [name for name in prepared.acknowledgements if name not in asked.acknowledged]
    code = _REFUSED if stops or missing else 0
    if asked.output == "json":
        from triage.report.actions_json import act_json
        click.echo(act_json(prepared, (), executed=False, exit_code=code, open_ends=asked.open_ends))
    else:
        _show(prepared, err=False)
        add = f"add: {' '.join(f'--acknowledge {name}' for name in missing)}"
        said = f"it would be refused: {', '.join(stops)}" if stops else "it may be carried out, with --write" if (
            not missing) else f"somebody has to have read what is asked above; {add}"
        click.echo(f"triage: nothing was changed; {said}", err=True)
    return code


def _stops(prepared: Prepared, asked: _Asked) -> list[Checked]:
    """The guards that stop it although glass is broken, where it is."""
    return [guard for guard in prepared.stops if not (guard.breakable and asked.break_glass.strip())]


async def _shared(desk: ActionDesk, prepared: Prepared, path: Path, clock: Clock, asked: _Asked) -> int:
    request = await desk.share(prepared, path)
    if asked.output == "json":
        from triage.report.actions_json import act_json
        click.echo(act_json(prepared, (), executed=False, exit_code=0, open_ends=asked.open_ends))
    else:
        _show(prepared, err=False)
    plan = prepared.plan
    click.echo(f"triage: nothing was changed; plan {plan.short} waits in {path} for another person, who carries it "
               f"out with:\n  triage act {plan.action} {plan.target.model} --write --approve {path}\n"
               f"  within {_minutes(request.expires_at - clock.now())}", err=True)
    return 0


def _minutes(seconds: float) -> str:
    return f"{max(0.0, seconds) / 60:.0f} min"


async def _caught_up(newest: Newest, model: str, interval_seconds: float, clock: Clock) -> None:
    """Wait until what is known of ``model`` is fresh again, but not for long: while somebody types, nothing is asked,
    and no action may be refused only because its own question let the facts grow old."""
    import asyncio

    from triage.actions.guards.evidence import FRESH_SECONDS
    fresh_seconds = max(FRESH_SECONDS / 2, 2 * interval_seconds)

    def is_fresh() -> bool:
        snapshot = newest()
        known = None if snapshot is None else snapshot.model(model)
        return known is not None and known.data_at is not None and clock.now() - known.data_at < fresh_seconds
    with suppress(TimeoutError):
        async with asyncio.timeout(_CATCHES_UP_SECONDS):
            while not is_fresh():
                await newest.next()


async def _carried_out(desk: ActionDesk, prepared: Prepared, asked: _Asked,
                       catch_up: Callable[[], Awaitable[None]]) -> int:
    from triage.actions.guards.checking import Verdict
    from triage.cli_confirm import confirmation as confirmed
    from triage.cli_ending import given_up_in_order
    from triage.report.actions import EXIT, ended, receipt_lines, step_line
    _show(prepared, err=True)
    confirmation = confirmed(prepared, stopped=bool(_stops(prepared, asked)), confirm=asked.confirm,
                             acknowledged=asked.acknowledged, break_glass=asked.break_glass)
    if any(each.name == "facts" and each.verdict in (Verdict.OK, Verdict.WARN) for each in prepared.checked):
        await catch_up()
    steps: list[Step] = []
    try:
        with given_up_in_order():
            async with aclosing(desk.carry_out(prepared, confirmation)) as happening:
                async for step in happening:
                    if not steps or (step.stage, step.sentence) != (steps[-1].stage, steps[-1].sentence):
                        click.echo(f"triage: {step_line(step, len(prepared.plan.requests))}", err=True)
                    steps.append(step)
    except BaseException:
        # The terminal may be gone.
        with suppress(OSError):
            click.echo(f"triage: interrupted; what was sent stays sent, and triage journal show says what is not known "
                       f"({prepared.action_id})", err=True)
        raise
    ending = ended(tuple(steps))
    if ending is None or ending.outcome is None:
        raise RuntimeError("an action ended without an outcome")
    code = EXIT[ending.outcome]
    if asked.output == "json":
        from triage.report.actions_json import act_json
        click.echo(act_json(prepared, steps, executed=True, exit_code=code, open_ends=asked.open_ends))
    else:
        for line in receipt_lines(prepared, tuple(steps), desk.contacts(), _characters()):
            click.echo(line)
    return code


def _show(prepared: Prepared, *, err: bool) -> None:
    from triage.report.actions import plan_lines
    for line in plan_lines(prepared, _characters(err=err)):
        click.echo(line, err=err)


def _characters(*, err: bool = False) -> Any:
    from triage.report.console import characters
    return characters(bool(given("ascii")), sys.stderr if err else sys.stdout)


@click.command()
@_model
@click.option("--once", is_flag=True, help="Look once, do what is due, and end.")
@formats("text", "json")
@writes
@where
@ascii_only
def watch(model: str, once: bool, output: str) -> int:
    """Hold the promise that the notebook of MODEL makes of its canary, until ctrl-c.

    It says what the policy asks for as soon as that changes. With --write it does it, where the manifest says
    rollback.policy: auto or promote.policy: auto, through the same guards as triage act; what a person has to
    acknowledge or approve it leaves to a person, and says whom to call. allow_write in the context does not make it
    act. A broken rollout rule or objective has to last for canary.sustained, without a gap in the data. Started anew
    it does nothing twice: the journal tells what was done.

    0 with --once when nothing is due or what was due is done, 1 done but not recovered, 2 failed, or held back by a
    guard, 3 unknown, also whether anything is due, 4 a person has to do what is due, 130 interrupted (129 when the
    terminal closes, 143 when it is told to end).

    \b
    Examples:
      triage watch fraud-scorer
      triage watch fraud-scorer --write --format json
      triage watch fraud-scorer --once
    """
    import asyncio

    from triage.clock import SystemClock
    from triage.config import activate
    from triage.live.once import notebook_of
    active = activate(overrides())
    return asyncio.run(_watch(active, notebook_of(active, model), SystemClock(), output, once=once))


async def _watch(active: Active, notebook: Notebook, clock: Clock, output: str, *, once: bool) -> int:
    from triage.actions.history import Outcome
    from triage.cli_ending import given_up_in_order
    from triage.desk.actions import open_desk
    from triage.desk.newest import Newest
    from triage.desk.watching import What, watch
    from triage.report.actions import EXIT
    async with Newest(active, notebook.name, clock) as newest:
        desk = await open_desk(active, notebook, clock, newest, write=bool(given("write")))
        try:
            with given_up_in_order():
                async with aclosing(watch(desk, newest.current_then_next(), armed=bool(given("write")))) as saying:
                    async for said in saying:
                        _tell(said, notebook.name, output)
                        if once and said.outcome is not None:
                            return EXIT[said.outcome]
                        if once and said.what is What.HELD:
                            return _REFUSED
                        if once and said.what is What.RECOMMENDS:
                            return _PERSON
                        if once and said.what is What.WAITS:
                            return 0 if said.due is None or said.due.known else EXIT[Outcome.UNKNOWN]
        finally:
            await desk.aclose()
    raise AssertionError("a watcher has no end of its own")


def _tell(said: Said, model: str, output: str) -> None:
    if output == "json":
        from triage.report.actions_json import said_json
        click.echo(said_json(said, model))
    else:
        from triage.report.times import spoken
        click.echo(_characters().say(f"{spoken(said.at)}  {said.what}  {said.sentence}"))
    sys.stdout.flush()
