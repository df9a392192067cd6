"""What scoring the drift of many features costs, from the answers of a server to the verdicts."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import yaml

from tests.bench.conftest import Figure
from tests.signals.building import SUCCESS, notebook
from tests.signals.drifting import COUNTS, EDGES, NOW, buckets
from triage.facts.replies import Part, Question
from triage.facts.samples import Sample
from triage.live.drift import DRIFT, scored, watching
from triage.signals.drift_verdicts import JUDGED

pytestmark = pytest.mark.bench
FEATURES = 200
HOUR = 3600.0


def promised() -> str:
    reference = {"edges": list(EDGES), "counts": list(COUNTS)}
    features = [{"name": f"f{i}", "histogram": "value", "reference": reference} for i in range(FEATURES)]
    return f"drift: {yaml.safe_dump({'features': features}, default_flow_style=True, width=10 ** 9)}"


def answered(versions: Sequence[str]) -> Mapping[Question, Sequence[Sample]]:
    """What the questions by feature and version found; the other parts one number for each."""
    rng, shares = np.random.default_rng(1), np.array(COUNTS) / sum(COUNTS)
    one = [{"feature": f"f{i}", "model_version": version} for i in range(FEATURES) for version in versions]
    grown = [sample for labels in one
             for sample in buckets(rng.multinomial(5000, shares).astype(float).tolist(), EDGES, **labels)]
    numbers = {Part.SAMPLED_AT: NOW, Part.RESETS: 0.0, Part.SERIES: 1.0, Part.VALUE_SUM: 1.0}
    found = {Question(DRIFT, 0, part, HOUR): [Sample(labels, value, NOW) for labels in one]
             for part, value in numbers.items()}
    return {Question(DRIFT, 0, Part.BUCKETS, HOUR): grown, **found}


@pytest.mark.parametrize("versions", [("7",), ("7", "8")], ids=["one version", "two versions"])
def test_scoring_two_hundred_features(figure: Figure, versions: tuple[str, ...]) -> None:
    of = watching(notebook(SUCCESS, more=promised()))
    assert of is not None
    found, costs = answered(versions), []
    for _ in range(30):
        began = time.process_time()
        reading = scored(of, found, (), NOW, 180.0)
        costs.append(time.process_time() - began)
    assert reading.state is not None
    assert [len(state.features) for _, state in reading.by_version] == [FEATURES] * (len(versions) - 1) * 2
    assert len(reading.state.features) == FEATURES
    assert all(f.verdict in JUDGED for f in reading.state.features)
    costs.sort()
    what = f"drift of {FEATURES} features with 10 bins, of {len(versions)} version{'s' * (len(versions) > 1)}, CPU"
    figure(f"{what}, median of 30", f"{costs[15] * 1000:.1f} ms")
    figure(f"{what}, fastest", f"{costs[0] * 1000:.1f} ms")
