"""The example notebooks, and those of the lab's other models, are good enough to copy."""

from __future__ import annotations

import csv
import hashlib
import math
import re
from datetime import date
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.lab import notebook_data as lab
from tests.notebook.example_data import EXAMPLES, FILES
from triage.notebook.lint import lint
from triage.notebook.load import load_notebook
from triage.notebook.slis import HistogramSli
from triage.runbook.blocks import BLOCKS
from triage.runbook.lint import lint_runbooks
from triage.runbook.shelf import read_volume

EXAMPLE_NAMES = ("fraud-scorer", "churn-ranker", "chat-assistant")
LAB_NAMES = ("image-moderation", "loan-approval", "review-sentiment")
HOMES = {name: EXAMPLES / name for name in EXAMPLE_NAMES} | {name: lab.NOTEBOOKS / name for name in LAB_NAMES}
NAMES = tuple(HOMES)
DATA = {EXAMPLES / name: text for name, text in FILES.items()} | {
    lab.NOTEBOOKS / name: text for name, text in lab.FILES.items()}
WITH_REFERENCE = ("fraud-scorer", "churn-ranker", *LAB_NAMES)
REVIEWED = date(2026, 12, 1)
"""Day on which the runbooks are fresh."""

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:nbformat.*")


def cells(name: str) -> list[Any]:
    return list(_notebook(name).cells)


def _notebook(name: str) -> Any:
    text = (HOMES[name] / "notebook.ipynb").read_text("utf-8")
    return nbformat.reads(text, as_version=nbformat.NO_CONVERT)  # type: ignore[no-untyped-call]


def tagged(name: str, tag: str) -> list[Any]:
    return [c for c in cells(name) if tag in c.metadata.get("tags", [])]


def test_there_are_three_and_three_more_in_the_lab() -> None:
    assert sorted(p.name for p in EXAMPLES.iterdir() if p.is_dir()) == sorted(EXAMPLE_NAMES)
    assert sorted(p.name for p in lab.NOTEBOOKS.iterdir() if p.is_dir()) == sorted(LAB_NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_lints_clean(name: str) -> None:
    assert lint(HOMES[name]) == ()


@pytest.mark.parametrize("name", NAMES)
def test_the_notebook_and_the_data_match_their_pinned_digests(name: str) -> None:
    notebook = load_notebook(HOMES[name])
    spec = notebook.manifest.spec
    pinned = {spec.notebook.path: spec.notebook.sha256} | {
        str(d.uri): d.sha256 for d in spec.data if d.sha256 is not None}
    assert {path: hashlib.sha256((notebook.path / path).read_bytes()).hexdigest() for path in pinned} == pinned
    assert len(pinned) >= 2


@pytest.mark.parametrize("path", DATA, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_the_sample_data_is_what_its_seed_makes(path: Path) -> None:
    assert path.read_text("utf-8") == DATA[path]


@pytest.mark.parametrize("path", DATA, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_the_sample_data_is_small(path: Path) -> None:
    assert path.stat().st_size <= 60_000


@pytest.mark.parametrize("name", NAMES)
def test_the_sample_has_versions_labels_scores_and_times(name: str) -> None:
    with (HOMES[name] / "data/sample.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = set(rows[0])
    assert len({row["version"] for row in rows}) == 2
    assert {"version", "score", "label"} <= columns
    assert columns & {"latency_ms", "shard_seconds"}
    assert {"", "0", "1"} == {row["label"] for row in rows}


@pytest.mark.parametrize("name", WITH_REFERENCE)
def test_the_drift_references_of_the_manifest_are_those_of_the_data(name: str) -> None:
    drift = load_notebook(HOMES[name]).manifest.spec.drift
    assert drift is not None
    assert drift.prediction is not None
    with (HOMES[name] / "data/reference.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for feature in (*drift.features, drift.prediction):
        if feature.histogram is None or feature.reference is None:
            continue
        mine = [(float(r["upper"]), float(r["count"])) for r in rows if r["feature"] == feature.name]
        assert feature.reference.edges == [edge for edge, _ in mine if math.isfinite(edge)]
        assert feature.reference.counts == [count for _, count in mine]


@pytest.mark.parametrize("name", NAMES)
def test_the_notebook_is_valid_and_stripped(name: str) -> None:
    nbformat.validate(_notebook(name))
    assert [c.id for c in cells(name) if c.cell_type == "code" and (c.outputs or c.execution_count)] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_notebook_has_parameters_diagnostic_and_critical_cells(name: str) -> None:
    assert [c.id for c in tagged(name, "parameters")] == ["parameters"]
    assert len(tagged(name, "diagnostic")) >= 4
    assert tagged(name, "critical")


@pytest.mark.parametrize("name", NAMES)
def test_every_diagnostic_cell_says_what_it_is_for(name: str) -> None:
    known = {c.id for c in cells(name)}
    for cell in (*tagged(name, "diagnostic"), *tagged(name, "critical")):
        about = cell.metadata["triage"]
        assert set(about) == {"purpose", "answers", "requires", "time_limit", "effects"}
        assert set(about["requires"]) <= known
        assert about["effects"] == "none"
        assert "verdict(" in cell.source


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_compiles(name: str) -> None:
    for cell in cells(name):
        if cell.cell_type == "code":
            compile(cell.source, cell.id, "exec")


@pytest.mark.parametrize("name", NAMES)
def test_the_runbook_names_only_what_exists_and_has_every_kind_of_step(name: str) -> None:
    assert lint_runbooks(load_notebook(HOMES[name]), REVIEWED) == ()
    book = read_volume(HOMES[name] / "runbook.md", "runbook.md").runbook
    assert book is not None
    assert len(book.steps) >= 10
    assert {step.kind for step in book.steps} == set(BLOCKS)


def test_requirements_are_pinned() -> None:
    for name in NAMES:
        for line in (HOMES[name] / "requirements.txt").read_text("utf-8").split():
            assert re.fullmatch(r"[a-z0-9-]+==[0-9.]+", line)


def test_the_chat_limits_are_buckets_of_vllm() -> None:
    judged = [c for o in load_notebook(EXAMPLES / "chat-assistant").objectives for c in o.candidates
              if isinstance(c.sli, HistogramSli) and o.slo.objective is not None]
    assert len(judged) == 4
    assert [c.sli.threshold in c.buckets for c in judged if isinstance(c.sli, HistogramSli)] == [True] * 4


def test_the_examples_tell_three_different_stories() -> None:
    specs = {name: load_notebook(HOMES[name]).manifest.spec for name in EXAMPLE_NAMES}
    assert {name: s.quality.feedback.regime for name, s in specs.items() if s.quality} == {
        "fraud-scorer": "delayed", "churn-ranker": "delayed", "chat-assistant": "instant"}
    assert [name for name, s in specs.items() if s.metrics.preset == "vllm"] == ["chat-assistant"]
    batch = [slo.name for slo in specs["churn-ranker"].slos if isinstance(slo.sli, HistogramSli) and
             slo.sli.measures == "batch"]
    assert batch == ["run-duration"]


def test_no_example_names_a_machine() -> None:
    for path in sorted(path for folder in (EXAMPLES, lab.NOTEBOOKS) for path in folder.rglob("*")):
        if path.is_file():
            assert not re.search(r"/(?:home|root|work|tmp|Users)/", path.read_text("utf-8")), path
