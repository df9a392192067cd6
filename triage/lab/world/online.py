"""What all models that answer requests have in common: traffic, replicas, queues, durations and failures by version."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from triage.lab.world.behaviour import Behaviour, Run
from triage.lab.world.draws import Source, Wander
from triage.lab.world.effects import Effects
from triage.lab.world.grid import DAY, HOUR, Floats, Window
from triage.lab.world.inputs import Inputs
from triage.lab.world.labels import LabelJob
from triage.lab.world.memory import UNSTRESSED, Memory, Stress, occupied
from triage.lab.world.plan import Plan, Traffic
from triage.lab.world.rows import Rows, Sheet

_DRAINING_SECONDS = 20.0
"""Connections follow a change of weights with this time constant."""
_WARMING_SECONDS = 120.0
_GONE = 1e-4
"""A share below it is no traffic."""
_NONE = np.zeros(1)


@dataclass(frozen=True, slots=True)
class Traits:
    """The usual load of a model and what it can bear."""

    per_second: float
    """Mean requests over a day."""
    amplitude: float
    """Swing over the day, share of the mean."""
    peak_hour: float
    """Hour of the day with most requests."""
    per_replica: float
    """Requests per second that one replica can answer."""
    median_seconds: float
    """Usual duration of an answer."""
    failing: float = 0.0005
    """Usual share of 500s."""
    rejected: float = 0.002
    """Usual share of requests that are the client's mistake (4xx)."""
    queue_seconds: float = 5.0
    """Requests that would wait longer are refused with 503."""
    memory_share: float = 0.62
    """Share of a pod's memory limit that is in use on a busy day."""


@dataclass(slots=True)
class _State:
    """What a version carries from window to window."""

    share: float | None = None
    since: float | None = None
    """When its traffic began, if that was seen."""
    backlog: float = 0.0
    """Requests in the queue."""
    seen: bool = False
    """Whether a window has gone by."""
    replicas: float = 0.0
    """Pods that were ready when it last had a weight."""
    stress: Stress = UNSTRESSED
    rows: Sequence[Rows] = ()

    def forget(self) -> None:
        """It has no traffic any more: what comes back later is new."""
        self.rows, self.since, self.backlog, self.stress = (), None, 0.0, UNSTRESSED


class Online(Behaviour):
    """A model that answers requests. Subclasses add its series in :meth:`show`."""

    traits: Traits
    label_job: LabelJob

    def __init__(self, plan: Plan, effects: Effects, inputs: Inputs, seed: int) -> None:
        super().__init__(plan, effects, inputs, seed)
        self._wander = Wander(seed, f"{plan.member.name}/traffic", 600.0)
        self._ripple = Wander(seed, f"{plan.member.name}/ripple", 60.0)
        self._states = {version: _State() for version in plan.member.versions}

    @abstractmethod
    def show(self, run: Run, source: Source) -> Sheet:
        """The series of one version."""

    def demand(self, times: Floats) -> Floats:
        """Requests per second that clients want to make and gateways let through."""
        traits = self.traits
        turn = 2 * math.pi * ((times + self.plan.zone) / DAY - traits.peak_hour * HOUR / DAY)
        usual = traits.per_second * (1 + traits.amplitude * np.cos(turn))
        swing = np.exp(0.05 * self._wander(times) + 0.03 * self._ripple(times))
        shed = self.effects.share("shed_load", times)
        return usual * swing * self.effects.multiplied("traffic", times) * (1 - shed)

    def swing(self, times: Floats, size: float, version: str) -> Floats:
        """A slow random swing around 0 with this standard deviation, for gauges: half of it common to all versions,
        since they answer the same requests, and half the version's own, since they do not answer the same ones."""
        own = 11 * DAY * (1 + self.member.versions.index(version))
        return size * math.sqrt(0.5) * (self._ripple(times + 7 * DAY) + self._ripple(times + 7 * DAY + own))

    def capacity(self, times: Floats, version: str) -> Floats:
        """Requests per second that one replica can answer now."""
        slow = self.effects.factor("latency", times, version)
        left = 1 - self.effects.share("gpu_contention", times)
        return self.traits.per_replica * left / slow ** 0.3

    def simulate(self, window: Window, traffic: Traffic, source: Source) -> list[Sheet]:
        demand = self.demand(window.times)
        self.runs = {}
        sheets = [sheet for index, version in enumerate(self.member.versions)
                  for sheet in self._version(version, window, traffic.shares[index], traffic.replicas[index], demand,
                                             source)]
        return sheets + self.label_job.simulate(window, self.demand, source)

    def _version(self, version: str, window: Window, share: Floats, replicas: Floats, demand: Floats,
                 source: Source) -> list[Sheet]:
        state = self._states[version]
        before = state.share
        actual = _settled(state, share, window.step)
        there = np.flatnonzero(actual > _GONE)
        if not len(there):
            was, state.seen = state.rows, True
            state.forget()
            return [Sheet(window.cut(0, 0), ended=was, ended_at=float(window.times[0]))] if was else []
        first, end = int(there[0]), int(there[-1]) + 1
        if first > 0 or (state.seen and (before or 0.0) <= _GONE):
            state.since = float(window.times[first])
        state.seen = True
        cut = window.cut(first, end)
        weighted = np.flatnonzero(share)
        if len(weighted):
            state.replicas = float(replicas[weighted[-1]])
        # What it still gets is what its pods had accepted before they were told to go.
        replicas = np.where(share > 0, replicas, np.maximum(replicas, state.replicas))
        run = self._run(version, cut, demand[first:end] * actual[first:end], replicas[first:end], source)
        self.runs[version] = run
        sheet = self.show(run, source)
        sheet.hidden, sheet.exporter = self.hidden(cut), True
        state.rows = sheet.rows
        if end < len(window):
            sheet.ended, sheet.ended_at = state.rows, float(window.times[end])
            state.forget()
        return [sheet]

    def _run(self, version: str, window: Window, rate: Floats, replicas: Floats, source: Source) -> Run:
        traits, times, effects, state = self.traits, window.times, self.effects, self._states[version]
        requests = source.events(f"{self.member.name}/{version}/requests", rate * window.step)
        each = self.capacity(times, version)
        memory = self._memory(state, version, window, rate / np.maximum(replicas * each, 1e-6), replicas)
        capacity = np.broadcast_to(np.maximum(replicas * each * memory.available, 1e-6), rate.shape)
        use = rate / capacity
        wait, refused = self._queue(state, rate, capacity, window.step)
        crowded = 1 + 0.6 * np.clip(use - 0.7, 0, 1) / np.maximum(1.08 - use, 0.08)
        slowdown = effects.factor("latency", times, version) * crowded * np.exp(0.03 * self._ripple(times + 30 * DAY))
        slowdown = slowdown / (1 - effects.share("gpu_contention", times))
        if state.since is not None:
            slowdown = slowdown * (1 + 0.9 * np.exp(-np.maximum(times - state.since, 0) / _WARMING_SECONDS))
        nan = effects.share("nan_outputs", times, version)
        failed = 1 - ((1 - traits.failing) * (1 - effects.share("errors", times, version)) * (1 - nan / 2)
                      * (1 - memory.lost))
        return Run(version, window, requests, rate, slowdown, wait, failed, refused, np.full(1, traits.rejected), nan,
                   replicas, use, memory)

    def _memory(self, state: _State, version: str, window: Window, use: Floats, replicas: Floats) -> Memory:
        need = (self.traits.memory_share * self.effects.factor("memory", window.times, version)
                * (0.75 + 0.25 * np.minimum(use, 1.2)))
        memory = occupied(need, window.step, state.stress, max(int(replicas[-1]), 1))
        state.stress = memory.after
        return memory

    def _queue(self, state: _State, rate: Floats, capacity: Floats, step: float) -> tuple[Floats, Floats]:
        """Seconds in the queue and the share that finds it full."""
        if state.backlog == 0 and np.all(rate <= capacity):
            return _NONE, _NONE
        wait, refused = np.zeros(len(rate)), np.zeros(len(rate))
        backlog = state.backlog
        limit = self.traits.queue_seconds
        for index, (arrives, leaves) in enumerate(zip(rate.tolist(), capacity.tolist(), strict=True)):
            backlog = max(backlog + (arrives - leaves) * step, 0.0)
            over = max(backlog - leaves * limit, 0.0)
            backlog -= over
            wait[index] = backlog / leaves
            refused[index] = min(over / max(arrives * step, 1e-9), 1.0)
        state.backlog = backlog
        return wait, refused

    def durations(self, run: Run) -> Floats:
        """Factor on the usual distribution of durations, with the time in the queue."""
        return run.slowdown + run.wait_seconds / self.traits.median_seconds

    @staticmethod
    def outcomes(run: Run) -> Floats:
        """Shares of 200, 4xx, 500 and 503, (4,) or (T, 4)."""
        refused, rejected, failed = np.broadcast_arrays(run.refused, run.rejected, run.failed)
        left = 1 - refused
        failing = left * failed
        client = np.minimum(left * rejected, left - failing)
        shares = np.stack([np.maximum(left - failing - client, 0.0), client, failing, refused], axis=1)
        return shares[0] if shares.shape[0] == 1 else shares


def _settled(state: _State, share: Floats, step: float) -> Floats:
    """Actual shares, (T,): they follow the weights as connections drain."""
    if state.share is None:
        state.share = float(share[0])
    if np.all(share == state.share):
        return share
    quick = 1 - math.exp(-step / _DRAINING_SECONDS)
    actual = np.empty(len(share))
    now = state.share
    for index, target in enumerate(share.tolist()):
        now += (target - now) * quick
        # Close is there: a tail of 1e-9 would be traffic for ever.
        now = target if abs(target - now) < _GONE else now
        actual[index] = now
    state.share = now
    return actual
