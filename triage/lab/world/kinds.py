"""The kinds of faults that a scenario can name, what their magnitudes mean, and the words for actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from triage.lab.world.fleet import FLEET


@dataclass(frozen=True, slots=True)
class FaultKind:
    """What a kind of fault does and what its magnitude means."""

    meaning: str
    magnitude: str
    low: float
    high: float
    needs: tuple[str, ...] = ()
    """Fields that it must name."""
    allows: tuple[str, ...] = ("version",)
    """Fields that it may name."""
    models: tuple[str, ...] = ()
    """Models that can have it; () is all."""
    default: float | None = None
    """Magnitude when none is given; None: it must be given."""


_ONLINE = tuple(name for name in FLEET if name != "churn-ranker")
_WITH_STORE = tuple(name for name, member in FLEET.items() if member.stores)

KINDS: Mapping[str, FaultKind] = MappingProxyType({
    "latency": FaultKind("Answers take longer (inefficient serialization, a slow dependency).",
                         "factor by which durations grow", 1.0, 50.0, models=_ONLINE),
    "errors": FaultKind("Requests fail with 500 and a stack trace.", "share of requests that fail", 0.0, 1.0),
    "nan_outputs": FaultKind("The model's outputs are not numbers; half of them become 500s, the rest go out.",
                             "share of outputs", 0.0, 1.0),
    "schema_break": FaultKind("A feature arrives that violates the schema; it is replaced by its default.",
                              "share of requests", 0.0, 1.0, needs=("feature",)),
    "feature_shift": FaultKind("The values of a numeric feature change; scores and quality follow.",
                               "factor by which values are multiplied", 0.001, 1000.0, needs=("feature",)),
    "category_shift": FaultKind("Requests move to the rarest category of a categorical feature.",
                                "share of requests that move", 0.0, 1.0, needs=("feature",)),
    "stale_features": FaultKind("A feature view is no longer materialised: its age grows, lookups return old values, "
                                "scores go astray with the age.", "share of its rows that are old", 0.0, 1.0,
                                needs=("store",), allows=(), models=_WITH_STORE, default=1.0),
    "quality": FaultKind("Decisions become worse; only labels, when they come, and proxies show it.",
                         "share of decisions that turn wrong", 0.0, 0.6, allows=("version", "subgroup")),
    "score_shift": FaultKind("Scores move while the inputs do not (a bug after the model, another calibration).",
                             "factor by which scores are multiplied", 0.05, 20.0),
    "traffic": FaultKind("More or fewer requests than usual; above capacity they queue.",
                         "factor on the usual traffic", 0.0, 20.0, allows=()),
    "memory": FaultKind("A process needs more memory with load; above its limit it is killed (OOMKilled), restarts, "
                        "and is killed again.", "factor on the memory of a process", 1.0, 10.0),
    "gpu_contention": FaultKind("Another model takes part of the GPU.", "share of the GPU taken away", 0.0, 0.95,
                                allows=(), models=tuple(n for n, m in FLEET.items() if m.gpu)),
    "cold_starts": FaultKind("Instances go away too early and start slowly.",
                             "factor on the number and duration of cold starts", 1.0, 50.0,
                             models=("review-sentiment",)),
    "down": FaultKind("The exporter does not answer: up is 0, its series end; the model itself works.",
                      "not used", 1.0, 1.0, allows=(), default=1.0),
    "job_slow": FaultKind("The nightly run takes longer.", "factor by which a run takes longer", 1.0, 20.0,
                          models=("churn-ranker",), allows=()),
    "job_failed": FaultKind("Nightly runs end without a table.", "share of the rows scored before it fails", 0.0, 1.0,
                            models=("churn-ranker",), allows=(), default=0.4),
    "secret_exposed": FaultKind("Somebody unknown reads the secret that opens the model's weights: the secret store's "
                                "audit log and its counter of reads show it, the model does not.",
                                "factor on the unknown reader's usual rate", 0.1, 100.0, allows=(), default=1.0),
    "partial_answers": FaultKind("Prometheus answers with warnings and leaves this model's series of some pods out, "
                                 "as a querier does that lost a store.", "share of queries that are partial", 0.0, 1.0,
                                 allows=(), default=1.0),
})

ACTIONS = ("pause", "resume", "promote", "abort", "rollback", "silence", "scale_up", "restart", "shed_load",
           "stop_serving", "fix_upstream", "fix_source", "rotate_secret", "rematerialize", "retrain", "approve",
           "escalate", "wait", "nothing")
"""What the truth may name. The first six are triage's own; the others are for people."""
