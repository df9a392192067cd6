"""What reading logs costs: an answer of Loki into lines and grouped stack traces, and files read from their ends."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.bench.conftest import Figure
from triage.config_sources import LogFields, LogFiles
from triage.facts.logs import Level, LogLines, LogQuestion
from triage.sources.logs.answers import traces_answer
from triage.sources.logs.fields import Reader
from triage.sources.logs.files import LogFileSource
from triage.sources.logs.loki import read_streams

NOW = 1_795_400_000.0
LINES, TRACES, FRAMES, FILE_LINES = 200, 300, 25, 200_000
TRACE = "Traceback (most recent call last):\n" + "".join(
    f'  File "/app/fraud/m{i}.py", line {i}, in f{i}\n    call_{i}(x)\n' for i in range(FRAMES)) + "ValueError: "

pytestmark = pytest.mark.bench


def answer(count: int, **more: Callable[[int], str]) -> dict[str, Any]:
    streams = [{"stream": {"app": "fraud", "pod": f"p{i % 5}"}, "values": [[str(round((NOW - i) * 1e9)), json.dumps(
        {"level": "error", "message": f"failed {i}", "request_id": f"r{i}", "model_version": "8", "took_ms": i,
         **{name: make(i) for name, make in more.items()}})]]} for i in range(count)]
    return {"data": {"resultType": "streams", "result": streams}}


def milliseconds(task: Callable[[], object]) -> str:
    task()
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        task()
        taken.append((time.perf_counter() - began) * 1e3)
    return f"{median(taken):.1f} ms"


def test_an_answer_of_loki(figure: Figure) -> None:
    plain, failing = answer(LINES), answer(TRACES, exception=lambda i: TRACE + str(i))
    assert len(read_streams(plain, Reader(LogFields()))) == LINES
    assert traces_answer(read_streams(failing, Reader(LogFields())), True).lines_read == TRACES
    figure(f"{LINES} log lines parsed and cleaned", milliseconds(lambda: read_streams(plain, Reader(LogFields()))))
    figure(f"{TRACES} stack traces of {FRAMES} frames parsed, cleaned and grouped",
           milliseconds(lambda: traces_answer(read_streams(failing, Reader(LogFields())), True)))


def test_files_from_their_ends(figure: Figure, tmp_path: Path) -> None:
    path = tmp_path / "fraud.log"
    path.write_text("".join(json.dumps(
        {"ts": NOW - (FILE_LINES - i) / 100, "level": "info", "model": "fraud", "message": f"served {i}",
         "request_id": f"r{i}", "model_version": "8", "took_ms": i}) + "\n" for i in range(FILE_LINES)))
    source = LogFileSource(LogFiles(kind="lines", path=str(path)), path)
    size = path.stat().st_size / 1e6

    def ask(**wanted: Any) -> LogLines:
        found = asyncio.run(source.lines(LogQuestion("fraud", NOW - 3600, NOW, **wanted)))
        assert isinstance(found, LogLines)
        return found

    assert len(ask().lines) == 200
    assert len(ask(request_id=f"r{FILE_LINES - 5000}").lines) == 1
    figure(f"newest 200 lines of a file of {size:.0f} MB", milliseconds(ask))
    figure("one request in its last 8 MiB", milliseconds(lambda: ask(request_id="r7")))
    figure("a version in its last 8 MiB that has none of it", milliseconds(lambda: ask(version="7")))
    figure("errors in its last 8 MiB, which has none", milliseconds(lambda: ask(level=Level.ERROR)))
