"""Which of a model's questions are read together: found once for all models that are asked the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from triage.facts.replies import MODEL, Part, Question, Replies, Reply

COUNTED = (Part.GOOD, Part.BAD, Part.TOTAL, Part.BUCKETS)
"""What the events of a window are counted from."""
HOUR = 3600.0
_NOTHING: Mapping[float, tuple[Question, ...]] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Arrangement:
    """The questions about one model by what they are read for."""

    windows: Mapping[tuple[str, int], Mapping[float, tuple[Question, ...]]]
    """By objective and candidate, the questions that count the events of each window; windows ascending."""
    buckets: Mapping[tuple[str, int], tuple[Question, ...]]
    """Those of them about histograms, the shortest window first."""
    long: Mapping[tuple[str, int], tuple[Question, ...]]
    """Those of windows over an hour, with what rules recorded of them: they are asked seldom, and read together."""
    seen: Mapping[tuple[int, Part], Question]
    """By index of the traffic: since and until when each version is there."""
    dated: tuple[Question, ...]
    """Those about the newest sample."""
    recorded: Mapping[tuple[str, float], tuple[Question, ...]]
    """By objective and window, what rules recorded of it."""
    lately: Mapping[int, Question]
    """By index of the traffic: the requests of the shortest window."""

    def counted(self, objective: str, candidate: int) -> Mapping[float, tuple[Question, ...]]:
        """What the events of each window are counted from, windows ascending."""
        return self.windows.get((objective, candidate), _NOTHING)


class ArrangedReplies(dict[Question, Reply]):
    """Replies that know how their questions are arranged: a thousand models are judged from them at every refresh."""

    __slots__ = ("arrangement",)

    def __init__(self, replies: Replies, arrangement: Arrangement) -> None:
        super().__init__(replies)
        self.arrangement = arrangement


def arrangement(replies: Replies) -> Arrangement:
    """How the questions of ``replies`` are arranged."""
    return replies.arrangement if isinstance(replies, ArrangedReplies) else arranged(tuple(replies))


@lru_cache(maxsize=1024)
def arranged(questions: tuple[Question, ...]) -> Arrangement:
    """These questions by what they are read for."""
    windows: dict[tuple[str, int], dict[float, list[Question]]] = {}
    seen: dict[tuple[int, Part], Question] = {}
    lately: dict[int, Question] = {}
    for question in sorted(questions, key=lambda q: q.window_seconds):
        if question.part in COUNTED:
            own = windows.setdefault((question.objective, question.candidate), {})
            own.setdefault(question.window_seconds, []).append(question)
        elif question.part in (Part.FIRST_SEEN, Part.LAST_SEEN) and question.objective == MODEL:
            seen.setdefault((question.candidate, question.part), question)
        elif question.part is Part.REQUESTS and question.objective == MODEL:
            lately.setdefault(question.candidate, question)
    ordered = {key: {window: tuple(sorted(asked, key=lambda q: COUNTED.index(q.part))) for window, asked in own.items()}
               for key, own in windows.items()}
    buckets = {key: found for key, own in ordered.items()
               if (found := tuple(q for asked in own.values() for q in asked if q.part is Part.BUCKETS))}
    long = {(name, candidate): (*(q for window, asked in own.items() if window > HOUR for q in asked),
                                *(q for q in questions if q.part is Part.RECORDED and q.objective == name))
            for (name, candidate), own in ordered.items()}
    recorded = {(q.objective, q.window_seconds): (q,) for q in questions if q.part is Part.RECORDED}
    return Arrangement(ordered, buckets, long, seen, tuple(q for q in questions if q.part is Part.SAMPLED_AT), recorded,
                       lately)
