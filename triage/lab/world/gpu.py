"""What NVIDIA's exporter (DCGM) says about the GPUs of a model's pods."""

from __future__ import annotations

import math
import zlib

import numpy as np

from triage.lab.world.effects import Effects
from triage.lab.world.fleet import Member
from triage.lab.world.grid import Floats
from triage.lab.world.rows import Rows, Sheet, gauge


class GpuSeries:
    """Series by pod. The exporter names the pod in ``pod``, so scraping keeps its own pod out of that label."""

    def __init__(self, member: Member, effects: Effects, *, memory_mib: float, used_share: float) -> None:
        self._member = member
        self._effects = effects
        self._memory_mib = memory_mib
        self._used_share = used_share
        self._rows: dict[str, tuple[Rows, Rows, Rows, Rows]] = {}

    def show(self, sheet: Sheet, pod: str, number: int, use: Floats) -> None:
        """Note the state of the GPU of one pod; ``use`` is the load over the capacity, 0 to 1 and more."""
        rows = self._rows.get(pod)
        if rows is None:
            labels = {"job": "dcgm-exporter", "instance": "dcgm-exporter:9400", "gpu": "0",
                      "UUID": f"GPU-{hash_of(pod):08x}", "modelName": "NVIDIA L40S", "pod": pod,
                      "namespace": self._member.namespace}
            rows = self._rows[pod] = (
                gauge("DCGM_FI_DEV_GPU_UTIL", "GPU utilization (percent).", labels),
                gauge("DCGM_FI_DEV_FB_FREE", "Free frame buffer (MiB).", labels),
                gauge("DCGM_FI_DEV_FB_USED", "Used frame buffer (MiB).", labels),
                gauge("DCGM_FI_DEV_XID_ERRORS", "The newest XID error.", labels))
        times = sheet.window.times
        taken = self._effects.share("gpu_contention", times)
        memory = self._effects.factor("memory", times)
        shiver = 3.0 * np.sin(2 * math.pi * times / 540.0 + number)
        busy = np.clip(100 * (0.9 * np.minimum(use, 1.1) * (1 - taken) + taken) + shiver, 1, 100)
        used = np.minimum(self._used_share * (0.97 + 0.03 * np.minimum(use, 1.0)) * memory ** 0.08 + 0.8 * taken * (
            1 - self._used_share), 0.998)
        sheet.level(rows[0], np.rint(np.broadcast_to(busy, times.shape)))
        sheet.level(rows[1], np.rint(np.broadcast_to((1 - used) * self._memory_mib, times.shape)))
        sheet.level(rows[2], np.rint(np.broadcast_to(used * self._memory_mib, times.shape)))
        sheet.level(rows[3], 0.0)


def hash_of(text: str) -> int:
    """A number for a name, the same in every process."""
    return zlib.crc32(text.encode())
