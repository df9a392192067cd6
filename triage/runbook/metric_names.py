"""Which metrics a runbook's PromQL names, and which ones a manifest and its preset name. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import promql_parser as ast
from pydantic import BaseModel

from triage.notebook.manifest import Manifest
from triage.notebook.presets import preset, preset_names
from triage.notebook.selector import parse_selector

_SUFFIXES = ("_bucket", "_count", "_sum")
"""Of the series that make a histogram."""
_ALWAYS = frozenset({"up", "ALERTS", "ALERTS_FOR_STATE", "scrape_duration_seconds", "scrape_samples_scraped",
                     "scrape_samples_post_metric_relabeling", "scrape_series_added"})
"""What Prometheus itself writes about every target and every alert."""
AT_TIMES = frozenset({"ALERTS", "ALERTS_FOR_STATE"})
"""What is there only while something fires."""
_WINDOW = "$window"
_SLOTH = "slo:"
"""How the series begin that Sloth records for an objective."""


def metrics_in(expr: str) -> frozenset[str]:
    """Names of the metrics that ``expr`` looks at; one that is matched by a pattern is left out. Raises ValueError
    when it is no PromQL."""
    return frozenset(_named(ast.parse(expr)))


def family(metric: str) -> str:
    """The name that the series of one histogram share; of every other metric its own."""
    return next((metric.removesuffix(suffix) for suffix in _SUFFIXES if metric.endswith(suffix)), metric)


def stated_metrics(manifest: Manifest) -> frozenset[str]:
    """Families that the manifest and its preset name somewhere.

    Every text that could be a metric's name counts as one: a name too many hides a slip of the pen at most, one too
    few would call a sound runbook wrong.
    """
    spec = manifest.spec
    chosen = spec.metrics.preset
    texts = [*_texts(spec), *(_texts(preset(chosen)) if chosen in preset_names() else ())]
    return frozenset(family(name) for text in texts for name in _names_in(text)) | _ALWAYS


def is_stated(metric: str, stated: frozenset[str], manifest: Manifest) -> bool:
    """Whether ``metric`` is of a family in ``stated``, or a series that is recorded for one of the objectives."""
    recorded = any(slo.recorded is not None for slo in manifest.spec.slos)
    return family(metric) in stated or (recorded and metric.startswith(_SLOTH))


def _names_in(text: str) -> Iterator[str]:
    try:
        yield parse_selector(text).name
    except ValueError:
        if "(" in text:
            try:
                yield from _named(ast.parse(text.replace(_WINDOW, "5m")))
            except ValueError:
                return


def _named(node: ast.Expr) -> Iterator[str]:
    match node:
        case ast.VectorSelector():
            if node.name:
                yield node.name
            else:
                yield from (matcher.value for matcher in node.matchers.matchers
                            if matcher.name == "__name__" and matcher.op == ast.MatchOp.Equal)
        case ast.MatrixSelector():
            yield from _named(node.vector_selector)
        case ast.AggregateExpr() | ast.ParenExpr() | ast.UnaryExpr() | ast.SubqueryExpr():
            yield from _named(node.expr)
        case ast.BinaryExpr():
            yield from _named(node.lhs)
            yield from _named(node.rhs)
        case ast.Call():
            for argument in node.args:
                yield from _named(argument)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _texts(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _texts(item)
