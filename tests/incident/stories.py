"""Entries of incidents, by hand and by lot."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from triage.incident.entries import HYPOTHESIS_STATES, NO_CHANGE, ROLES, RUNBOOK_CHANGED, Entry, Kind, Source

T0 = 1_763_900_000.0
ANN, BOB = "ann@bastion", "bob@bastion"


def entry(kind: Kind, minutes: float = 0.0, text: str = "", *, by: str = ANN, **more: Any) -> Entry:
    """What happened ``minutes`` after the beginning."""
    at = T0 + 60 * minutes
    more.setdefault("written_at", at)
    return Entry(kind, at, by=by, text=text, **more)


def opened(minutes: float = 0.0, by: str = ANN) -> Entry:
    return entry(Kind.OPENED, minutes, "v8 is slower", by=by, about="fraud-scorer", state="demo", id="first")


def alert(minutes: float, state: str = "firing", name: str = "CanaryLatency") -> Entry:
    return entry(Kind.ALERT, minutes, f"{name} {state}", about=f"alert {name}", state=state, source=Source.FACTS,
                 details={"urgency": "page"})


def verdict(minutes: float, state: str) -> Entry:
    return entry(Kind.VERDICT, minutes, f"{state.upper()}: v8 80.0 %, v7 99.6 %", about="verdict", state=state,
                 source=Source.FACTS)


_IDS = st.sampled_from(["a", "b", "c", "d", "first"])
_STATES = st.sampled_from([*HYPOTHESIS_STATES, NO_CHANGE, RUNBOOK_CHANGED, "firing", "ended", "sent", "done", ANN, ""])
_TIMES = st.integers(0, 100).map(lambda minutes: T0 + 60.0 * minutes)

entries = st.builds(
    Entry, st.sampled_from(list(Kind)), _TIMES, _TIMES,
    st.sampled_from([ANN, BOB, "cy@laptop"]), st.sampled_from(["", "seen", "v8 is slower"]),
    st.sampled_from(list(Source)),
    st.one_of(_IDS, st.sampled_from(["verdict", "alert X", BOB, *ROLES])), _STATES,
    st.dictionaries(st.sampled_from(["title", "over", "next_seconds"]), st.sampled_from(["yes", "900", "nan", "x"])),
    st.sampled_from(["", "run:1", "run:2"]), st.one_of(st.just(""), _IDS))
"""Any entry, allowed where it stands or not."""

logs = st.lists(entries, max_size=16).map(lambda found: [opened(), *found])
