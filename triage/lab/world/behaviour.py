"""What the simulation asks of a model, whatever its kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from triage.lab.world.draws import Source
from triage.lab.world.effects import Effects
from triage.lab.world.gpu import GpuSeries
from triage.lab.world.grid import Floats, Window
from triage.lab.world.inputs import Inputs
from triage.lab.world.memory import Memory
from triage.lab.world.plan import Plan, Traffic
from triage.lab.world.rows import Sheet


@dataclass(slots=True)
class Run:
    """One version at work in a window. Arrays are (T,), or (1,) where nothing changes."""

    version: str
    window: Window
    requests: Floats
    """Whole numbers of each step."""
    rate: Floats
    """Requests per second that are expected."""
    slowdown: Floats
    """Factor on usual durations, from faults, load and warming up."""
    wait_seconds: Floats
    """Time in the queue."""
    failed: Floats
    """Share of 500s."""
    refused: Floats
    """Share of 503s."""
    rejected: Floats
    """Share of 4xx."""
    nan: Floats
    """Share of outputs that are no numbers."""
    replicas: Floats
    """Pods that are ready, killed ones included."""
    use: Floats
    """Requests over capacity; above 1 they queue."""
    memory: Memory
    """Of its pods."""


class Behaviour(ABC):
    """One model. It is asked for its windows in the order of time and keeps what flows from one into the next."""

    def __init__(self, plan: Plan, effects: Effects, inputs: Inputs, seed: int) -> None:
        self.plan = plan
        self.member = plan.member
        self.effects = effects
        self.inputs = inputs
        self.seed = seed
        self.runs: dict[str, Run] = {}
        """By version, of the last window; {} for a model that answers no requests."""
        self.gpu: GpuSeries | None = None

    @abstractmethod
    def simulate(self, window: Window, traffic: Traffic, source: Source) -> list[Sheet]:
        """What all exporters of the model show."""

    def busy(self, window: Window) -> Floats:
        """Load of a pod that answers no requests, (T,): it idles."""
        return np.zeros(len(window))

    def hidden(self, window: Window) -> Floats | None:
        """Where the exporters do not answer; None when they always do."""
        return self.effects.share("down", window.times) if self.effects.of("down") else None
