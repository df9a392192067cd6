"""Which version gets which part of a workload's requests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from triage.lab.cluster.objects import Json
from triage.lab.cluster.replicasets import available
from triage.lab.cluster.templates import ROLLOUT_HASH_LABEL, version_of

Split = dict[str, float]
"""Percent by version, without the versions that get nothing."""


def split_of(workloads: Sequence[tuple[Json, Sequence[Json]]]) -> Split:
    """The split over workloads, each with its ReplicaSets: between them, and inside them where no mesh has weights,
    every pod that serves gets the same share.

    Empty when no pod serves at all. A mesh sends requests by weight whether or not all pods of an arm serve.
    """
    total = sum(available(each) for _, sets in workloads for each in sets)
    split: defaultdict[str, float] = defaultdict(float)
    for workload, sets in workloads:
        serving = sum(map(available, sets))
        weights = ((workload.get("status") or {}).get("canary") or {}).get("weights")
        for each in sets if serving else ():
            inside = available(each) / serving if weights is None else _routed(weights, each)
            split[version_of(each["spec"]["template"])] += 100.0 * inside * serving / total
    return {version: percent for version, percent in split.items() if percent > 0}


def _routed(weights: Json, replica_set: Json) -> float:
    """Part of a mesh's requests (0 to 1) that goes to this set."""
    own = replica_set["metadata"]["labels"].get(ROLLOUT_HASH_LABEL)
    mine = [weights[arm]["weight"] for arm in ("stable", "canary") if weights[arm]["podTemplateHash"] == own]
    return float(sum(mine)) / 100
