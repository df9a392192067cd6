"""Incidents from their alert to their story, on a real terminal, in the demo, with the keyboard only."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.tui.terminal import ROOT, Terminal


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A place for temporary files with a path that is short enough for the kernel's sockets."""
    with tempfile.TemporaryDirectory(prefix="walk-") as folder:
        yield Path(folder)


_SPAN = r"\| \d[\w ]+(, from a likely time)? \|"
"""``20 min``, ``1 h 31 m, from a likely time``."""


class Walk(Terminal):
    """The demo of a scenario in a narrow terminal, sixty times as fast as the world, started in a folder of its own."""

    def __init__(self, scenario: str, temporary: Path, folder: Path) -> None:
        super().__init__("demo", "--scenario", scenario, "--speed", "60", columns=80, rows=24, module="triage",
                         environment={"TMPDIR": str(temporary), "LOGNAME": "ana"}, folder=folder)

    def go(self, keys: str, *texts: str) -> str:
        """Press, and wait for what the screen then shows."""
        self.press(keys)
        return self.shows(*texts)

    def answer(self, text: str, *texts: str) -> None:
        """Type into the dialog that asks for a line, and wait until it is gone and the screen shows all of these."""
        self.press(f"{text}\r")
        self.becomes(lambda screen: "esc back" not in screen and all(each in screen for each in texts))

    def skip_wait(self, step: str, reason: str, *texts: str) -> None:
        """Skip a wait, or find that it is over: its minutes are seconds here."""
        self.press("s")
        shown = self.becomes(lambda screen: f"why skip {step}" in screen
                             or ("why skip" not in screen and all(text in screen for text in texts)))
        if "why skip" in shown:
            self.answer(reason, *texts)

    def insist(self, key: str, while_shown: str, *texts: str) -> None:
        """Press until the screen shows all of these, again only while it shows what it did before: so fast a world is
        old between two refreshes, and a check that knows nothing then holds up what rests on it."""
        until = time.monotonic() + 60.0
        while time.monotonic() < until and not all(text in self.screen() for text in texts):
            if while_shown in self.screen():
                self.press(key)
            self.read_for(2.0)
        self.shows(*texts, seconds=1.0)

    def close(self, *texts: str) -> None:
        """Close the receipt, and wait until it is gone: a key right behind esc would be another key."""
        self.press("\x1b")
        self.becomes(lambda screen: "esc closes" not in screen and all(each in screen for each in texts))

    def confirm(self, done: str) -> None:
        """Type what the plan asks to be typed, one after the other, until it was carried out and says ``done``."""
        typed = ""
        while (wanted := self._asked(typed, done)) is not None:
            # The dialog is deaf to what was typed before anybody can have read it.
            self.read_for(0.6)
            self.press(f"{wanted}\r")
            typed = wanted

    def _asked(self, before: str, done: str) -> str | None:
        """What has to be typed next; None once it is done."""
        def asks(screen: str) -> re.Match[str] | None:
            found = re.search(r"type (.+) to go on: _", screen)
            return found if found is not None and found[1] != before else None
        screen = self.becomes(lambda screen: done in screen or asks(screen))
        found = asks(screen)
        return None if done in screen or found is None else found[1]

    def leave(self) -> None:
        """End the program."""
        self.press("q")
        left = self.exit_within(5.0)
        assert left is not None, f"the screen shows\n{self.screen()}"


def exported(folder: Path) -> str:
    """The story that was written where the demo was started, readable by its owner only."""
    [path] = folder.iterdir()
    assert path.name == "INC-0001.md"
    assert path.stat().st_mode & 0o077 == 0
    return path.read_text("utf-8")


def as_the_controller(temporary: Path, change: dict[str, Any]) -> None:
    """Write into the status of the rollout as its controller does, when an analysis has failed."""
    (lab,) = temporary.glob("triage-lab-*")
    [context] = yaml.safe_load((lab / "triage.yaml").read_text("utf-8"))["contexts"].values()
    server = context["kubernetes"]
    token = Path(server["bearer_token"]["file"]).read_text("utf-8").strip()
    httpx.patch(f"{server['url']}/apis/argoproj.io/v1alpha1/namespaces/ml/rollouts/fraud-scorer/status",
                json={"status": change}, headers={"Authorization": f"Bearer {token}",
                                                  "Content-Type": "application/merge-patch+json"}).raise_for_status()


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


def test_amounts_in_cents_are_walked_from_the_alert_to_the_exported_story(temporary: Path, tmp_path: Path) -> None:
    with Walk("skewed-amount", temporary, tmp_path) as terminal:
        press = terminal.go
        # The alert, and the runbook that answers it: it has opened by itself, and its first check has failed.
        terminal.shows("alert FraudFeatureDrift 8 is firing", "RUNBOOK fraud-canary  ✖1",
                     "Are the amounts as in training?")
        press("5", "no incident of fraud-scorer is open")
        press("o", "open an incident: its title")
        terminal.answer("", "INC-0001 open", "on ana")

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
        terminal.confirm("in the journal as")
        terminal.shows("sent 1 of 1", "DONE", "v7 takes all traffic")
        terminal.close("10 Go back to the version that reads them rightly  passed", "15 Give it time  running")

        # Verified by the facts, once there was time: the runbook looks at what is paid now.
        press("GkkG", "20 Tell payments-ml")
        press("kkkk", "16 Amounts as in training again  passed")

        press("n", "note for INC-0001")
        # What is typed behind enter becomes no part of the note.
        press("held payments are released by hand\rxyz")
        terminal.settle(0.5, 3.0)
        press("5", "held payments are released by hand")
        press("w", "written, only you can read it: ")
        story = exported(tmp_path)
        assert incident_command(temporary, "export", "INC-0001").startswith(story.partition("## Timeline")[0])
        listed = incident_command(temporary, "list")
        runs = [record["incident"] for record in written(temporary, "cells/**/run.json")]
        events = list(written(temporary, "runbooks/**/*.jsonl"))
        terminal.leave()
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
                                                      "alias champion is on 8"))
    assert re.search("found: (WARN|UNKNOWN), ticket: ", story)
    # The refresh that sees the traffic move and the action that waits for it do not wait for each other.
    in_order(story, "rollback fraud-scorer to v7, confirmed", "7 takes the main traffic, before it 8",
             "step 16 Amounts as in training again passed: 7")
    assert list(temporary.iterdir()) == []


def test_a_slow_canary_is_rolled_back_and_verified_and_a_plan_that_was_left_is_told(temporary: Path,
                                                                                    tmp_path: Path) -> None:
    with Walk("canary-latency", temporary, tmp_path) as terminal:
        # The page, and the runbook that answers its alert.
        terminal.shows("FAIL, page", "5 open an incident", "RUNBOOK fraud-canary", "Where does the time go?")
        terminal.go("5", "this calls for an incident")
        terminal.go("o", "open an incident: its title")
        terminal.answer("", "INC-0001 open", "on ana")

        # The checks hold for the stable version; the cell fails for the one on trial.
        terminal.go("b", "2 Is it the canary only?  passed", "old", "4 Where does the time go?  ready")
        terminal.go("\r", "slowest-requests", "version 8 take over 500 ms", "kept, o says where")
        terminal.go("b", "4 Where does the time go?  failed", "5 Has a feature changed?  ready")
        terminal.go("s", "why skip 5 Has a feature changed?")
        terminal.answer("the rows have said it", "7 What now?  ready", "go to 11")

        # The way parts: freeze first. That plan is read and left, which changes nothing and is told.
        terminal.insist("\r", "7 What now?  ready", "11 Freeze the canary  ready", "left of 5 min", "plan pause")
        terminal.go("\r", "PAUSE fraud-scorer", "tab to [pause]")
        terminal.go("\x1b", "11 Freeze the canary  ready", "plan pause")
        terminal.go("s", "why skip 11 Freeze the canary")
        terminal.answer("back at once", "12 Roll back to version 7  ready")

        # Back to the version before it; the target's name is typed.
        terminal.go("\r", "ROLLBACK fraud-scorer to v7", " to go on: ____")
        terminal.confirm("in the journal as")
        terminal.shows("DONE", "v7 takes all traffic")
        terminal.close("12 Roll back to version 7  passed", "15 Give it time  running")
        terminal.skip_wait("15 Give it time", "the checks hold for ten minutes", "19 Tell those who wait  ready")

        # Verified by what the runbook looks at, for as long as it says.
        terminal.go("GkkG", "20 Tell payments-ml")
        terminal.go("kk", "18 Answering again  passed", "17 Fast enough again  passed")
        terminal.go("n", "note for INC-0001")
        terminal.answer("version 8 goes back to payments-ml", "written")
        terminal.go("5", "payments-ml", "INC-0001 resolved")
        terminal.go("w", "written, only you can read it: ")
        story = exported(tmp_path)
        terminal.leave()
    in_order(story, "# Postmortem of INC-0001: ", r"\| State \| resolved \|",
             r"first action \| 2.* rollback fraud-scorer",
             r"mitigated \| 2", r"resolved \| 2", rf"time to resolve .* {_SPAN}", "## Actions",
             "rollback fraud-scorer to v7 .* done", "## Timeline", "INC-0001 opened: .*ana",
             "cell slowest-requests: fail: ", "step 4 Where does the time go.* failed",
             "step 5 Has a feature changed.* skipped: the rows have said it",
             "step 7 What now.* leads to 11 Freeze the canary", "pause fraud-scorer: plan .* left, nothing was sent",
             "step 11 Freeze the canary.* skipped: back at once", "rollback fraud-scorer to v7, confirmed",
             "rollback fraud-scorer to v7: v7 takes all traffic",
             "step 12 .* passed: v7 takes all traffic", "step 17 Fast enough again passed",
             "version 8 goes back to payments-ml, ana", "## Runbook")
    assert list(temporary.iterdir()) == []


def test_where_the_controller_aborted_the_canary_the_template_is_taken_back_and_the_story_says_who_did_what(
        temporary: Path, tmp_path: Path) -> None:
    with Walk("canary-latency", temporary, tmp_path) as terminal:
        terminal.shows("FAIL, page", "RUNBOOK fraud-canary", "4/4 ok")
        terminal.go("5", "this calls for an incident")
        terminal.go("o", "open an incident: its title")
        terminal.answer("", "INC-0001 open", "on ana")

        # Argo's analysis has failed: its controller aborts, and nobody here did anything.
        as_the_controller(temporary, {"abort": True, "message": "metric latency assessed Failed"})
        terminal.shows("rollout: 8, 0 %, aborted", "8 is no longer on trial", "nothing was changed")
        terminal.shows("INC-0001 mitigated")

        # The bad version is still what the rollout wants: what is aborted cannot be aborted, but rolled back.
        terminal.go("a", "ACT on fraud-scorer", "it is aborted already", "r  roll back")
        terminal.go("r", "ROLLBACK fraud-scorer to v7", " to go on: ____")
        terminal.confirm("in the journal as")
        terminal.shows("DONE", "v7 takes all traffic")
        terminal.close("INC-0001")
        terminal.go("n", "note for INC-0001")
        terminal.answer("!the trial is over until the features are fast", "the trial is over")
        terminal.shows("INC-0001 resolved")
        terminal.go("e", "close it")
        terminal.answer("changed: a step says what an aborted trial leaves behind", "INC-0001 closed")
        terminal.go("w", "written, only you can read it: ")
        story = exported(tmp_path)
        terminal.leave()
    in_order(story, "# Postmortem of INC-0001: ", r"\| State \| closed at ", r"acknowledged \| 2",
             r"first action \| 2.* rollback fraud-scorer to v7", r"mitigated \| 2", r"resolved \| 2", "## Actions",
             "rollback fraud-scorer to v7 .* done", "## Timeline", "INC-0001 opened: .*ana", "rollout: 8, 0 %, aborted",
             "rollback fraud-scorer to v7, confirmed", "rollback fraud-scorer to v7: v7 takes all traffic",
             "decided: the trial is over until the features are fast, ana",
             "closed, runbook changed: a step says what an aborted trial leaves behind")
    assert list(temporary.iterdir()) == []
