"""Drift in JSON says what the screen says."""

from __future__ import annotations

import pytest

from tests.report.test_json import document


def test_a_row_of_drift_says_what_the_screen_says_of_the_arm_that_stands_worse() -> None:
    [model] = document("drift-apart")["models"]
    assert [(row["feature"], row["verdict"], row["n"], row["where"]) for row in model["drift"]] == [
        ("amount", "drift", 13_000.0, "only on canary v8, not on v7"),
        ("merchant_age", "stale", None, "canary v8 cannot be told: stale; all together ok"),
        ("basket", "insufficient", 83.3333, "canary v8 cannot be told: insufficient; all together ok")]
    [amount, *_] = model["drift"]
    assert amount["score"] == pytest.approx(amount["arms"][1]["score"], rel=1e-5)
    assert amount["score"] > amount["critical"]
    assert amount["sentence"] == amount["arms"][1]["sentence"]
    assert (model["drift_reading"]["verdict"], model["drift_reading"]["sentence"]) == (
        "drift", "1 drifting, 2 not known of 3 features")
