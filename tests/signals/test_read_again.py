"""What is read once for its answers and used again is what they say, whichever are renewed, fail or grow old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.signals.building import NOW, SUCCESS, answers, notebook, reply
from triage.facts.arrangement import ArrangedReplies, arranged
from triage.facts.outcome import Failure, FailureKind
from triage.facts.replies import Part, Replies
from triage.signals.objectives import Surroundings, slo_state

LATENCY = "{name: latency, sli: {histogram: request_duration_seconds, threshold: 500ms}, objective: 99}"
BOOK = notebook(SUCCESS, LATENCY)
WINDOWS = (300.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0, 259200.0, 2592000.0)
CHANGES = ("errors", "other versions", "nothing", "recorded", "no number", "warned", "failed", "other bounds")


def answered(change: str, at: float) -> Replies:
    """Everything as it is answered at one moment, in one of several ways."""
    found = answers(BOOK, errors={"errors": 0.02, "nothing": 0.0}.get(change, 0.001),
                    versions={"v1": 0.6, "v2": 0.4} if change == "other versions" else None,
                    per_hour=0.0 if change == "nothing" else 36_000)
    bounds = ("0.25", "0.5", "+Inf") if change != "other bounds" else ("0.25", "1.0", "+Inf")
    for question in [*found]:
        if question.part is Part.BUCKETS:
            found[question] = reply(*(({"model_version": "v1", "le": le}, question.window_seconds * (5 + n))
                                      for n, le in enumerate(bounds)))
        elif question.part is Part.RECORDED and change == "recorded":
            found[question] = reply(({}, 0.004))
        elif question.part is Part.TOTAL and change == "no number":
            found[question] = reply(({"model_version": "v1"}, float("nan")))
    broken = Failure(FailureKind.TIMEOUT, "too slow") if change == "failed" else None
    return {q: replace(r, answered_at=at, warnings=("a store is missing",) if change == "warned" else (),
                       failure=broken) for q, r in found.items()}


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(CHANGES), st.sets(st.sampled_from(WINDOWS), max_size=4),
                          st.sampled_from((0.0, 15.0, 60.0, 400.0))), min_size=1, max_size=6))
def test_whatever_was_answered_anew_what_is_used_again_is_what_would_be_read_anew(
        turns: Sequence[tuple[str, set[float], float]]) -> None:
    now, replies = NOW, dict(answered("", NOW))
    arrangement = arranged(tuple(replies))
    for change, windows, later in turns:
        now += later
        newer = answered(change, now)
        replies.update({q: newer[q] for q in replies if q.window_seconds in windows})
        around = Surroundings(now, 15.0, None, None)
        anew = {q: replace(r, _derived=None) for q, r in replies.items()}
        for objective in BOOK.objectives:
            again = slo_state(objective, ArrangedReplies(replies, arrangement), around)
            assert repr(again) == repr(slo_state(objective, anew, around))


@given(changes=st.lists(st.sampled_from(CHANGES), min_size=1, max_size=4), fewer=st.booleans())
def test_one_reply_beside_others_than_before_is_read_anew(changes: Sequence[str], fewer: bool) -> None:
    first = answered("", NOW)
    around = Surroundings(NOW, 15.0, None, None)
    for change in changes:
        newer = answered(change, NOW)
        mixed = {q: r if q.part is Part.GOOD or q.part is Part.BUCKETS else newer[q] for q, r in first.items()}
        if fewer:
            mixed = {q: r for q, r in mixed.items() if q.part is not Part.RECORDED}
        anew = {q: replace(r, _derived=None) for q, r in mixed.items()}
        for objective in BOOK.objectives:
            assert repr(slo_state(objective, mixed, around)) == repr(slo_state(objective, anew, around))


@given(st.sampled_from((Part.BAD, Part.TOTAL)),
       st.floats(-1.0, 1e6) | st.sampled_from((0.0, 9_995.0, 10_000.0, 10_049.0)))
def test_a_version_in_one_series_is_read_as_in_two_that_add_up_to_it(part: Part, value: float) -> None:
    version = {"model_version": "v1"}
    replies = {q: reply((version, value)) if q.part is part else r for q, r in answers(BOOK).items()}
    apart = {q: reply((version, r.samples[0].value), ({**version, "pod": "idle"}, 0.0))
             if q.part in (Part.BAD, Part.GOOD, Part.TOTAL) and r.samples else r for q, r in replies.items()}
    around = Surroundings(NOW, 15.0, None, None)
    for objective in BOOK.objectives:
        assert repr(slo_state(objective, replies, around)) == repr(slo_state(objective, apart, around))
