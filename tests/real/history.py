"""The past of the targets, written as blocks of a Prometheus database by ``promtool``.

The same formulas as the exporter's, from 30 days ago until the epoch, so that windows of up to 30 days have an answer
from the first moment and live scraping continues the same series.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tests.real.servers import ServerFailed, binary
from tests.real.truth import DAY, HOUR, Array, Line, Target, gauge


@dataclass(frozen=True, slots=True)
class Grid:
    """When the past was scraped: (seconds ago until which, step in seconds), from old to new."""

    span: float
    steps: tuple[tuple[float, float], ...]

    def times(self) -> Array:
        """Seconds relative to the epoch, ascending, the last one is 0."""
        parts: list[Array] = []
        start = self.span
        for until, step in self.steps:
            parts.append(-np.arange(start, until, -step, dtype=np.float64))
            start = until
        return np.append(np.concatenate(parts), 0.0)


MONTH = Grid(30 * DAY + HOUR, ((7 * DAY, 600.0), (2 * DAY, 300.0), (2 * HOUR, 60.0), (0.0, 15.0)))
"""Coarse where only long windows look, fine where charts and trials do, also where a trial asks what was before it; an
hour more than 30 days, for windows that end in it."""


def openmetrics(targets: Iterable[Target], epoch: float, grid: Grid, recorded: Iterable[Line] = ()) -> Iterator[str]:
    """The history as OpenMetrics text, one series after the other.

    ``recorded`` are series that rules make: they carry no ``job`` and ``instance``.
    """
    times = grid.times()
    for target in targets:
        scraped = {"job": target.job, "instance": target.instance}
        until = min(target.up_until, 0.0)
        for line in target.lines:
            yield _one(line, scraped, times[(times >= line.begin) & (times <= min(line.end, until))], epoch)
        yield _one(_up(target), scraped, times, epoch)
    for line in recorded:
        yield _one(line, {}, times[(times >= line.begin) & (times <= line.end)], epoch)
    yield "# EOF\n"


def _up(target: Target) -> Line:
    return gauge("up", {}, lambda at: np.where(at <= target.up_until, 1.0, 0.0))


def _one(line: Line, scraped: dict[str, str], times: Array, epoch: float) -> str:
    if not len(times):
        return ""
    key = replace(line, labels={**line.labels, **scraped}).key()
    values = (line.value(times) + (epoch if line.unix_time else 0.0)).tolist()
    stamps = (times + epoch).tolist()
    return "".join([f"{key} {_number(v)} {t:.3f}\n" for v, t in zip(values, stamps, strict=True)])


def _number(value: float) -> str:
    text = repr(value)
    return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}.get(text, text)


def write_blocks(folder: Path, targets: Iterable[Target], epoch: float, grid: Grid = MONTH,
                 recorded: Iterable[Line] = ()) -> Path:
    """Write the history into ``folder`` and return the database directory to start Prometheus with.

    Raises :class:`~tests.real.servers.ServerMissing` without ``promtool``.
    """
    promtool = binary("promtool")
    text = folder / "history.om"
    with text.open("w", encoding="utf-8") as stream:
        stream.writelines(openmetrics(targets, epoch, grid, recorded))
    database = folder / "tsdb"
    # promtool reads the whole text once for each block: few long blocks instead of 360 of two hours.
    done = subprocess.run([promtool, "tsdb", "create-blocks-from", "openmetrics", "--quiet",
                           "--max-block-duration=1458h", str(text), str(database)],
                          capture_output=True, text=True, check=False)
    text.unlink()
    if done.returncode != 0:
        shutil.rmtree(database, ignore_errors=True)
        raise ServerFailed(f"promtool could not write the history: {done.stderr.strip()[-2000:]}")
    return database
