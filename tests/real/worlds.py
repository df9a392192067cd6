"""What the stage and the tests let the servers see, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from tests.real import chat, churn, fraud, known, rules
from tests.real.truth import Line, Target


@dataclass(frozen=True, slots=True)
class World:
    """Everything to be scraped, what rules have recorded before, and the rules from now on."""

    targets: tuple[Target, ...]
    recorded: tuple[Line, ...] = ()
    """Series of recording rules, for the history."""
    groups: Mapping[str, Iterable[rules.Rule]] = field(default_factory=dict)


def _known() -> World:
    return World(known.targets(), groups={"known": rules.KNOWN_ALERTS})


def _examples(state: fraud.State) -> World:
    fraud_requests = 'fraud_requests_total{model="fraud-scorer"}'
    recording = (*rules.sloth("fraud-scorer", "success", 'fraud_requests_total{model="fraud-scorer",code=~"5.."}',
                              fraud_requests, ("1d", "3d", "30d")),
                 *rules.pyrra("success", "http_requests_total", 'status="5xx"', {"model_name": "chat-assistant"},
                              ("1d", "4d")))
    return World(fraud.targets(state) + churn.targets() + chat.targets(),
                 (*fraud.recorded(state), *chat.recorded()),
                 {"examples": rules.EXAMPLE_ALERTS, "record examples": recording})


def _both(state: fraud.State) -> World:
    first, second = _examples(state), _known()
    return World(first.targets + second.targets, first.recorded + second.recorded, {**first.groups, **second.groups})


WORLDS: Mapping[str, Callable[[], World]] = {
    "known": _known,
    "healthy": lambda: _examples("healthy"),
    "failing": lambda: _examples("failing"),
    "healthy+known": lambda: _both("healthy"),
    "failing+known": lambda: _both("failing"),
}
