"""Promises from YAML and replies of known truth, for the tests of what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from triage import strict_yaml
from triage.facts.outcome import Failure
from triage.facts.replies import MODEL, Part, Question, Reply
from triage.facts.samples import Sample
from triage.live.expressions import questions
from triage.notebook.load import Notebook
from triage.notebook.manifest import Manifest
from triage.notebook.resolve import objectives
from triage.signals.model import SloState
from triage.signals.objectives import Surroundings, slo_state

NOW = 1_800_000_000.0
SUCCESS = """{name: success, sli: {good: 'requests_total{code!~"5.."}', total: requests_total}, objective: 99.9}"""
Answers = dict[Question, Reply]

_HEAD = """\
apiVersion: triage/v1alpha1
kind: ModelNotebook
metadata: {name: m, version: "8", owners: [{name: team, role: on-call}]}
spec:
  metrics: {selector: {model: m}}
"""


def notebook(*slos: str, more: str = "") -> Notebook:
    """A notebook with these SLOs (YAML flow mappings); ``more`` is further YAML of its ``spec``, one field a line."""
    text = _HEAD + "  slos:\n" + "".join(f"    - {slo}\n" for slo in slos)
    text += "".join(f"  {line}\n" for line in more.splitlines())
    document = strict_yaml.parse(text, "manifest.yaml")
    manifest = strict_yaml.validate(document, Manifest)
    return Notebook(Path("m"), manifest, document, objectives(manifest))


def reply(*samples: tuple[Mapping[str, str], float], at: float = NOW) -> Reply:
    """An answer given at ``at``, good for a minute."""
    return Reply(at, 60.0, tuple(Sample(labels, value, at) for labels, value in samples))


def answers(book: Notebook, *, per_hour: float = 36_000, errors: float | Mapping[float, float] = 0.0,
            versions: Mapping[str, float] | None = None, sample_age: float = 10.0) -> Answers:
    """Replies to everything that is asked: even traffic with a share of errors (by window where they differ).

    ``versions``: share of the traffic by version. Levels, rules and groups have no series.
    """
    shares = versions or {"v1": 1.0}
    found: Answers = {}
    for asked in questions(book):
        question = asked.question
        window = question.window_seconds
        bad = errors if isinstance(errors, int | float) else errors.get(window, 0.0)
        part_of = {Part.TOTAL: 1.0, Part.BAD: bad, Part.GOOD: 1 - bad, Part.REQUESTS: 1.0}.get(question.part)
        if part_of is not None:
            total = per_hour * window / 3600
            found[question] = reply(*(({"model_version": version}, total * part_of * share)
                                      for version, share in shares.items()))
        elif question.part is Part.SAMPLED_AT:
            found[question] = reply(({}, NOW - sample_age))
        else:
            found[question] = reply()
    return found


def with_reply(replies: Mapping[Question, Reply], new: Reply, *parts: Part, window: float | None = None,
               objective: str | None = None) -> Answers:
    """The replies with ``new`` in place of those to these parts (of one window, of one objective)."""
    return {q: new if _meant(q, parts, window, objective) else r for q, r in replies.items()}


def changed(replies: Mapping[Question, Reply], *parts: Part, window: float | None = None, objective: str | None = None,
            **fields: Any) -> Answers:
    """The replies with these fields changed in those to these parts (all of them when none is named)."""
    return {q: replace(r, **fields) if _meant(q, parts, window, objective) else r for q, r in replies.items()}


def _meant(question: Question, parts: tuple[Part, ...], window: float | None, objective: str | None) -> bool:
    return ((not parts or question.part in parts) and (window is None or question.window_seconds == window)
            and (objective is None or question.objective == objective))


def unanswered(failure: Failure | None = None) -> Reply:
    """Asked, and never answered."""
    return Reply(None, 60.0, failure=failure)


def judged(book: Notebook, replies: Mapping[Question, Reply], *, now: float = NOW, scrape_interval: float = 15.0,
           retention_seconds: float | None = None, labels_due_seconds: float | None = None) -> SloState:
    """The state of the notebook's first objective."""
    around = Surroundings(now, scrape_interval, retention_seconds, labels_due_seconds)
    return slo_state(book.objectives[0], replies, around)


def model_question(part: Part, window: float) -> Question:
    """The address of a question about the model as a whole."""
    return Question(MODEL, 0, part, window)
