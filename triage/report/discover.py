"""What ``triage discover`` found, as a table of models and metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from triage.signals import wording

if TYPE_CHECKING:
    from triage.report.characters import Characters
    from triage.sources.found import Found, FoundModel

_MOST_METRICS = 12
"""Metrics shown per model."""
_MOST_VERSIONS = 5


def discover_text(found: Found, chars: Characters) -> RenderableType:
    """Servers, a table of models, and the metrics of each."""
    return Group(*_parts(found, chars))


def next_step(found: Found) -> str:
    """What to do with it."""
    if not found.models:
        return ("triage: no model was found: no metric of a known inference server, and no label that names a model; "
                "write the manifest by hand")
    return f"triage: for a manifest to start from, add: --model {found.models[0].name}"


def _parts(found: Found, chars: Characters) -> Iterator[RenderableType]:
    yield Text(chars.say(f"{found.url}  {wording.count(found.metrics)} metrics"))
    for server in found.servers:
        yield Padding(Text(chars.say(f"{server.title}: {len(server.metrics)} of its metrics (preset {server.preset})")),
                      (0, 0, 0, 2))
    if not found.models:
        return
    yield Text()
    table = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("model", "label", "preset", "versions"):
        table.add_column(title, overflow="fold")
    table.add_column("metrics", justify="right", no_wrap=True)
    table.add_column("series", justify="right", no_wrap=True)
    for model in found.models:
        table.add_row(*(Text(chars.say(cell)) for cell in (
            model.name, model.label, model.preset or "custom", _versions(model), wording.count(len(model.series)),
            wording.count(sum(model.series.values())))))
    yield table
    for model in found.models:
        yield Text()
        yield Text(chars.say(model.name), "bold")
        for line in _metrics(model):
            yield Padding(Text(chars.say(line)), (0, 0, 0, 2))


def _versions(model: FoundModel) -> str:
    more = len(model.versions) - _MOST_VERSIONS
    newest = ", ".join(model.versions[-_MOST_VERSIONS:])
    return f"{newest} and {more} older" if more > 0 else newest or "-"


def _metrics(model: FoundModel) -> Iterator[str]:
    """Histograms and counters in words, then what else there is by name."""
    told: set[str] = set()
    for histogram in model.histograms:
        told.update(histogram.name + suffix for suffix in ("_bucket", "_count", "_sum"))
        unit = f", in {histogram.unit}" if histogram.unit else ""
        top = f", up to {histogram.buckets[-1]:g}" if histogram.buckets else ""
        yield f"{histogram.name}  histogram, {len(histogram.buckets)} buckets{top}{unit}"
    for counter in model.counters:
        told.add(counter.name)
        values = ", ".join(counter.status_values[:8])
        status = f", by {counter.status_label}: {values}" if counter.status_label else ""
        yield f"{counter.name}  counter{status}"
    others = [name for name in sorted(model.series) if name not in told]
    yield from (f"{name}  {wording.count(model.series[name])} series" for name in others[:_MOST_METRICS])
    if len(others) > _MOST_METRICS:
        yield f"and {len(others) - _MOST_METRICS} more"
