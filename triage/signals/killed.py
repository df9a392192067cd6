"""Containers that were killed because they needed more memory than they may: a finding about the model. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator

from triage.facts.replies import PODS, UNASKED, Part, Question, Replies
from triage.signals import wording
from triage.signals.counts import trouble
from triage.signals.model import Reason
from triage.signals.reading import Quality, Urgency, Verdict

OUT_OF_MEMORY = "OOMKilled"
"""As Kubernetes names the reason."""
KILLED_SECONDS = 1800.0
"""How long one is spoken of."""
_MOST_NAMED = 2


def killed_reasons(replies: Replies, now: float) -> Iterator[Reason]:
    """That pods were killed for memory lately. A ticket: it takes answers with it, and the objectives say when it takes
    too many."""
    reply = replies.get(Question(PODS, 0, Part.KILLED, KILLED_SECONDS), UNASKED)
    found = trouble((reply,), now)
    if found is not None and found[0] is not Quality.PARTIAL:
        return
    restarts: dict[str, float] = {}
    for sample in reply.samples:
        pod = sample.labels.get("pod", "")
        if pod and math.isfinite(sample.value) and sample.value > 0:
            restarts[pod] = restarts.get(pod, 0.0) + sample.value
    if not restarts:
        return
    worst = sorted(restarts, key=lambda pod: (-restarts[pod], pod))
    named = ", ".join(f"{pod} {wording.count(restarts[pod])}x" for pod in worst[:_MOST_NAMED])
    more = f" and {len(worst) - _MOST_NAMED} more" if len(worst) > _MOST_NAMED else ""
    pods = "1 pod was" if len(worst) == 1 else f"{len(worst)} pods were"
    lately = f"in the last {wording.span(KILLED_SECONDS)} ({OUT_OF_MEMORY})"
    yield Reason(Verdict.WARN, Urgency.TICKET, "pods", OUT_OF_MEMORY,
                 f"{pods} killed for memory {lately}: {named}{more}")
