"""Fixtures: manifests written to disk, from a small good one and changes to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from triage.notebook.manifest import Manifest
from triage.strict_yaml import parse, validate

WriteNotebook = Callable[..., Path]
MakeManifest = Callable[[str], Manifest]

_HEAD = """\
apiVersion: triage/v1alpha1
kind: ModelNotebook
metadata: {name: NAME, version: "8", owners: [{name: team, role: on-call}]}
"""
_SPEC = """\
spec:
  metrics: {selector: {model: m}}
  slos:
    - {name: success, sli: {good: 'requests_total{code!~"5.."}', total: requests_total}, objective: 99.9}
"""


@pytest.fixture
def make_manifest() -> MakeManifest:
    """A manifest from the text of its ``spec`` (YAML, without that word)."""
    def make(spec: str, name: str = "m") -> Manifest:
        content = yaml.safe_load(_HEAD.replace("NAME", name))
        content["spec"] = yaml.safe_load(spec)
        return validate(parse(yaml.safe_dump(content, sort_keys=False), "manifest.yaml"), Manifest)
    return make


@pytest.fixture
def write_notebook(tmp_path: Path) -> WriteNotebook:
    """Writes a notebook folder that lints clean, with ``spec`` in place of its own where given; returns the folder."""
    def write(folder: str = "m", *, name: str = "m", spec: str = _SPEC, file: str = "manifest.yaml") -> Path:
        path = tmp_path / folder
        path.mkdir(parents=True, exist_ok=True)
        (path / file).write_text(_HEAD.replace("NAME", name) + spec, "utf-8")
        (path / "notebook.ipynb").write_text("{}", "utf-8")
        return path
    return write
