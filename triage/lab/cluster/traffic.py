"""Which version gets which part of a workload's requests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from triage.lab.cluster.objects import Json
from triage.lab.cluster.replicasets import available
from triage.lab.cluster.templates import ROLLOUT_HASH_LABEL, version_of

Split = dict[str, float]
"""Percent by version, without the versions that get nothing."""


def split_of(workload: Json, replica_sets: Sequence[Json]) -> Split:
    """The weights at the mesh where traffic is routed; otherwise every pod that serves gets the same share.

    Empty when no pod serves at all. A mesh sends requests by weight whether or not all pods of an arm serve.
    """
    serving = {id(each): available(each) for each in replica_sets}
    if not any(serving.values()):
        return {}
    weights = ((workload.get("status") or {}).get("canary") or {}).get("weights")
    split: defaultdict[str, float] = defaultdict(float)
    for each in replica_sets:
        version = version_of(each["spec"]["template"])
        if weights is None:
            split[version] += 100.0 * serving[id(each)] / sum(serving.values())
            continue
        for arm in ("stable", "canary"):
            if weights[arm]["podTemplateHash"] == each["metadata"]["labels"].get(ROLLOUT_HASH_LABEL):
                split[version] += weights[arm]["weight"]
    return {version: percent for version, percent in split.items() if percent > 0}
