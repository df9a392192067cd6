"""CPU, memory and bytes of the program over a run at one refresh a second; ``TRIAGE_SOAK_SECONDS`` sets how long."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.bench.conftest import Figure
from tests.real.stage import Stage
from tests.tui.terminal import Terminal

SECONDS = float(os.environ.get("TRIAGE_SOAK_SECONDS", "20"))
_TICKS = os.sysconf("SC_CLK_TCK")

pytestmark = pytest.mark.bench


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_mebibytes(pid: int) -> float:
    [line] = [text for text in Path(f"/proc/{pid}/status").read_text().splitlines() if text.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def test_cpu_and_memory_stay_small(bench_stage: Stage, figure: Figure) -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip(reason="needs /proc")
    own = {"TRIAGE_CONFIG": str(bench_stage.config)}
    with Terminal("fraud-scorer", "--interval", "1s", module="triage", environment=own) as terminal:
        terminal.read_until(b"FAIL, page")
        terminal.read_for(5.0)
        began, cpu, received = time.monotonic(), cpu_seconds(terminal.pid), len(terminal.received)
        memory = [memory_mebibytes(terminal.pid)]
        for _ in range(4):
            terminal.read_for(SECONDS / 4)
            memory.append(memory_mebibytes(terminal.pid))
        passed = time.monotonic() - began
        used = cpu_seconds(terminal.pid) - cpu
        sent = len(terminal.received) - received
        largest = max(size for at, size in terminal.chunks if at > terminal.chunks[0][0] + 5)
        assert "fraud-scorer" in terminal.screen()
        terminal.press("q")
        assert terminal.exit_within(5.0) is not None
    figure(f"soak of {passed:.0f} s at 1 s: CPU", f"{used / passed * 100:.1f} % of one core")
    figure("soak: resident memory, by quarter", ", ".join(f"{m:.1f}" for m in memory) + " MiB")
    figure("soak: bytes on the terminal", f"{sent / passed:.0f} B/s, largest read {largest}")
