"""Tables: ages as kubectl writes them, and a pod's state in one word."""

from __future__ import annotations

import pytest

from tests.lab.cluster.ground import Ground
from triage.lab.apis.kubernetes_tables import human_duration, table
from triage.lab.cluster.resources import PODS


@pytest.mark.parametrize(("seconds", "text"), [
    (-3, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (303, "5m3s"), (600, "10m"), (1502, "25m"), (10_799, "179m"),
    (10_800, "3h"), (12_000, "3h20m"), (28_800, "8h"), (100_000, "27h"), (172_800, "2d"), (190_000, "2d4h"),
    (2_592_000, "30d"),
])
def test_an_age_has_the_units_that_matter(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


def test_a_pod_says_why_it_does_not_serve() -> None:
    ground = Ground().with_rollout(replicas=1)
    ground.cluster.break_image("fraud:8")
    ground.cluster.crash("ml", ground.cluster.pods("ml", "fraud")[0].name)
    ground.deploy("8")
    rows = table(PODS, ground.cluster.storage.all(PODS), 1, ground.cluster.time)["rows"]
    assert sorted(row["cells"][1:4] for row in rows) == [["0/1", "ImagePullBackOff", 0], ["1/1", "Running", 1]]
