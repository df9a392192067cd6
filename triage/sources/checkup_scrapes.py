"""The part of ``triage doctor`` that compares how often models are scraped with what their manifests say.

A manifest that promises more scrapes than there are is no error anywhere: windows are merely read as if they held more
samples, and a trial loses events between them. Samples tell the truth whatever stands in a server's configuration, and
also behind servers that list no targets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from triage.facts.outcome import Failure
from triage.facts.samples import Answer
from triage.notebook.resolve import requests_selectors
from triage.quantities import format_duration
from triage.sources.checkup import Capability

if TYPE_CHECKING:
    from triage.notebook.load import Notebook

WHAT = "scrape intervals"
TOO_SELDOM = 1.5
"""How much longer than promised an interval must be: rates are read over four of those promised and have that room."""
_WINDOW_SECONDS = 600.0
"""Samples are counted over so long, and the fullest of the last hour counts: gaps and restarts say nothing."""
_AT_ONCE = 40
"""Models asked about in one query."""
_ADDRESS = "triage_model"
_USUAL = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300)
_NEAR = 0.12
"""How far a measured interval may be from a usual one that is meant: a window holds one sample more or less."""
_LISTED = 3
Query = Callable[[str], Awaitable[Answer | Failure]]


async def scrape_intervals(query: Query, notebooks: Sequence[Notebook]) -> Capability | None:
    """How often the requests of each model are sampled, against ``metrics.scrape_interval``; None without any model."""
    asked = [(notebook, expression) for notebook in notebooks if (expression := _expression(notebook))]
    if not asked:
        return None
    pieces = [asked[at:at + _AT_ONCE] for at in range(0, len(asked), _AT_ONCE)]
    answers = await asyncio.gather(*(query(_joined([expression for _, expression in piece])) for piece in pieces))
    refused = next((answer for answer in answers if isinstance(answer, Failure)), None)
    real: dict[str, float] = {}
    for piece, answer in zip(pieces, answers, strict=True):
        if not isinstance(answer, Failure):
            real |= {piece[place][0].name: seconds for place, seconds in _intervals(answer, len(piece)).items()}
    seldom = [(notebook, real[notebook.name]) for notebook, _ in asked if notebook.name in real
              and real[notebook.name] >= TOO_SELDOM * notebook.manifest.spec.metrics.scrape_interval]
    if seldom:
        return _warned(seldom)
    if refused is not None:
        return Capability("unknown", WHAT, f"whether models are scraped as often as their manifests say: "
                          f"{refused.sentence()}", refused.hint)
    if not real:
        return Capability("ok", WHAT, "no model has samples of ten minutes yet")
    return Capability("ok", WHAT, f"{len(real)} model{'' if len(real) == 1 else 's'} at least as often as promised")


def _warned(seldom: Sequence[tuple[Notebook, float]]) -> Capability:
    said = [f"{notebook.name} every {format_duration(real)}, its manifest says "
            f"{format_duration(notebook.manifest.spec.metrics.scrape_interval)}" for notebook, real in seldom]
    first, real = seldom[0]
    more = f"; {len(said) - _LISTED} more" if len(said) > _LISTED else ""
    others = "" if len(said) == 1 else ", and so in the others"
    return Capability("missing", WHAT, f"too seldom: {'; '.join(said[:_LISTED])}{more}; a trial counts only a part of "
                      "its events, and five minutes may hold too few samples for a rate",
                      f"write scrape_interval: {format_duration(real)} under spec.metrics in "
                      f"{first.path / 'manifest.yaml'}{others}, or scrape as often as the manifest says")


def _expression(notebook: Notebook) -> str:
    """Most samples that one series of the model's requests had in ten minutes; "" where nothing counts requests.

    A series counts where it was there before those ten minutes, so that a young one is not taken for a slow one.
    """
    span = format_duration(_WINDOW_SECONDS)
    counts = [f"(count_over_time({selector}[{span}]) and ({selector} offset {span}))"
              for traffic in requests_selectors(notebook.manifest) for selector in traffic.selectors]
    return f"max_over_time((max({' or '.join(counts)}))[1h:{span}])" if counts else ""


def _joined(expressions: Sequence[str]) -> str:
    return " or ".join(f'label_replace({expression}, "{_ADDRESS}", "{place}", "", "")'
                       for place, expression in enumerate(expressions))


def _intervals(answer: Answer, models: int) -> Mapping[int, float]:
    """Seconds between two samples by the place of the model."""
    places: dict[str, int] = {str(place): place for place in range(models)}
    found: dict[int, float] = {}
    for sample in answer.samples:
        place: Any = places.get(sample.labels.get(_ADDRESS, ""))
        # One sample is no interval.
        if place is not None and 2 <= sample.value <= _WINDOW_SECONDS:
            found[place] = _meant(_WINDOW_SECONDS / sample.value)
    return found


def _meant(seconds: float) -> float:
    return float(next((usual for usual in _USUAL if abs(seconds - usual) <= _NEAR * usual), round(seconds)))
