"""What Kubernetes' exporters say about a model's pods: CPU, memory, limits, restarts, why they ended; and its GPUs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from triage.lab.world.behaviour import Run
from triage.lab.world.cpu import CpuSeries
from triage.lab.world.fleet import Member
from triage.lab.world.gpu import GpuSeries
from triage.lab.world.grid import Floats, Window
from triage.lab.world.memory import DOWN_SHARE
from triage.lab.world.rows import Rows, Sheet, gauge


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod at a time."""

    name: str
    version: str
    created_at: float
    """Epoch seconds."""
    restarts: int = 0
    """As the cluster counts them, without the kills that these series count themselves."""


class PodSeries:
    """Series of the pods of one model. ``kills`` is who was killed for want of memory in the last window, and when."""

    def __init__(self, member: Member, gpu: GpuSeries | None) -> None:
        self._member = member
        self._gpu = gpu
        self._cpu = CpuSeries(member)
        self._rows: dict[str, tuple[Rows, Rows, Rows, Rows]] = {}
        self._shown: dict[str, list[Rows]] = {}
        self._killed: dict[str, float] = {}
        self.kills: list[tuple[float, str]] = []
        """(epoch seconds, name of the pod), in no order."""

    def simulate(self, window: Window, pods: Sequence[Pod], runs: dict[str, Run],
                 busy: Callable[[Window], Floats]) -> list[Sheet]:
        """Sheets of these pods, and the ends of those that are gone; ``busy`` is the load of those without requests."""
        self.kills = []
        sheets = []
        numbers: dict[str, int] = {}
        shown: dict[str, list[Rows]] = {}
        for pod in pods:
            number = numbers[pod.version] = numbers.get(pod.version, -1) + 1
            first = int(np.searchsorted(window.times, pod.created_at))
            if first < len(window):
                sheet = self._show(window.cut(first, len(window)), pod, number, runs.get(pod.version), busy)
                shown[pod.name] = sheet.rows
                sheets.append(sheet)
        for name, rows in self._shown.items():
            if name not in shown:
                sheets.append(Sheet(window.cut(0, 0), ended=rows, ended_at=float(window.times[0])))
        self._shown = shown
        self._killed = {name: count for name, count in self._killed.items() if name in shown}
        return sheets

    def _show(self, window: Window, pod: Pod, number: int, run: Run | None, busy: Callable[[Window], Floats]) -> Sheet:
        rows = self._rows.get(pod.name) or self._rows.setdefault(pod.name, self._new(pod.name))
        sheet = Sheet(window)
        share, killed, use = _state(window, number, run, busy)
        shiver = 1 + 0.01 * np.sin(window.times / 97.0 + number)
        sheet.level(rows[0], np.rint(np.minimum(share * shiver, 1.0) * self._member.memory_limit_bytes))
        sheet.level(rows[1], np.array([self._member.memory_limit_bytes, self._member.cpu_limit]))
        restarts = pod.restarts + self._killed.get(pod.name, 0.0) + killed.cumsum()
        if killed.any():
            self._killed[pod.name] = self._killed.get(pod.name, 0.0) + float(killed.sum())
            self.kills += [(at, pod.name) for at in window.times[killed > 0].tolist()]
        sheet.level(rows[2], restarts)
        if restarts.any():
            sheet.level(rows[3], (restarts > 0).astype(np.float64))
        self._cpu.show(sheet, self._own(pod.name), number, np.broadcast_to(use, window.times.shape),
                       (share > DOWN_SHARE).astype(np.float64))
        if self._gpu is not None:
            self._gpu.show(sheet, pod.name, pod.version, number, use)
        return sheet

    def _own(self, pod: str) -> dict[str, str]:
        return {"namespace": self._member.namespace, "pod": pod, "container": "server"}

    def _new(self, pod: str) -> tuple[Rows, Rows, Rows, Rows]:
        own = self._own(pod)
        state = {**own, "job": "kube-state-metrics", "instance": "kube-state-metrics:8080"}
        return (gauge("container_memory_working_set_bytes", "Memory in use.", {**own, "job": "kubelet",
                                                                                "instance": "kubelet:10250"}),
                gauge("kube_pod_container_resource_limits", "Limits.", state,
                      ({"resource": "memory", "unit": "byte"}, {"resource": "cpu", "unit": "core"})),
                gauge("kube_pod_container_status_restarts_total", "Restarts.", state),
                gauge("kube_pod_container_status_last_terminated_reason", "Why it last ended.",
                      {**state, "reason": "OOMKilled"}))


def _state(window: Window, number: int, run: Run | None,
           busy: Callable[[Window], Floats]) -> tuple[Floats, Floats, Floats]:
    """Share of the memory limit, 1 where it is killed, and load, (T,) each."""
    share, killed, use = np.full(len(window), 0.4), np.zeros(len(window)), busy(window)
    if run is not None:
        if len(window) == len(run.window) == 1:
            return (np.atleast_1d(run.memory.share(number)), np.atleast_1d(run.memory.kills(number)), run.use)
        # Runs may be shorter than the window: their version came or went within it.
        place = np.searchsorted(window.times, run.window.times)
        inside = (place < len(window)) & (run.window.times >= window.times[0])
        for target, values in ((share, run.memory.share(number)), (killed, run.memory.kills(number)), (use, run.use)):
            target[place[inside]] = np.broadcast_to(values, run.window.times.shape)[inside]
    return share, killed, use
