"""What the models write to their logs: JSON lines with request ids and stack traces, a few for each minute."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np

from triage.lab.logs import LogBook
from triage.lab.world.behaviour import Run
from triage.lab.world.effects import Effects
from triage.lab.world.fleet import Member
from triage.lab.world.gpu import hash_of
from triage.lab.world.grid import FINE, Floats, Window
from triage.lab.world.pods import Pod

_HISTORY_EVERY = 60.0
"""Seconds between two looks for lines in what happened before the opening."""
_INFO_EVERY = 300.0
_MOST_FAILURES = 2
"""Lines about failed requests of one version at one look; a real collector limits rates as well."""
_USUAL = ("TimeoutError: upstream did not answer within 5 s",
          "ConnectionResetError: [Errno 104] peer closed connection",
          "ValueError: could not convert string to float: ''")
_FULL = "QueueFull: request refused, queue is at its limit"
_KILLED = "RuntimeError: worker exited with signal 9 (out of memory)"
_NAN = "ValueError: output contains NaN"


class Journal:
    """Writes the lines of one model."""

    def __init__(self, book: LogBook, member: Member, effects: Effects, opening: float) -> None:
        self._book = book
        self._member = member
        self._effects = effects
        self._opening = opening

    def write(self, window: Window, runs: Mapping[str, Run], pods: Sequence[Pod]) -> None:
        """Lines about what these runs (by version) did in a window."""
        for version, run in runs.items():
            names = [pod.name for pod in pods if pod.version == version] or [f"{self._member.name}-{version}-0"]
            for index, at in enumerate(run.window.times.tolist()):
                if at > self._opening or at % _HISTORY_EVERY == 0:
                    self._look(run, index, at, names)
        self._audit(window)

    def _look(self, run: Run, index: int, at: float, pods: Sequence[str]) -> None:
        chance = hash_of(f"{self._member.name}/{run.version}/{at:.0f}")
        for number, (level, message) in enumerate(self._happened(run, index, at, chance)):
            self._line(run.version, pods[(chance + number) % len(pods)], level, message, at + number, chance + number)
        if at % _INFO_EVERY == 0:
            seen = {"requests": int(run.requests[index]), "interval_seconds": FINE.step}
            self._line(run.version, pods[0], "info", "served", at, chance, seen)

    def _happened(self, run: Run, index: int, at: float, chance: int) -> Iterator[tuple[str, str]]:
        requests = float(run.requests[index])
        refused = requests * _at(run.refused, index)
        failed = (requests - refused) * _at(run.failed, index)
        for count, message in ((refused, _FULL), (failed, self._cause(run, index, at, chance))):
            lines = min(int(count + (chance % 1000) / 1000), _MOST_FAILURES)
            yield from (("error", message) for _ in range(lines))
        times = np.array([at])
        for fault in self._effects.anywhere("schema_break", run.version):
            if self._effects.share("schema_break", times, run.version, feature=fault.feature)[0] * requests >= 1:
                yield "warning", fault.message or f"SchemaError: {fault.feature} is not what the schema says"
        if self._effects.age("stale_features", times)[0] > 1800 and chance % 4 == 0:
            age = self._effects.age("stale_features", times)[0] / 60
            yield "warning", f"feature view {self._member.stores[0]} is {age:.0f} minutes old"

    def _cause(self, run: Run, index: int, at: float, chance: int) -> str:
        times = np.array([at])
        if self._effects.share("errors", times, run.version)[0] > 0:
            return self._effects.message("errors", run.version) or "RuntimeError: prediction failed"
        if _at(run.nan, index) > 0:
            return self._effects.message("nan_outputs", run.version) or _NAN
        if _at(run.memory.lost, index) > 0:
            return self._effects.message("memory", run.version) or _KILLED
        return _USUAL[chance % len(_USUAL)]

    def _line(self, version: str, pod: str, level: str, message: str, at: float, number: int,
              more: Mapping[str, object] | None = None) -> None:
        content: dict[str, object] = {
            "ts": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"), "level": level,
            "model": self._member.name, "model_version": version, **(more or {}), "message": message}
        if level != "info":
            content["request_id"] = f"req-{hash_of(f'{pod}/{at}/{number}'):08x}"
        if level == "error":
            content["exception"] = _trace(self._member.name, message)
        labels = {"app": self._member.name, "namespace": self._member.namespace, "pod": pod, "container": "server",
                  "model_version": version, "level": level}
        self._book.append(labels, round(at * 1e9) + number % 1_000_000, json.dumps(content))

    def _audit(self, window: Window) -> None:
        """The secret store's record of who read the key to the weights."""
        unknown = self._effects.age("secret_exposed", window.times)
        for at, age in zip(window.times.tolist(), np.broadcast_to(unknown, window.times.shape).tolist(), strict=True):
            if at % _HISTORY_EVERY:
                continue
            chance = hash_of(f"{self._member.name}/audit/{at:.0f}")
            if chance % 15 == 0:
                self._read("service-account", "10.8.3.14", at)
            if age > 0 and chance % 3 == 0:
                self._read("unknown", "203.0.113.77", at)

    def _read(self, reader: str, address: str, at: float) -> None:
        line = {"ts": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"), "type": "response",
                "operation": "read", "path": f"models/{self._member.name}-weights", "reader": reader,
                "remote_address": address}
        labels = {"app": "secret-store", "namespace": "security", "container": "audit"}
        self._book.append(labels, round(at * 1e9), json.dumps(line))


def job_lines(book: LogBook, member: Member, failures: Iterable[tuple[float, str, str]]) -> None:
    """A line for each failed run of a batch: (epoch seconds, version, message)."""
    for at, version, message in failures:
        content = {"ts": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"), "level": "error",
                   "model": member.name, "model_version": version, "run_id": f"run-{hash_of(f'{at}'):08x}",
                   "message": message, "exception": _trace(member.name, message)}
        labels = {"app": member.name, "namespace": member.namespace, "pod": f"{member.name}-{int(at // 86400)}",
                  "container": "server", "model_version": version, "level": "error"}
        book.append(labels, round(at * 1e9), json.dumps(content))


def _trace(model: str, message: str) -> str:
    package = model.replace("-", "_")
    return ("Traceback (most recent call last):\n"
            f'  File "/app/{package}/server.py", line 118, in predict\n    scores = self.model(features)\n'
            f'  File "/app/{package}/pipeline.py", line 64, in __call__\n    return self.score(self.prepare(row))\n'
            f"{message}")


def _at(values: Floats, index: int) -> float:
    return float(values[index if len(values) > 1 else 0])
