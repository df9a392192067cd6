"""What of the registry and the rollout ``status`` says in words, besides the reasons."""

from __future__ import annotations

from collections.abc import Iterator

from triage.facts.rollouts import RolloutFacts
from triage.signals import deployed_words as words
from triage.signals import wording
from triage.signals.model import ModelState


def deployed_lines(model: ModelState, at: float) -> Iterator[tuple[str, str]]:
    """Labels and texts; none where neither was asked. Findings that are among the reasons are not said twice."""
    if isinstance(model.rollout, RolloutFacts):
        facts = model.rollout
        more = words.weights(facts)
        yield "rollout", (f"{words.whereabouts(facts, at)}{f', {more}' if more else ''}"
                          f", read {wording.age(at - facts.read_at)} ago")
    elif model.rollout is not None:
        yield "rollout", f"not read: {model.rollout.sentence()}"
    found = model.lineage
    if found is None or not (found.known or found.findings):
        return
    read = f", read {wording.age(at - found.read_at)} ago" if found.read_at is not None else ""
    yield "registry", f"{words.summary(found)}{read}"
    for row in found.rows:
        if row.arm or row.aliases:
            yield "", f"version {row.version}{f' ({row.arm})' if row.arm else ''}: {words.registered(row)}"
    told = {reason.text for reason in model.reasons}
    yield from (("", finding.text) for finding in found.findings if finding.text not in told)
