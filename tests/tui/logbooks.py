"""What the logs said, for the snapshots of ``snapshots``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from tests.tui import drifts, snapshots
from triage.config_sources import LogFields
from triage.facts.log_reading import LogsReading, LogsWanted, Told
from triage.facts.logs import LogLine, LogLines, StackTraces
from triage.facts.outcome import Failure, FailureKind
from triage.live.snapshot import Snapshot
from triage.sources.logs.fields import Reader
from triage.sources.logs.stacks import group
from triage.text import clean

NOW = snapshots.NOW
ANYTHING = LogsWanted()
GONE = Failure(FailureKind.CONNECT, "connection refused by 127.0.0.1:3100", "is Loki running, and is the port right?")
HOSTILE = "\x1b[31mred\x1b[0m \x07 \u202eevil\u202c [bold]markup[/] \x9b2J \x1b]52;c;aGk=\x07 " + "x" * 300


def stack(message: str, function: str = "score") -> str:
    """As the lab's servers and others write them."""
    return ("Traceback (most recent call last):\n"
            '  File "/app/fraud_scorer/server.py", line 118, in predict\n    scores = self.model(features)\n'
            f'  File "/app/fraud_scorer/pipeline.py", line 64, in {function}\n    return self.score(row)\n'
            f"{message}")


def record(ago: float, level: str, version: str, message: str, *, exception: str = "", number: int = 0) -> LogLine:
    """One line through the reader that all sources share: it cleans."""
    content: Mapping[str, object] = {
        "level": level, "model": "fraud-scorer", "model_version": version, "message": message,
        "pod": f"fraud-scorer-{version}-0", **({"exception": exception} if exception else {}),
        **({"request_id": f"req-{number:08x}"} if level != "info" else {})}
    return Reader(LogFields()).record(content, at=NOW - ago)


def lines() -> tuple[LogLine, ...]:
    """Newest first: one failure of v8 alone, one of both, and what is usual."""
    full, late = "RuntimeError: worker exited with signal 9 (out of memory)", "TimeoutError: no answer within 5 s"
    made = [record(20.0 + 47 * n, "error", "v8", full, exception=stack(full), number=n) for n in range(12)]
    made += [record(95.0 + 300 * n, "error", "v7" if n % 2 else "v8", late, exception=stack(late, "fetch"),
                    number=40 + n) for n in range(5)]
    made += [record(31.0 + 300 * n, "info", "v7", "served") for n in range(6)]
    made += [record(64.0, "warning", "v7", "feature view user_profile is 41 minutes old", number=90)]
    return tuple(sorted(made, key=lambda item: -(item.at or 0.0)))


def reading(found: tuple[LogLine, ...], wanted: LogsWanted = ANYTHING, *, ago: float = 4.0,
            failure: Failure | None = None, complete: bool = True) -> LogsReading:
    """Answered ``ago`` seconds ago; then ``failure``, if any."""
    with_stack = tuple(item for item in found if item.stack)
    traces = StackTraces(group(with_stack)[0], len(with_stack), complete)
    return LogsReading("fraud-scorer", wanted, 3600.0, None, 30.0,
                       traces=Told(traces, NOW - ago, failure),
                       lines=Told(LogLines(found, complete), NOW - ago, failure))


def debugged(drift: str = "moved", logs: LogsReading | None = None, *, state: str = "canary") -> Snapshot:
    """The debug screen's facts; ``logs`` None: answered a moment ago."""
    made = snapshots.with_model(snapshots.ALL[state](), drift=drifts.READINGS[drift](NOW) if drift else None)
    return replace(made, logs=reading(lines()) if logs is None else logs)


def lost() -> Snapshot:
    """Nothing answers any more."""
    return debugged("stale", reading(tuple(item for item in lines() if (item.at or 0.0) < NOW - 240), ago=240.0,
                                      failure=GONE))


def unread() -> Snapshot:
    """Nothing has ever answered."""
    made = reading(())
    return debugged("unread", replace(made, traces=Told(failure=GONE), lines=Told(failure=GONE)))


def waiting() -> Snapshot:
    """Asked a moment ago."""
    return debugged("", replace(reading(()), traces=Told(), lines=Told()))


def not_configured() -> Snapshot:
    """A context without logs."""
    return debugged("quiet", replace(reading(()), configured=False, traces=Told(), lines=Told()), state="healthy")


def hostile() -> Snapshot:
    """Lines written by somebody who wants to own the terminal."""
    evil = tuple(replace(record(5.0 + n, "error", clean(HOSTILE, limit=80), HOSTILE, exception=stack(
        f"ValueError: {HOSTILE}", "ev\x1b[2Jil"), number=n), request_id=clean(HOSTILE, limit=60)) for n in range(3))
    return debugged("both", reading(evil))


STATES: dict[str, Callable[[], Snapshot]] = {
    "debug": debugged, "debug-both": lambda: debugged("both"), "debug-lost": lost, "debug-unread": unread,
    "debug-waiting": waiting, "debug-unconfigured": not_configured,
    "debug-quiet": lambda: debugged("quiet", reading(()), state="healthy")}
