"""What cAdvisor and kube-state-metrics say of the CPU of a model's pods: seconds used, quota periods, throttling."""

from __future__ import annotations

import numpy as np

from triage.lab.world.fleet import Member
from triage.lab.world.grid import Floats
from triage.lab.world.rows import Labels, Rows, Sheet, counter

_PERIODS_PER_SECOND = 10.0
"""The kernel's quota is counted in periods of 100 ms."""
_IDLE = 0.05
"""Of the limit, without any request."""
_BUSY = 0.7
"""Of the limit, at a load of the whole capacity; a model on GPUs leaves most of it."""
_BUSY_BESIDE_GPU = 0.25
_BURSTS_FROM = 0.8
"""Load from which bursts meet the quota in some of the periods."""


class CpuSeries:
    """Series by pod."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._rows: dict[str, tuple[Rows, Rows, Rows]] = {}

    def show(self, sheet: Sheet, own: Labels, number: int, use: Floats, up: Floats) -> None:
        """Note the CPU of one pod; ``use`` is the load over the capacity, 0 to 1 and more, ``up`` 1 where it runs."""
        window = sheet.window
        shiver = 1 + 0.04 * np.sin(window.times / 71.0 + 2.0 * number)
        busy = _BUSY_BESIDE_GPU if self._member.gpu else _BUSY
        wanted = (_IDLE + busy * np.minimum(use, 1.4)) * shiver
        bursts = np.zeros_like(wanted) if self._member.gpu else np.clip((use - _BURSTS_FROM) * shiver, 0.0, 0.6)
        seconds = np.minimum(wanted, 1.0) * self._member.cpu_limit * window.step * up
        periods = np.rint(_PERIODS_PER_SECOND * window.step * up)
        rows = self._rows.get(own["pod"]) or self._rows.setdefault(own["pod"], _new(own))
        for each, values in zip(rows, (seconds, periods, np.rint(periods * bursts)), strict=True):
            sheet.count(each, values)


def _new(own: Labels) -> tuple[Rows, Rows, Rows]:
    told = {**own, "job": "kubelet", "instance": "kubelet:10250"}
    return (counter("container_cpu_usage_seconds_total", "CPU time.", {**told, "cpu": "total"}),
            counter("container_cpu_cfs_periods_total", "Periods of the CPU quota.", told),
            counter("container_cpu_cfs_throttled_periods_total", "Periods in which it was throttled.", told))
