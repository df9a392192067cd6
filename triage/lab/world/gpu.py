"""What NVIDIA's exporter (DCGM), and Triton where it serves, say about the GPUs of a model's pods."""

from __future__ import annotations

import math
import zlib

import numpy as np

from triage.lab.world.effects import Effects
from triage.lab.world.fleet import Member
from triage.lab.world.grid import Floats
from triage.lab.world.rows import Rows, Sheet, gauge

_MIB = 2.0**20


class GpuSeries:
    """Series by pod. DCGM names the pod in ``pod``, so scraping keeps its own pod out of that label."""

    def __init__(self, member: Member, effects: Effects, *, memory_mib: float, used_share: float,
                 triton: bool = False) -> None:
        """``used_share``: of the GPU's memory on a busy day; ``triton``: its server exports GPU metrics too."""
        self._member = member
        self._effects = effects
        self._memory_mib = memory_mib
        self._used_share = used_share
        self._triton = triton
        self._rows: dict[str, list[Rows]] = {}

    def show(self, sheet: Sheet, pod: str, version: str, number: int, use: Floats) -> None:
        """Note the state of the GPU of one pod; ``use`` is the load over the capacity, 0 to 1 and more."""
        times = sheet.window.times
        taken = self._effects.share("gpu_contention", times)
        memory = self._effects.factor("memory", times)
        shiver = 3.0 * np.sin(2 * math.pi * times / 540.0 + number)
        busy = np.rint(np.clip(100 * (0.9 * np.minimum(use, 1.1) * (1 - taken) + taken) + shiver, 1, 100))
        usual = self._used_share * (0.97 + 0.03 * np.minimum(use, 1.0)) * memory ** 0.08
        used = np.rint(np.minimum(usual + 0.8 * taken * (1 - self._used_share), 0.998) * self._memory_mib)
        values = [busy, self._memory_mib - used, used, np.zeros(1)]
        if self._triton:
            values += [busy / 100, np.full(1, self._memory_mib * _MIB), used * _MIB]
        rows = self._rows.get(pod) or self._rows.setdefault(pod, self._new(pod, version))
        for each, value in zip(rows, values, strict=True):
            sheet.level(each, np.broadcast_to(value, times.shape))

    def _new(self, pod: str, version: str) -> list[Rows]:
        namespace, uuid = self._member.namespace, f"GPU-{hash_of(pod):08x}"
        dcgm = {"job": "dcgm-exporter", "instance": "dcgm-exporter:9400", "gpu": "0", "UUID": uuid,
                "modelName": "NVIDIA L40S", "pod": pod, "namespace": namespace}
        rows = [gauge("DCGM_FI_DEV_GPU_UTIL", "GPU utilization (percent).", dcgm),
                gauge("DCGM_FI_DEV_FB_FREE", "Free frame buffer (MiB).", dcgm),
                gauge("DCGM_FI_DEV_FB_USED", "Used frame buffer (MiB).", dcgm),
                gauge("DCGM_FI_DEV_XID_ERRORS", "The newest XID error.", dcgm)]
        if self._triton:
            name = self._member.name
            server = {"job": name, "instance": f"{name}-{version}:8002", "pod": pod, "gpu_uuid": uuid,
                      "namespace": namespace}
            rows += [gauge("nv_gpu_utilization", "GPU utilization, 1 is full.", server),
                     gauge("nv_gpu_memory_total_bytes", "GPU memory.", server),
                     gauge("nv_gpu_memory_used_bytes", "GPU memory in use.", server)]
        return rows


def hash_of(text: str) -> int:
    """A number of 32 bits for a text, the same in every process."""
    return zlib.crc32(text.encode())
