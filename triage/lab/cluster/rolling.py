"""How many pods each ReplicaSet may have next while a workload moves from one template to another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One ReplicaSet of a workload: pods it shall have, pods that serve, and pods it is meant to end with."""

    replicas: int
    available: int
    target: int


def bound(value: int | str, replicas: int, *, up: bool) -> int:
    """``maxSurge`` (rounded up) or ``maxUnavailable`` (rounded down): a count, or a percentage of ``replicas``."""
    if isinstance(value, int):
        return value
    share = replicas * int(value.removesuffix("%")) / 100
    return math.ceil(share) if up else math.floor(share)


def bounds(strategy: dict[str, object], replicas: int) -> tuple[int, int]:
    """(``maxSurge``, ``maxUnavailable``) in pods; by default 25 % each, and never both 0."""
    surge = bound(_count(strategy.get("maxSurge", "25%")), replicas, up=True)
    unavailable = bound(_count(strategy.get("maxUnavailable", "25%")), replicas, up=False)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def _count(value: object) -> int | str:
    return value if isinstance(value, int | str) else "25%"


def next_counts(parts: Sequence[Part], replicas: int, surge: int, unavailable: int) -> list[int]:
    """Pods that each of ``parts`` shall have now, in their order, which is also the order in which they may grow.

    At most ``surge`` pods more than wanted exist, and at least ``replicas - unavailable`` serve; pods that do not serve
    may always go. Repeated as pods become ready, this ends at the targets unless pods stay unready.
    """
    wanted = max(replicas, sum(part.target for part in parts))
    room = wanted + surge - sum(part.replicas for part in parts)
    counts = []
    for part in parts:
        growth = max(min(part.target - part.replicas, room), 0)
        room -= growth
        counts.append(part.replicas + growth)
    spare = max(sum(part.available for part in parts) - (replicas - unavailable), 0)
    for place, part in reversed(list(enumerate(parts))):
        unready = max(part.replicas - part.available, 0)
        shrink = max(min(part.replicas - part.target, unready + spare), 0)
        spare -= max(shrink - unready, 0)
        counts[place] -= shrink
    return counts


def split_by_weight(replicas: int, weight: int, surge: int) -> tuple[int, int]:
    """(canary, stable) pods that come nearest to ``weight`` percent, each at least one between 0 and 100 percent.

    One pod above ``replicas`` is used where ``surge`` allows it and it comes nearer; with one replica and no surge
    there is no room for both, and the weight decides.
    """
    if weight <= 0 or weight >= 100 or replicas == 0:
        return (replicas, 0) if weight >= 100 else (0, replicas)
    candidates = [(canary, total - canary) for total in (replicas, replicas + min(surge, 1))
                  for canary in range(1, total)]
    if not candidates:
        return (replicas, 0) if weight >= 50 else (0, replicas)
    return min(candidates, key=lambda pair: (abs(pair[0] / sum(pair) - weight / 100), sum(pair)))
