"""What scoring the drift of many features costs."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tests.bench.conftest import Figure
from tests.signals.drifting import COUNTS, NOW, buckets, numeric
from triage.signals.drift import drift_state, seen_by_feature
from triage.signals.drift_model import Around, Seen
from triage.signals.drift_verdicts import JUDGED

pytestmark = pytest.mark.bench
FEATURES = 200


def test_scoring_two_hundred_features(figure: Figure) -> None:
    shares = np.array(COUNTS) / sum(COUNTS)
    drawn = np.random.default_rng(1).multinomial(5000, shares, size=FEATURES).astype(float).tolist()
    items = [numeric(f"f{i}") for i in range(FEATURES)]
    samples = [s for i, counts in enumerate(drawn) for s in buckets(counts, feature=f"f{i}")]
    costs = []
    for _ in range(30):
        began = time.process_time()
        seen = seen_by_feature(samples, "feature", Seen(newest_at=NOW))
        state = drift_state(items, {(name, False): one for name, one in seen.items()}, Around(NOW))
        costs.append(time.process_time() - began)
    assert len(state.features) == FEATURES
    assert all(f.verdict in JUDGED for f in state.features)
    costs.sort()
    figure(f"drift of {FEATURES} features with 10 bins, CPU, median of 30", f"{costs[15] * 1000:.1f} ms")
    figure(f"drift of {FEATURES} features with 10 bins, CPU, fastest", f"{costs[0] * 1000:.1f} ms")
