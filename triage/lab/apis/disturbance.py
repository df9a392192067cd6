"""How a scenario makes Prometheus answer badly: late, in part, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from triage.lab.promql.matching import Matcher
from triage.lab.promql.parsing import parse_selector
from triage.lab.promql.store import Column, Store


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What is wrong with a Prometheus just now; the default is nothing.

    Raises QueryError when one of ``lost`` is no series selector.
    """

    warnings: tuple[str, ...] = ()
    """Said with every answer to a query: what a server says whose answer is partial."""
    lost: tuple[str, ...] = ()
    """Selectors of series that are missing from every answer, as those of a store that does not answer are."""
    delay_seconds: float = 0.0
    """How much later than it could each question about series is answered, in seconds of the machine's clock."""
    unavailable: bool = False
    """Every request but ``/-/healthy`` is answered 503, as by a server that starts."""
    _lost: tuple[tuple[Matcher, ...], ...] = field(init=False, repr=False, default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "_lost", tuple(tuple(parse_selector(text)) for text in self.lost))

    def loses(self, labels: Sequence[tuple[str, str]]) -> bool:
        """Whether a series with these labels is missing."""
        own = dict(labels)
        return any(all(matcher.matches(own.get(matcher.name, "")) for matcher in matchers) for matchers in self._lost)


@dataclass(slots=True)
class Disturbances:
    """The disturbance in force; whoever plays the scenario puts another one in place."""

    current: Disturbance = field(default_factory=Disturbance)


class PartialStore(Store):
    """A store without the series that a disturbance loses. It only reads."""

    def __init__(self, whole: Store, disturbance: Disturbance) -> None:
        super().__init__()
        self._whole = whole
        self._disturbance = disturbance

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Column]:
        return [column for column in self._whole.select(matchers, start_ms, end_ms)
                if not self._disturbance.loses(column.key)]

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[dict[str, str]]:
        return [labels for labels in self._whole.series(matchers, start_ms, end_ms)
                if not self._disturbance.loses(tuple(labels.items()))]

    def label_names(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        return sorted({name for labels in self.series(matchers, start_ms, end_ms) for name in labels})

    def label_values(self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        return sorted({labels[name] for labels in self.series(matchers, start_ms, end_ms) if name in labels})
