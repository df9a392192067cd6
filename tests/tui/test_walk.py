"""One incident from its alert to its story, on a real terminal, in the demo, with the keyboard only."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tui.terminal import ROOT, Terminal


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A place for temporary files with a path that is short enough for the kernel's sockets."""
    with tempfile.TemporaryDirectory(prefix="walk-") as folder:
        yield Path(folder)


_SPAN = r"\| \d[\w ]+(, from a likely time)? \|"
"""``20 min``, ``1 h 31 m, from a likely time``."""


def incident_command(temporary: Path, *arguments: str) -> str:
    """What ``triage incident ARGUMENTS`` prints, from another terminal, about the demo that runs."""
    (lab,) = temporary.glob("triage-lab-*")
    done = subprocess.run(
        [sys.executable, "-m", "triage", "incident", *arguments, "--config", str(lab / "triage.yaml")],
        cwd=ROOT, env={**os.environ, "TRIAGE_STATE": str(lab / "state")}, capture_output=True, text=True, check=True)
    return done.stdout


def written(temporary: Path, pattern: str) -> Iterator[dict[str, Any]]:
    """What the demo has written into its state directory, as JSON: whole files, or their lines."""
    (state,) = temporary.glob("triage-lab-*/state")
    for path in state.glob(pattern):
        text = path.read_text("utf-8")
        yield from map(json.loads, [text] if path.suffix == ".json" else text.splitlines())


def in_order(text: str, *patterns: str) -> None:
    """Every pattern stands in the text, each after the one before it."""
    rest = text
    for pattern in patterns:
        found = re.search(pattern, rest)
        assert found is not None, f"{pattern} is not there, or not in its place:\n{text}"
        rest = rest[found.end():]


def test_amounts_in_cents_are_walked_from_the_alert_to_the_exported_story(temporary: Path) -> None:
    with Terminal("demo", "--scenario", "skewed-amount", "--speed", "60", columns=80, rows=24, module="triage",
                  environment={"TMPDIR": str(temporary), "LOGNAME": "ana"}) as terminal:
        def press(keys: str, *texts: str) -> None:
            """Press, and wait for what the screen then shows."""
            terminal.press(keys)
            terminal.shows(*texts)

        # The alert, and the runbook that answers it: it has opened by itself, and its first check has failed.
        terminal.shows("alert FraudFeatureDrift 8 is firing", "RUNBOOK fraud-canary  ✖1",
                     "Are the amounts as in training?")
        press("5", "no incident of fraud-scorer is open")
        press("o", "open an incident: its title")
        press("\r", "INC-0001 open", "on ana")

        # The way parts where the check failed.
        press("b", "1 Are the amounts as in training?  failed", "PSI", "go to 8")
        press("\r", "8 Which version has them?  ready", "run feature-now")

        # The cell shows the feature, as Prometheus has it now.
        press("\r", "feature-now", "reads only")
        terminal.shows("0% of version 8 have amount up to 40, in training 50%", "kept, o says where")
        press("b", "8 Which version has them?  failed", "9 Is it the version, or the world?  ready")
        press("\r", "10 Go back to the version that reads them rightly  ready", "plan rollback to 7")

        # The rollback: what cannot be told is acknowledged by its name, the target is typed.
        press("\r", "ROLLBACK fraud-scorer to v7", "type without known-good to go on: ____")
        terminal.read_for(0.6)
        press("without known-good\r", "type fraud-scorer to go on: ____")
        press("fraud-scorer\r", "sent 1 of 1", "DONE", "v7 takes all traffic", "in the journal as")
        press("\x1b", "10 Go back to the version that reads them rightly  passed", "15 Give it time  running")

        # Verified by the facts, once there was time: the runbook looks at what is paid now.
        press("GkkG", "20 Tell payments-ml")
        press("kkkk", "16 Amounts as in training again  passed")

        press("n", "note for INC-0001")
        # What is typed behind enter becomes no part of the note.
        press("held payments are released by hand\rxyz")
        terminal.settle(0.5, 3.0)
        press("5", "held payments are released by hand")
        story = incident_command(temporary, "export", "INC-0001")
        listed = incident_command(temporary, "list")
        runs = [record["incident"] for record in written(temporary, "cells/**/run.json")]
        events = list(written(temporary, "runbooks/**/*.jsonl"))
        press("q")
        assert terminal.exit_within(5.0) is not None
    assert "INC-0001" in listed
    assert runs == ["INC-0001"]
    assert {"INC-0001"} == {event["incident"] for event in events if event["kind"] == "took"}
    in_order(story, "# Postmortem of INC-0001: alert FraudFeatureDrift 8 is firing",
             r"\| State \| mitigated \|", "## Times",
             r"impact started \(likely\) .* at the latest: since then the condition of FraudFeatureDrift holds, "
             "activeAt of Prometheus", r"detected \| 2.* FraudFeatureDrift fires, ticket, 8, startsAt of Alertmanager",
             r"acknowledged \| 2.* opened by ana", r"first action \| 2.* rollback fraud-scorer to v7",
             r"mitigated \| 2.* rollback fraud-scorer to v7: v7 takes all traffic.*, verified", r"resolved \| - ",
             rf"MTTD .* {_SPAN}", rf"MTTA .* {_SPAN}", rf"time to first action .* {_SPAN}",
             rf"time to mitigate .* {_SPAN}", "time to resolve .* not known", "## Actions",
             "rollback fraud-scorer to v7 .* done .* v7 takes all traffic", "## Timeline",
             "FraudFeatureDrift fires, ticket, 8", "step 1 Are the amounts as in training.* failed: PSI 14",
             "INC-0001 opened: .*ana", "step 1 .* leads to 8 Which version has them",
             "cell feature-now: fail: 0% of version 8 have amount up to 40, in training 50%",
             "step 9 .* leads to 10 Go back to the version", "rollback fraud-scorer to v7, confirmed",
             "patch rollouts fraud-scorer .*: done", "rollback fraud-scorer to v7: v7 takes all traffic",
             r"step 10 .* passed: v7 takes all traffic", "step 16 Amounts as in training again passed: 7",
             "held payments are released by hand, ana", "## Runbook",
             "## Evidence", r"head of the journal of actions: `\d+:[0-9a-f]{64}`", "cell run `")
    # What was so already did not happen then.
    assert all(f"found: {text}" in story for text in ("8 has the main traffic", "the rollout stands at 8",
                                                      "alias champion is on 8", "WARN, ticket: alert"))
    # The refresh that sees the traffic move and the action that waits for it do not wait for each other.
    in_order(story, "rollback fraud-scorer to v7, confirmed", "7 takes the main traffic, before it 8",
             "step 16 Amounts as in training again passed: 7")
    assert list(temporary.iterdir()) == []
