"""What happens to a run of a runbook, as events that are written one a line; the run is what they add up to."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

from triage.clock import is_date
from triage.text import clean

FORMAT = 1


class EventKind(StrEnum):
    """What happened. The value is the word in the log."""

    OPENED = "opened"
    """Somebody began to work through it; ``text`` says why, ``digest`` with which text of the runbook."""
    CHECKED = "checked"
    """A check came out otherwise than before."""
    LOOKED = "looked"
    """A query showed its first number of the run; ``text`` is that number."""
    BEGAN = "began"
    """A cell, or an action's plan, was started."""
    DONE = "done"
    ANSWERED = "answered"
    """``text`` is the answer."""
    TOOK = "took"
    """The way parted; ``goto`` is where it went."""
    SKIPPED = "skipped"
    """``text`` is the reason."""
    AGAIN = "again"
    """What was known of a step no longer counts."""
    CLAIMED = "claimed"
    RELEASED = "released"
    EDITED = "edited"
    """The runbook was changed; ``digest`` is that of its new text."""
    CLOSED = "closed"
    """The run is over; ``incident`` is the one that it belongs to."""


class Outcome(StrEnum):
    """How a step came out."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """Of a check: there is nothing to judge by."""
    HOLDING = "holding"
    """Of a check: as it should be, but not for long enough yet."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. All texts are cleaned."""

    kind: EventKind
    at: float
    """World time, Unix seconds."""
    by: str
    """Who, as ``user@host``."""
    step: str = ""
    """Id of the step; "" for what is about the run."""
    outcome: Outcome | None = None
    text: str = ""
    goto: str = ""
    digest: str = ""
    incident: str = ""
    """Id of the incident that was open when it was written; "" without one, and where that was not known."""
    id: str = ""
    """Names this writing of it, so that the writer finds it again among those of others."""

    def line(self) -> bytes:
        """As it is written: one line of JSON, without its end."""
        content = {key: value for key, value in asdict(self).items() if value not in ("", None)}
        return json.dumps({"v": FORMAT, **content}, ensure_ascii=False, allow_nan=False).encode()


def read_line(line: bytes) -> Event | None:
    """The event in ``line``; None where it is torn, or of a kind that this version does not know."""
    try:
        content = json.loads(line)
        if not isinstance(content, dict) or content.get("v") != FORMAT:
            return None
        at = float(content["at"])
        outcome = Outcome(content["outcome"]) if "outcome" in content else None
        names = ("by", "step", "text", "goto", "digest", "incident", "id")
        texts = {name: clean(content.get(name, "")) for name in names}
        return Event(EventKind(content["kind"]), at, outcome=outcome, **texts) if is_date(at) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def read_log(content: bytes) -> tuple[Event, ...]:
    """The events of a log in the order of writing, without what cannot be read."""
    return tuple(event for line in content.split(b"\n") if (event := read_line(line)) is not None)
