"""A capture: what the sources said of a model in a time range, in a folder, with digests, for cells to look at again.

``capture.json``  what it is of, and name, size and SHA-256 of every other file
``series.jsonl``  a line for each series: ``metric`` and ``values`` [[Unix seconds, "value"]], as Prometheus writes them
``facts.json``    ``triage.status/v1`` at the end of the range
``samples.jsonl`` log lines of warnings and errors: the bad predictions, where the logs have them
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from triage.cells.results import Against
from triage.clock import Clock
from triage.config import Active
from triage.errors import TriageError
from triage.facts.logs import Level, LogLine, LogQuestion
from triage.facts.outcome import Failure
from triage.facts.samples import Series
from triage.notebook.load import Notebook
from triage.notebook.resolve import requests_selectors, selectors
from triage.notebook.selector import Matcher, Selector
from triage.notebook.slis import HistogramSli
from triage.quantities import format_duration
from triage.sources.prometheus import PrometheusClient
from triage.text import clean

CAPTURE_SCHEMA = "triage.capture/v1"
ABOUT, SERIES, FACTS, SAMPLES = "capture.json", "series.jsonl", "facts.json", "samples.jsonl"
MOST_POINTS = 1440
"""Of one series: a day of minutes."""
MOST_SERIES = 20_000
MOST_SAMPLES = 1000
_SHORTEST_RATE_SECONDS = 300.0
_MARGIN_SECONDS = 600.0
"""Kept before the range, so that a rate at its start has something to count."""


class CaptureError(TriageError):
    """A capture cannot be made or used."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a capture."""

    name: str
    sha256: str
    size_bytes: int
    about: str
    """What is in it, and what is not, for a person."""


@dataclass(frozen=True, slots=True)
class Capture:
    """A capture that was made or read."""

    folder: Path
    model: str
    context: str
    start: float
    end: float
    """The time range, Unix seconds."""
    step_seconds: float
    parts: tuple[Part, ...]
    facts: str
    """``triage.status/v1``."""
    missing: tuple[str, ...]
    """What could not be captured, each a sentence."""

    @property
    def digest(self) -> str:
        """Of everything in it: two captures with the same one hold the same facts."""
        text = "\n".join(f"{part.sha256} {part.name}" for part in sorted(self.parts, key=lambda p: p.name))
        return hashlib.sha256(text.encode()).hexdigest()

    def sentence(self) -> str:
        """Of how long it is, where it lies, and what is not in it."""
        size = sum(part.size_bytes for part in self.parts) / 1e6
        missing = f"; not captured: {'; '.join(self.missing)}" if self.missing else ""
        return clean(f"capture of {format_duration(self.end - self.start)}: {self.folder}, {len(self.parts)} files, "
                     f"{size:.1f} MB{missing}", limit=1000)


def against(capture: Capture) -> Against:
    """The capture as runs that looked at it name it."""
    return Against(clean(capture.folder.absolute()), capture.digest, capture.start, capture.end)


def default_folder(model: str, at: float) -> Path:
    """``capture-fraud-scorer-20261123T143300Z``, in the folder in which the program was started; ``at``: Unix seconds
    at the end of the range."""
    return Path(f"capture-{model}-{datetime.fromtimestamp(at, UTC):%Y%m%dT%H%M%SZ}")


async def take_capture(active: Active, notebook: Notebook, clock: Clock, *, folder: Path, start: float, end: float,
                       facts: str) -> Capture:
    """Ask for everything and write it into ``folder``, which must not exist yet.

    ``facts``: the status document of the model. What cannot be had is named in ``missing``. Raises
    :class:`CaptureError` when nothing of Prometheus could be had, or the folder cannot be written.
    """
    step = max(notebook.manifest.spec.metrics.scrape_interval, (end - start) / MOST_POINTS)
    missing: list[str] = []
    if 2 * step > _SHORTEST_RATE_SECONDS:
        missing.append(f"points are {format_duration(round(step))} apart: what looks back less than "
                       f"{format_duration(round(2 * step))}, as rates of 5m do, finds nothing in it")
    client = PrometheusClient(active.context.prometheus, clock)
    try:
        rows = [row async for row in _series(client, notebook, start - _MARGIN_SECONDS, end, step, missing)]
    finally:
        await client.aclose()
    if not rows:
        raise CaptureError(f"nothing could be captured of {notebook.name}",
                           missing[0] if missing else "no series of it has samples in that time")
    samples, about_samples = await _samples(active, notebook, clock, start, end)
    texts = {SERIES: ("".join(rows), f"{len(rows):,} series, a point every {step:g} s"), FACTS: (facts, "status")}
    if samples is None:
        missing.append(about_samples)
    else:
        texts[SAMPLES] = ("".join(f"{json.dumps(_plain(line))}\n" for line in samples), about_samples)
    contents = {name: (text.encode(), about) for name, (text, about) in texts.items()}
    parts = tuple(Part(name, hashlib.sha256(content).hexdigest(), len(content), about)
                  for name, (content, about) in contents.items())
    made = Capture(folder, notebook.name, active.name, start, end, step, parts, facts, tuple(missing))
    about = json.dumps(_about(made, notebook), indent=1) + "\n"
    _write(folder, {**{name: content for name, (content, _) in contents.items()}, ABOUT: about.encode()})
    return made


def _write(folder: Path, contents: Mapping[str, bytes]) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True)
        for name, content in contents.items():
            (folder / name).touch(mode=0o600)
            (folder / name).write_bytes(content)
    except OSError as error:
        raise CaptureError(f"{clean(str(folder))} cannot be written: {clean(error.strerror or error)}",
                           "name another folder") from None


def read_capture(folder: Path, model: str) -> Capture:
    """The capture in ``folder``. Raises :class:`CaptureError` when it is none, of another model, or was changed."""
    shown = clean(str(folder))
    try:
        about = json.loads((folder / ABOUT).read_text("utf-8"))
        if about["schema"] != CAPTURE_SCHEMA:
            raise CaptureError(f"{shown} is a capture of another format: {clean(about['schema'], limit=60)}",
                               "read it with the version of triage that made it")
        parts = tuple(Part(str(p["name"]), str(p["sha256"]), int(p["size_bytes"]), clean(p["about"]))
                      for p in about["files"])
        found = Capture(folder, str(about["model"]), clean(about["context"]), float(about["window"]["start"]),
                        float(about["window"]["end"]), float(about["step_seconds"]), parts, "",
                        tuple(clean(text) for text in about["missing"]))
        contents = {part.name: _content(folder, part) for part in parts}
    except OSError as error:
        raise CaptureError(f"{shown} cannot be read: {clean(error.strerror or error)}",
                           "triage capture MODEL makes one") from None
    except (ValueError, KeyError, TypeError):
        raise CaptureError(f"{shown} is no capture", "triage capture MODEL makes one") from None
    if found.model != model:
        raise CaptureError(f"{shown} is a capture of {clean(found.model, limit=80)}, not of {model}",
                           "name another folder")
    return Capture(folder, found.model, found.context, found.start, found.end, found.step_seconds, parts,
                   contents.get(FACTS, b"").decode("utf-8", "replace"), found.missing)


def series_of(capture: Capture) -> Iterator[tuple[dict[str, str], Sequence[float], Sequence[float]]]:
    """(labels, times in Unix seconds, values) of every series."""
    with (capture.folder / SERIES).open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield row["metric"], [point[0] for point in row["values"]], [float(point[1]) for point in row["values"]]


def _content(folder: Path, part: Part) -> bytes:
    if part.name not in (SERIES, FACTS, SAMPLES):
        raise ValueError(part.name)
    content = (folder / part.name).read_bytes()
    if hashlib.sha256(content).hexdigest() != part.sha256:
        raise CaptureError(f"{clean(str(folder / part.name))} is not what was captured: its digest differs",
                           "take the capture from where it was first kept")
    return content


def _about(made: Capture, notebook: Notebook) -> dict[str, Any]:
    spec = notebook.manifest.spec.notebook
    return {"schema": CAPTURE_SCHEMA, "model": made.model, "context": made.context,
            "notebook": {"version": notebook.manifest.metadata.version, "sha256": spec.sha256},
            "window": {"start": made.start, "end": made.end, "from": _iso(made.start), "to": _iso(made.end)},
            "step_seconds": made.step_seconds, "digest": made.digest, "files": [asdict(part) for part in made.parts],
            "missing": list(made.missing)}


async def _series(client: PrometheusClient, notebook: Notebook, start: float, end: float, step: float,
                  missing: list[str]) -> AsyncIterator[str]:
    """Lines of ``series.jsonl``, each series once; what fails goes to ``missing``."""
    done: dict[str, list[frozenset[Matcher]]] = {}
    kept: set[frozenset[tuple[str, str]]] = set()
    # A point is the last sample before it, of the present: what has ended ends in the capture as well.
    window = format_duration(math.ceil(max(step, 2 * notebook.manifest.spec.metrics.scrape_interval)))
    for text, matchers in _matches(notebook):
        listed = await client.get("/api/v1/series", {"match[]": text, "start": f"{start:.3f}", "end": f"{end:.3f}"})
        if isinstance(listed, Failure):
            missing.append(f"series of {text}: {listed.sentence()}")
            continue
        found = listed if isinstance(listed, list) else []
        for name in sorted({str(labels.get("__name__", "")) for labels in found if isinstance(labels, dict)} - {""}):
            if any(wider <= frozenset(matchers) for wider in done.get(name, ())):
                continue
            answer = await client.query_range(f"last_over_time({Selector(name, matchers)}[{window}])", start=start,
                                              end=end, step=step)
            if isinstance(answer, Failure):
                missing.append(f"{name}: {answer.sentence()}")
                continue
            done.setdefault(name, []).append(frozenset(matchers))
            # A server that is in part away says so with every answer: once is enough.
            missing += [said for warning in answer.warnings if (said := f"series are there in part: {warning}")
                        not in missing]
            for series in answer.series:
                labels = {**series.labels, "__name__": name}
                if (key := frozenset(labels.items())) in kept:
                    continue
                if len(kept) == MOST_SERIES:
                    missing.append(f"more than {MOST_SERIES:,} series: {name} and what follows")
                    return
                kept.add(key)
                yield _line(labels, series)


def _line(labels: Mapping[str, str], series: Series) -> str:
    return json.dumps({"metric": labels, "values": [[at, _written(value)] for at, value in
                                                    zip(series.times, series.values, strict=True)]},
                      separators=(",", ":")) + "\n"


def _written(value: float) -> str:
    return {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}.get(text := repr(float(value)), text)


def _matches(notebook: Notebook) -> list[tuple[str, tuple[Matcher, ...]]]:
    """Selectors, and their matchers without the name: everything that carries the model's labels, and whatever its
    objectives are measured by."""
    manifest = notebook.manifest
    own = manifest.spec.metrics.selector
    out: list[Selector] = []
    for objective in notebook.objectives:
        for candidate in objective.candidates:
            names = selectors(candidate.sli)
            if isinstance(candidate.sli, HistogramSli):
                names = tuple(name.suffixed(end) for name in names for end in ("_bucket", "_count", "_sum"))
            out += [name.where(candidate.labels) for name in names]
    out += [selector for traffic in requests_selectors(manifest) for selector in traffic.selectors]
    every = tuple(Matcher(label, "=", value) for label, value in own.items())
    of_model = [("{" + ",".join(map(str, every)) + "}", every)] if every else []
    # What asks for more comes first: the rest of it need not be asked for.
    out.sort(key=lambda each: len(each.matchers))
    return list(dict.fromkeys([*of_model, *((str(each), each.matchers) for each in out)]))


async def _samples(active: Active, notebook: Notebook, clock: Clock, start: float, end: float
                   ) -> tuple[tuple[LogLine, ...] | None, str]:
    """(lines, what they are), or (None, why there are none)."""
    from triage.sources.logs.face import log_source
    source = log_source(active, clock)
    if source is None:
        return None, "samples of bad predictions: no logs are configured"
    try:
        found = await source.lines(LogQuestion(notebook.name, start, end, level=Level.WARNING, limit=MOST_SAMPLES))
    finally:
        await source.aclose()
    if isinstance(found, Failure):
        return None, f"samples of bad predictions: {found.sentence()}"
    newest = "" if found.complete else "the newest "
    return found.lines, f"{newest}{len(found.lines):,} log lines of warnings and errors"


def _plain(line: LogLine) -> dict[str, Any]:
    return {"at": line.at, "level": str(line.level), "version": line.version, "request_id": line.request_id,
            "trace_id": line.trace_id, "message": line.message, "stack": line.stack, "labels": dict(line.labels)}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
