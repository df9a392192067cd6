"""What people let pipelines do for them, beside the cluster and the registry: refuse load, fill a feature view anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from triage.lab.clock import Clock
from triage.lab.world.effects import Effects
from triage.lab.world.fleet import FLEET
from triage.lab.world.scenario import Fault

MATERIALIZING_SECONDS = 95.0
_SHEDDING_SECONDS = 10.0
"""Until every gateway has heard of it."""
_MOST_SHED = 0.95
_MOST_RUNS = 1000


class PipelineError(Exception):
    """Nothing was started; the message says why."""


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """One run. Times are epoch seconds."""

    number: int
    action: str
    model: str
    parameters: Mapping[str, object]
    started_at: float
    ends_at: float
    """When what it does has been done."""


class Pipelines:
    """Starts runs. ``effects`` are the models' faults by name; what a run does becomes one of them, or ends one."""

    def __init__(self, clock: Clock, effects: Mapping[str, Effects], opening: float) -> None:
        self.runs: list[PipelineRun] = []
        """Oldest first."""
        self._clock = clock
        self._effects = effects
        self._opening = opening
        self._by_key: dict[str, PipelineRun] = {}

    def start(self, action: str, model: str, parameters: Mapping[str, object], key: str = "") -> PipelineRun:
        """Start ``action`` for ``model``, or give the run that the same ``key`` has started before ("" is no key).

        ``shed-load`` takes ``share``, the part of the requests that gateways refuse before the model sees them (0 ends
        it); ``rematerialize`` fills the model's feature views and lets their job go on. Raises :class:`PipelineError`.
        """
        known = self._by_key.get(key) if key else None
        if known is not None:
            if (known.action, known.model, known.parameters) != (action, model, parameters):
                raise PipelineError(f"the idempotency key belongs to run {known.number}, which is another one")
            return known
        if action not in _ACTIONS:
            raise PipelineError(f"there is no pipeline {action}; there are: {', '.join(_ACTIONS)}")
        if model not in FLEET:
            raise PipelineError(f"there is no model {model}; there are: {', '.join(FLEET)}")
        if len(self.runs) >= _MOST_RUNS:
            raise PipelineError(f"the lab keeps {_MOST_RUNS} runs and starts no more")
        now = self._clock.now()
        ends_at = _ACTIONS[action](self, model, parameters, now)
        run = PipelineRun(len(self.runs) + 1, action, model, MappingProxyType(dict(parameters)), now, ends_at)
        self.runs.append(run)
        if key:
            self._by_key[key] = run
        return run

    def _shed_load(self, model: str, parameters: Mapping[str, object], now: float) -> float:
        share = parameters.get("share")
        if set(parameters) != {"share"} or isinstance(share, bool) or not isinstance(share, int | float) or not (
                0 <= share <= _MOST_SHED):
            raise PipelineError(f"shed-load takes a share from 0 to {_MOST_SHED}, and nothing else")
        at = now + _SHEDDING_SECONDS
        effects = self._effects[model]
        effects.end("shed_load", at)
        if share:
            effects.begin(Fault("shed_load", model, float(share), at - self._opening))
        return at

    def _rematerialize(self, model: str, parameters: Mapping[str, object], now: float) -> float:
        if parameters:
            raise PipelineError("rematerialize takes no parameters")
        if not FLEET[model].stores:
            raise PipelineError(f"{model} reads no feature view")
        at = now + MATERIALIZING_SECONDS
        effects = self._effects[model]
        effects.end("stale_features", at)
        # A view that was in order is filled once more, too.
        effects.begin(Fault("stale_features", model, 0.0, at - self._opening, end=at - self._opening))
        return at


_ACTIONS: Mapping[str, Callable[[Pipelines, str, Mapping[str, object], float], float]] = MappingProxyType({
    "shed-load": Pipelines._shed_load, "rematerialize": Pipelines._rematerialize})
