"""Which samples of one answer belong to which model's question; found once, while the same series come in one order.

A refresh of a thousand models brings fifty thousand samples, and nearly always the same labels as the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from operator import is_, itemgetter
from typing import TypeVar

from triage.facts.samples import Labels, Sample, Series
from triage.live.channel import ADDRESS
from triage.live.fleet_sharing import Shared

Place = tuple[int, int]
"""Which of the questions, and which of its branches."""
_Item = TypeVar("_Item", Sample, Series)
_Pick = Callable[[Sequence[Sample]], tuple[Sample, ...]]
_labels = itemgetter(Sample._fields.index("labels"))


def placed(items: Sequence[_Item], addresses: Mapping[str, Place]) -> dict[Place, list[_Item]]:
    """The items by what they answer; what answers nothing is left out."""
    found: dict[Place, list[_Item]] = {}
    # Servers answer the parts of a query one after the other.
    before: str | None = None
    own: list[_Item] | None = None
    for item in items:
        address = item.labels.get(ADDRESS, "")
        if address != before:
            before, place = address, addresses.get(address)
            own = None if place is None else found.setdefault(place, [])
        if own is not None:
            own.append(item)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """How an answer of samples with these labels is told apart."""

    labels: tuple[Labels, ...]
    """Of every sample, in the order of the answer."""
    _addresses: Mapping[str, Place]
    _picks: Mapping[str, Sequence[tuple[Hashable, _Pick]]]
    """By model, what answers each of its questions."""
    _combined: Sequence[tuple[Shared[Hashable], Sequence[_Pick]]]
    """Questions whose samples become one, which depends on their values; by branch."""

    @classmethod
    def of(cls, asked: Sequence[Shared[Hashable]], addresses: Mapping[str, Place], samples: Sequence[Sample]) -> Order:
        """The order of the samples that answer ``asked``."""
        # Samples that hold their own places are told apart as any others.
        by_place = placed([Sample(sample.labels, number, 0.0) for number, sample in enumerate(samples)], addresses)
        picks: dict[str, list[tuple[Hashable, _Pick]]] = {name: [] for shared in asked for name in shared.members}
        combined = []
        for number, shared in enumerate(asked):
            found = [by_place.get((number, branch), []) for branch in range(shared.parts)]
            if any(branch.combined_by for branch in shared.branches):
                combined.append((shared, [_pick(items) for items in found]))
                continue
            for name, items in shared.told_apart(found).items():
                if items:
                    picks[name].append((shared.address, _pick(items)))
        return cls(tuple([sample.labels for sample in samples]), addresses, picks, combined)

    def holds(self, addresses: Mapping[str, Place], samples: Sequence[Sample]) -> bool:
        """Whether samples have the labels that these had: the very same objects, in the same places."""
        return (addresses is self._addresses and len(samples) == len(self.labels)
                and all(map(is_, self.labels, map(_labels, samples))))

    def read(self, samples: Sequence[Sample]) -> dict[str, dict[Hashable, Sequence[Sample]]]:
        """By model, what answers each of its questions; nothing of those that nothing answers."""
        out: dict[str, dict[Hashable, Sequence[Sample]]] = {
            name: {question: pick(samples) for question, pick in own} for name, own in self._picks.items()}
        for shared, branches in self._combined:
            for name, items in shared.told_apart([pick(samples) for pick in branches]).items():
                if items:
                    out[name][shared.address] = items
        return out


def _pick(items: Sequence[Sample]) -> _Pick:
    places = [int(item.value) for item in items]
    first = places[0] if places else 0
    if places == list(range(first, first + len(places))):
        return itemgetter(slice(first, first + len(places)))
    return itemgetter(*places)
