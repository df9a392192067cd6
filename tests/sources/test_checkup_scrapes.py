"""``triage doctor`` notices a manifest that promises more scrapes than there are, from the samples themselves."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.signals.building import SUCCESS, notebook
from triage.facts.outcome import Failure, FailureKind
from triage.facts.samples import Answer, Sample
from triage.notebook.load import Notebook
from triage.sources.checkup import Capability
from triage.sources.checkup_scrapes import scrape_intervals

GONE = Failure(FailureKind.TIMEOUT, "no answer in 5 s", "look at its load")


def book(name: str, promised: float = 15.0) -> Notebook:
    found = notebook(SUCCESS)
    metrics = found.manifest.spec.metrics.model_copy(update={"scrape_interval": promised, "selector": {"model": name}})
    manifest = found.manifest.model_copy(update={
        "metadata": found.manifest.metadata.model_copy(update={"name": name}),
        "spec": found.manifest.spec.model_copy(update={"metrics": metrics})})
    return replace(found, path=Path("books") / name, manifest=manifest)


def found(counts: Mapping[str, float | None], promised: float = 15.0, asked: list[str] | None = None,
          refused: str = "") -> Capability | None:
    """What is said where each model had so many samples in ten minutes; None: no series of it."""
    async def query(expression: str) -> Answer | Failure:
        if asked is not None:
            asked.append(expression)
        if refused and refused in expression:
            return GONE
        places = re.findall(r'model="([^"]+)"\}\[10m\].*?"triage_model", "(\d+)"', expression)
        return Answer(0.0, tuple(Sample({"triage_model": place}, float(count), 0.0) for name, place in places
                                 if (count := counts[name]) is not None))

    return asyncio.run(scrape_intervals(query, [book(name, promised) for name in counts]))


@pytest.mark.parametrize(("samples", "promised", "said"), [
    (40, 15, ""), (41, 15, ""), (60, 15, ""), (30, 15, ""), (20, 15, "30s"), (21, 15, "30s"), (10, 15, "1m"),
    (11, 15, "1m"), (40, 5, "15s"), (2, 60, "5m"), (40, 30, ""), (10, 60, ""), (17, 15, "35s")])
def test_a_model_that_is_sampled_less_often_than_promised_is_named(samples: int, promised: float, said: str) -> None:
    told = found({"fraud": samples}, promised)
    assert told is not None
    assert told.state == ("missing" if said else "ok")
    assert not told.required
    if said:
        assert f"fraud every {said}, its manifest says" in told.detail
        assert f"scrape_interval: {said} under spec.metrics in books/fraud/manifest.yaml" in told.fix


@given(st.floats(1, 120), st.floats(0.2, 1.1))
def test_who_keeps_the_promise_is_never_warned(promised: float, part: float) -> None:
    real = promised * part
    for samples in (int(600 / real), int(600 / real) + 1):
        told = found({"fraud": samples}, promised)
        assert told is not None
        assert told.state == "ok"


@pytest.mark.parametrize("samples", [None, 0.0, 1.0, float("nan"), float("inf"), -3.0])
def test_what_has_no_samples_of_ten_minutes_is_not_judged(samples: float | None) -> None:
    told = found({"fraud": samples})
    assert told is not None
    assert (told.state, told.detail) == ("ok", "no model has samples of ten minutes yet")


def test_a_server_that_cannot_say_leaves_it_unknown_and_says_why() -> None:
    told = found({"fraud": 40}, refused="fraud")
    assert told is not None
    assert (told.state, told.fix) == ("unknown", "look at its load")
    assert "no answer in 5 s" in told.detail


def test_many_models_are_asked_about_in_few_queries_and_the_first_slow_ones_are_named() -> None:
    asked: list[str] = []
    told = found({f"m{n}": 20 if n % 10 == 7 else 40 for n in range(100)}, asked=asked)
    assert told is not None
    assert len(asked) == 3
    assert [name for name in ("m7 ", "m17 ", "m27 ", "m37 ") if f"{name}every 30s" in told.detail] == [
        "m7 ", "m17 ", "m27 "]
    assert "; 7 more;" in told.detail
    assert told.fix.startswith("write scrape_interval: 30s under spec.metrics in books/m7/manifest.yaml, and so in")


def test_without_models_nothing_is_asked() -> None:
    asked: list[str] = []
    assert found({}, asked=asked) is None
    assert asked == []
