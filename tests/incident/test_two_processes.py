"""Two processes with the same folder: one incident, one progress, nothing lost, nothing torn."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.incident.stories import T0
from triage.incident.store import Timelines
from triage.runbook.progress import Progress
from triage.runbook.run import Status
from triage.state_dir import StateDir

EACH = 40
"""Lines that each of the two adds to each log."""
LONG = "x" * 1500
"""So long that writes cross the pages of a file."""
WORK = f"""
import json
import sys
from pathlib import Path
from triage.incident.entries import Entry, Kind
from triage.incident.store import Timelines
from triage.runbook.events import Event, EventKind, Outcome
from triage.runbook.progress import Progress
from triage.runbook.run import Case
from triage.state_dir import StateDir

home, who = StateDir(Path(sys.argv[1])), sys.argv[2]
timelines, progress = Timelines(home, "demo"), Progress(home, "demo", "m", "slow", lambda: Case("INC-0001"))
print("ready", flush=True)
sys.stdin.readline()
name = timelines.open(f"slower, says {{who}}", "m", who, {T0}).id
progress.write([Event(EventKind.OPENED, {T0}, who)])
has_it = progress.write([Event(EventKind.CLAIMED, {T0} + 1, who, "the-step")])
for number in range({EACH}):
    at = {T0} + 2 + number
    timelines.add(name, [Entry(Kind.NOTE, at, at, who, f"{{who}} {{number}} {LONG}")])
    progress.write([Event(EventKind.CHECKED, at, who, f"{{who}}-{{number}}", Outcome.PASSED, "{LONG}")])
print(name, has_it, flush=True)
sys.stdin.readline()
rows = [row.text.partition(" x")[0] for row in timelines.get(name).rows]
records = sorted(progress.run().records)
print(json.dumps([rows, records]), flush=True)
"""


@pytest.fixture
def said(tmp_path: Path) -> Sequence[Sequence[str]]:
    """What each of the two said when it had written, and what both then saw."""
    both = [subprocess.Popen([sys.executable, "-c", WORK, str(tmp_path / "state"), who], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE) for who in ("ana", "bob")]
    out: list[list[str]] = [[], []]
    try:
        for _ in range(3):
            for one, lines in zip(both, out, strict=True):
                assert one.stdout is not None
                lines.append(one.stdout.readline().strip())
            for one in both:
                assert one.stdin is not None
                if len(out[0]) < 3:
                    one.stdin.write("go\n")
                    one.stdin.flush()
        assert [one.wait(30) for one in both] == [0, 0]
    finally:
        for one in both:
            one.kill()
            one.communicate()
    return out


def test_both_see_the_same_and_nothing_is_lost_or_torn(said: Sequence[Sequence[str]], tmp_path: Path) -> None:
    assert {line.split()[0] for _, line, _ in said} == {"INC-0001"}
    assert sorted(line.split()[1] for _, line, _ in said) == ["False", "True"], "one of them has the step"
    assert said[0][2] == said[1][2]
    rows, records = json.loads(said[0][2])
    written = {f"{who} {number}" for who in ("ana", "bob") for number in range(EACH)}
    assert written == set(rows[1:])
    assert len(rows) == 1 + 2 * EACH
    assert {text.replace(" ", "-") for text in written} | {"the-step"} == set(records)
    logs = [*(tmp_path / "state").rglob("*.jsonl")]
    lines = [line for log in logs for line in log.read_bytes().splitlines()]
    assert len(lines) == 1 + 2 + 2 + 4 * EACH
    assert all(json.loads(line) for line in lines)


def test_a_third_that_starts_later_reads_the_same(said: Sequence[Sequence[str]], tmp_path: Path) -> None:
    home = StateDir(tmp_path / "state")
    rows, records = json.loads(said[0][2])
    found = Timelines(home, "demo").get("INC-0001")
    assert [row.text.partition(" x")[0] for row in found.rows] == rows
    run = Progress(home, "demo", "m", "slow").run()
    assert sorted(run.records) == records
    assert all(record.status is Status.PASSED for step, record in run.records.items() if step != "the-step")
