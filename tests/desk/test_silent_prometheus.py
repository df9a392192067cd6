"""Prometheus falls silent in the middle: whatever moves the traffic, a rollback can still be planned, acknowledged and
carried out, and its verification says what it cannot see."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.commands import run
from tests.desk.others import proxy, works
from tests.desk.site import Site
from tests.desk.whole import Whole, carried_out, ended, planned, whole
from triage.actions import webhook as module
from triage.actions.history import Outcome
from triage.actions.plan import Action
from triage.actions.system import Wish

MODEL = "fraud-scorer"
ROLLBACK = Wish(Action.ROLLBACK, "v8 is slow", "7")


UNSEEN = "latency cannot be seen: prometheus does not answer; success cannot be seen: prometheus does not answer"


@dataclass(frozen=True)
class Mover:
    """What moves the traffic, and how it is known what was sent to it."""

    sent: Callable[[], list[str]]
    ends: str
    """What is known at the end, and what is not."""
    context: Mapping[str, Any] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)
    wish: Wish = ROLLBACK


def argo(lab: Whole, open: ExitStack) -> Mover:
    return Mover(lambda: lab.ear.changes, f"v7 takes all traffic, all its replicas serve; {UNSEEN}")


def haproxy(lab: Whole, open: ExitStack) -> Mover:
    made = open.enter_context(proxy(lab.folder, {"m7": 90, "m8": 10}))
    return Mover(lambda: made.set, f"v7 takes all traffic; {UNSEEN}", {"haproxy": {"socket": str(made.socket)}}, {
        "rollout": {"kind": "haproxy", "name": "fraud", "servers": {"7": ["m7"], "8": ["m8"]}}})


def webhook(lab: Whole, open: ExitStack) -> Mover:
    made = open.enter_context(works())
    return Mover(lambda: [call.path for call in made.calls], "run 1: succeeded; which version serves cannot be seen",
                 made.context("rollback"), {"rollout": {"kind": "webhook", "name": "ci", "reload": "30s"}})


def alias(lab: Whole, open: ExitStack) -> Mover:
    return Mover(lambda: lab.ear.changes, "champion names v6; which version serves cannot be seen", {}, {
        "rollout": {"kind": "mlflow", "name": "champion", "reload": "30s"}}, Wish(Action.ROLLBACK, "v7 is slow", "6"))


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Whole]:
    with whole("canary-latency", tmp_path, past=False) as running:
        yield running
        await running.leave()


@pytest.mark.parametrize("mover", [argo, haproxy, webhook, alias])
async def test_a_rollback_is_planned_acknowledged_and_carried_out_and_says_what_it_cannot_see(
        lab: Whole, mover: Callable[[Whole, ExitStack], Mover]) -> None:
    with ExitStack() as stack:
        of = mover(lab, stack)
        desk = await lab.desk(MODEL, context=of.context, spec=of.spec)
        before = await planned(desk, of.wish)
        assert "facts" not in before.acknowledgements
        lab.silence("prometheus")
        await lab.look(desk)
        lab.ear.changes.clear()
        # What was seen when it was planned is not seen any more: nobody has read that yet.
        outcome, sentence = ended(await carried_out(desk, before))
        assert (outcome, of.sent()) == (Outcome.REFUSED, [])
        assert "facts has to be acknowledged: prometheus does not answer" in sentence
        prepared = await planned(desk, of.wish)
        assert "facts" in prepared.acknowledgements
        assert prepared.stops == ()
        lab.pace_seconds = 120.0
        assert ended(await carried_out(desk, prepared)) == (Outcome.UNKNOWN, of.ends)
        assert len(of.sent()) == len(prepared.plan.requests)
        [deed] = (await desk.history()).deeds
        assert (deed.outcome, deed.unresolved) == (Outcome.UNKNOWN, False)


HAPROXY = {"kind": "haproxy", "name": "fraud", "servers": {"7": ["m7"], "8": ["m8"]}}
WEBHOOK = {"kind": "webhook", "name": "ci", "reload": "1s"}


def with_context(site: Site, **more: Any) -> None:
    """More in the context of its triage.yaml."""
    content = json.loads(site.config.read_text())
    content["contexts"]["prod-eu"] |= more
    site.config.write_text(json.dumps(content))


def act(site: Site, *words: str) -> tuple[int, str, str]:
    planned = run("act", "rollback", MODEL, "--to", "7", "--format", "json", "--config", site.config)
    asked = [part for guard in json.loads(planned.stdout)["guards"] if guard["acknowledgement"]
             for part in ("--acknowledge", guard["acknowledgement"])]
    done = run("act", "rollback", MODEL, "--to", "7", "--write", *words, *asked, "--config", site.config)
    return done.exit_code, done.stdout, done.stderr


def test_on_the_command_line_an_haproxy_is_told_and_the_end_is_unknown(
        make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site(spec={"rollout": HAPROXY})
    with proxy(tmp_path, {"m7": 90, "m8": 10}) as made:
        with_context(site, haproxy={"socket": str(made.socket)})
        code, out, err = act(site, "--confirm", "fraud")
    assert code == 3, err
    assert made.weights["m8"] == 0
    assert ("unknown  rollback fraud-scorer to v7: v7 takes all traffic; "
            "latency cannot be seen: prometheus does not answer") in out


def test_on_the_command_line_a_pipeline_is_told_once_and_the_end_is_unknown(
        make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COUNTED_SECONDS", 0.0)
    site = make_site(spec={"rollout": WEBHOOK})
    with works() as made:
        with_context(site, **made.context("rollback"))
        code, out, err = act(site, "--confirm", "ci")
    assert code == 3, err
    [call] = made.calls
    assert (call.path, call.body["to"], len(call.headers["Idempotency-Key"])) == ("/do/rollback", "7", 16)
    assert "unknown  rollback fraud-scorer to v7: run 1: succeeded; which version serves cannot be seen" in out
