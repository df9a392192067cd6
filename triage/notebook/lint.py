"""The linter of manifests: what loads, yet will not do what its author hopes."""

from __future__ import annotations

import difflib
import hashlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from triage.errors import Finding
from triage.facts.units import UNIT_SECONDS
from triage.notebook import lint_rollout, lint_world
from triage.notebook.compared import compared_names
from triage.notebook.lint_world import drift_features
from triage.notebook.load import MANIFEST_NAMES, Notebook, is_file, is_folder, load_all
from triage.notebook.secrets import looks_like
from triage.notebook.slis import AverageSli, HistogramSli
from triage.quantities import format_duration
from triage.strict_yaml import PathKey
from triage.text import clean

PAGING_TIERS: Mapping[float, float] = {14.4: 300.0, 6.0: 1800.0, 3.0: 7200.0}
"""Burn rates that fire, with their short windows in seconds (SRE workbook, ch. 5, table 5-8 and iteration 6)."""
SHORTEST_WINDOW = min(PAGING_TIERS.values())
SCRAPES_PER_WINDOW = 4
"""Scrapes that a rate needs in its window to survive a lost one."""
LONGEST_SLO_WINDOW = 90 * 86400.0
MUTABLE_VERSIONS = frozenset({"latest", "main", "master", "head", "current", "dev", "prod", "production", "stable"})

_SECRET_KEY = re.compile(r"(?i)(?:^|[_.-])(?:passw(?:or)?d|secret|token|api[_-]?key)$")
_PERCENTILE = re.compile(r"(?i)(?<![a-z])p(?:50|75|9\d{1,2})(?!\d)|percentile|quantile")


def lint(path: Path) -> tuple[Finding, ...]:
    """Errors and warnings of every notebook at and below ``path``, in the order of files and lines."""
    loaded = load_all([path])
    findings = [finding for broken in loaded.broken for finding in broken.findings]
    for notebook in loaded.notebooks:
        findings.extend(lint_notebook(notebook))
    return tuple(sorted(findings, key=lambda f: (f.file, f.line or 0, f.field, f.code)))


def lint_notebook(notebook: Notebook) -> tuple[Finding, ...]:
    """What is wrong with a notebook that loads."""
    return tuple(finding for check in _CHECKS for finding in check(notebook))


def _tiers(notebook: Notebook) -> Iterator[Finding]:
    rule = notebook.manifest.spec.rollout_rule.burn_rate
    for index, slo in enumerate(notebook.manifest.spec.slos):
        if slo.objective is None or slo.objective == 100:
            continue
        # All events bad burns at 1 / (1 - objective); nothing burns faster.
        highest = 100 / (100 - slo.objective)
        dead = [rate for rate in PAGING_TIERS if rate >= highest]
        if not dead:
            continue
        lost = ", ".join(f"{rate:g}x" for rate in dead)
        lost += f" and the rollout rule ({rule:g}x)" if rule >= highest else ""
        needed = 100 * (1 - 1 / dead[0])
        yield notebook.document.finding(
            ("spec", "slos", index, "objective"), f"can never burn at {lost}: at most {highest:.3g}x",
            f"the {dead[0]:g}x tier needs an objective above {needed:.2f}", "unreachable-tier", "warning")


def _secrets(notebook: Notebook) -> Iterator[Finding]:
    for path, text in _strings(notebook.document.content, ()):
        what = looks_like(text)
        if what is None and len(text) >= 8 and _SECRET_KEY.search(str(path[-1]) if path else ""):
            what = "a secret"
        if what is not None:
            yield notebook.document.finding(path, f"looks like {what} in clear",
                                            "remove it and replace the secret: others may have read it", "secret")


def _strings(node: Any, path: PathKey) -> Iterator[tuple[PathKey, str]]:
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _strings(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _strings(value, (*path, index))


def _data(notebook: Notebook) -> Iterator[Finding]:
    for index, reference in enumerate(notebook.manifest.spec.data):
        path: PathKey = ("spec", "data", index)
        if reference.sha256 is not None:
            continue
        if reference.version is None:
            yield notebook.document.finding(path, f"does not say which version of {reference.name} is meant",
                                            "add version (a snapshot, commit or partition) or sha256", "mutable-data",
                                            "warning")
        elif reference.version.lower() in MUTABLE_VERSIONS:
            yield notebook.document.finding((*path, "version"),
                                            f"moves: {reference.version} is another data set tomorrow",
                                            "name a snapshot, commit or partition, or add sha256", "mutable-data",
                                            "warning")


def _slos(notebook: Notebook) -> Iterator[Finding]:
    spec = notebook.manifest.spec
    say = notebook.document.finding
    resolved = {o.slo.name: o for o in notebook.objectives}
    for index, slo in enumerate(spec.slos):
        path: PathKey = ("spec", "slos", index)
        if slo.required and slo.objective is None:
            yield say((*path, "required"), "asks for a reading that is not judged",
                      "add an objective, or drop required", "required-without-objective", "warning")
        if slo.window > LONGEST_SLO_WINDOW:
            yield say((*path, "window"), f"is {format_duration(slo.window)}, longer than servers usually keep",
                      "30d is usual; beyond 90d check the retention", "long-window", "warning")
        if slo.due == "with-labels" and (spec.quality is None or spec.quality.feedback.regime == "none"):
            yield say((*path, "due"), "waits for labels that the manifest does not expect",
                      "add quality.feedback with its regime", "due-without-feedback", "warning")
        candidates = resolved[slo.name].candidates if slo.name in resolved else ()
        averages = bool(candidates) and isinstance(candidates[0].sli, AverageSli)
        if averages and (_PERCENTILE.search(slo.name) or _PERCENTILE.search(slo.description)):
            yield say((*path, "name"), "speaks of a percentile, but measures an average",
                      "name it avg, or measure a histogram", "average-as-percentile", "warning")


def _buckets(notebook: Notebook) -> Iterator[Finding]:
    resolved = {o.slo.name: o for o in notebook.objectives}
    for index, slo in enumerate(notebook.manifest.spec.slos):
        first = resolved[slo.name].candidates[0]
        sli = first.sli
        if not isinstance(sli, HistogramSli) or sli.threshold is None or sli.snap != "exact" or not first.buckets:
            continue
        bounds = [bound * UNIT_SECONDS[sli.unit] for bound in first.buckets]
        if any(math.isclose(bound, sli.threshold) for bound in bounds):
            continue
        near = _nearest(sli.threshold, bounds)
        yield notebook.document.finding(
            ("spec", "slos", index, "sli", "threshold"),
            f"is no bucket of {sli.histogram}, so nothing can be counted against it",
            f"nearest: {' and '.join(format_duration(bound) for bound in near)}; or set snap", "no-bucket", "warning")


def _nearest(value: float, bounds: Sequence[float]) -> list[float]:
    """The two of ``bounds`` that are closest to ``value``, ascending."""
    return sorted(sorted(bounds, key=lambda bound: abs(bound - value))[:2])


def _names(notebook: Notebook) -> Iterator[Finding]:
    """References from one block of the manifest to another that lead nowhere."""
    spec = notebook.manifest.spec
    quality = {metric.name for metric in spec.quality.metrics} if spec.quality is not None else set()
    counted = {metric.name for metric in spec.quality.counted} if spec.quality is not None else set()
    proxies = {proxy.name for proxy in spec.quality.proxies} if spec.quality is not None else set()
    metrics = {o.slo.name for o in notebook.objectives} | quality | proxies | compared_names(spec)
    data = {reference.name for reference in spec.data}
    for index, delta in enumerate(spec.canary.max_delta):
        if delta.metric in counted - metrics:
            # Labels of a young version come from those who answer first: it cannot be compared with one that is old.
            yield notebook.document.finding(
                ("spec", "canary", "max_delta", index, "metric"),
                f"is computed from labels, and not compared between versions: {delta.metric}",
                "give a margin to a proxy, to classes or to score_mean", "not-compared", "warning")
            continue
        yield from _unknown(notebook, ("spec", "canary", "max_delta", index, "metric"), delta.metric, metrics,
                            "SLO, proxy or other metric of the canary", "unknown-metric")
    for path, feature in drift_features(notebook):
        if feature.reference is not None and feature.reference.data is not None:
            yield from _unknown(notebook, (*path, "reference", "data"), feature.reference.data, data, "data reference",
                                "unknown-data")
    quality |= counted
    for index, trigger in enumerate(spec.retrain.when if spec.retrain is not None else ()):
        if trigger.quality is not None:
            yield from _unknown(notebook, ("spec", "retrain", "when", index, "quality"), trigger.quality, quality,
                                "quality metric", "unknown-metric")


def _unknown(notebook: Notebook, path: PathKey, name: str, known: Iterable[str], what: str,
             code: str) -> Iterator[Finding]:
    names = sorted(known)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names) or 'none'}"
        yield notebook.document.finding(path, f"names no {what}: {name}", hint, code, "warning")


def _files(notebook: Notebook) -> Iterator[Finding]:
    spec = notebook.manifest.spec
    say = notebook.document.finding
    cells: PathKey = ("spec", "notebook", "path")
    written = cells in notebook.document.lines
    named: list[tuple[PathKey, str | None]] = [
        (cells, spec.notebook.path if written else None),
        (("spec", "runbook"), spec.runbook),
        (("spec", "environment", "requirements"), spec.environment.requirements if spec.environment else None),
    ]
    for path, name in named:
        # A folder holds several runbooks.
        a_folder = name is not None and path[-1] == "runbook" and is_folder(notebook.path / name)
        if name is not None and not a_folder and not is_file(notebook.path / name):
            yield say(path, f"does not exist: {name}", "paths are relative to the manifest", "missing-file", "warning")
    if not written and not is_file(notebook.path / spec.notebook.path):
        # Nothing in the manifest says so: no line of it is to blame.
        yield replace(say(cells, f"is not given, and {spec.notebook.path} does not exist",
                          f"write {spec.notebook.path} with the diagnostic cells, or leave it: all but the cells works "
                          "without", "missing-file", "warning"), line=None)
    if all(is_file(notebook.path / name) for name in MANIFEST_NAMES):
        yield say((), f"stands beside {' and '.join(MANIFEST_NAMES)}: only the first is read", "keep one of them",
                  "two-manifests", "warning")


def _digest(notebook: Notebook) -> Iterator[Finding]:
    spec = notebook.manifest.spec.notebook
    file = notebook.path / spec.path
    if spec.sha256 is None or not is_file(file):
        return
    try:
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        reason = clean(error.strerror or error)
        yield notebook.document.finding(("spec", "notebook", "path"), f"cannot be read: {reason}",
                                        "check its permissions", "unreadable")
        return
    if found != spec.sha256:
        yield notebook.document.finding(("spec", "notebook", "sha256"), f"does not match {spec.path}: it has {found}",
                                        "restore the file, or pin the new digest after a review", "digest-mismatch")


def _scraping(notebook: Notebook) -> Iterator[Finding]:
    interval = notebook.manifest.spec.metrics.scrape_interval
    longest = SHORTEST_WINDOW / SCRAPES_PER_WINDOW
    if interval > longest:
        window = format_duration(SHORTEST_WINDOW)
        yield notebook.document.finding(
            ("spec", "metrics", "scrape_interval"),
            f"is too long: the {window} window of the fastest alert then holds under {SCRAPES_PER_WINDOW} scrapes",
            f"scrape at least every {format_duration(longest)}", "rate-window", "warning")


def _versions(notebook: Notebook) -> Iterator[Finding]:
    manifest = notebook.manifest
    if manifest.spec.rollback.last_known_good == manifest.metadata.version:
        yield notebook.document.finding(("spec", "rollback", "last_known_good"),
                                        "is the version that this notebook is about",
                                        "name the version before it", "rollback-to-itself", "warning")
    image = manifest.spec.environment.image if manifest.spec.environment is not None else None
    if image is not None and "@sha256:" not in image:
        tag = image.rpartition("/")[2].partition(":")[2]
        if tag.lower() in {"", *MUTABLE_VERSIONS}:
            yield notebook.document.finding(("spec", "environment", "image"), "is not pinned: its tag moves",
                                            "add a digest (@sha256:...) or a version tag", "unpinned-image", "warning")


_CHECKS: Sequence[Callable[[Notebook], Iterator[Finding]]] = (
    _secrets, _digest, _files, _slos, _buckets, _tiers, _scraping, _data, _names, _versions, *lint_world.CHECKS,
    *lint_rollout.CHECKS)
