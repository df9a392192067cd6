"""The linter of notebook files: what is in them that should not be, and cells that nobody could rely on at night.

Secrets in sources and text outputs are found by detect-secrets, with the detectors that know a form or a name; those
that only measure randomness are left out, because digests and pictures are as random as keys.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from triage.cells.choosing import choose, prerequisites
from triage.cells.document import DIAGNOSTIC, NO_EFFECTS, Book, Cell, read_book
from triage.errors import Finding, InvalidDocument
from triage.notebook.load import Notebook, is_file, load_all
from triage.notebook.secrets import looks_like
from triage.text import clean

CRITICAL = "critical"
LARGE_OUTPUT_BYTES = 100_000
_DETECTORS = ("ArtifactoryDetector", "AWSKeyDetector", "AzureStorageKeyDetector", "BasicAuthDetector",
              "CloudantDetector", "DiscordBotTokenDetector", "GitHubTokenDetector", "GitLabTokenDetector",
              "IbmCloudIamDetector", "IbmCosHmacDetector", "JwtTokenDetector", "KeywordDetector", "MailchimpDetector",
              "NpmDetector", "OpenAIDetector", "PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector",
              "SlackDetector", "SoftlayerDetector", "SquareOAuthDetector", "StripeDetector", "TelegramBotTokenDetector",
              "TwilioKeyDetector")
_ALLOWED = re.compile(r"pragma:\s*allowlist secret")
_DATA_FILE = re.compile(r"\.(?:csv|tsv|parquet|feather|arrow|jsonl?|ndjson|pkl|pickle|npy|npz|h5|hdf5|orc|avro|xlsx?)"
                        r"(?:\.(?:gz|bz2|zst|xz))?$", re.IGNORECASE)
_STORE = re.compile(r"^(?:s3a?|gs|gcs|abfss?|adl|wasbs?|hdfs|oss|az|dbfs|r2)://", re.IGNORECASE)
_FIXED = re.compile(r"[?&]versionId=|@[0-9a-f]{7,}|[0-9a-f]{32,}|\bsnap(?:shot)?[-_=/]?\d|\bv(?:ersion)?[-_=]?\d"
                    r"|\d{4}-?\d{2}-?\d{2}", re.IGNORECASE)
_INSTALL = re.compile(r"^\s*[%!]\s*(?:(?:pip|conda|mamba|uv)\b|python\d?\s+-m\s+pip)[^\n]*\binstall\b", re.MULTILINE)
_PINNED = re.compile(r"^[A-Za-z0-9._-]+(?:\[[^\]]*\])?\s*(?:===?\s*[^\s*]+$|@\s*\S+)")
_PIECE, _OVERLAP = 1_000, 200
_MOST_SCANNED = 400_000
"""Characters of one source or output."""
_MOST_REQUIREMENTS = 2_000


def lint(path: Path) -> tuple[Finding, ...]:
    """Errors and warnings of the notebook file of every model notebook at and below ``path``."""
    return tuple(finding for notebook in load_all([path]).notebooks for finding in lint_cells(notebook))


def lint_cells(notebook: Notebook) -> tuple[Finding, ...]:
    """What is wrong with the notebook file of a model notebook; nothing where there is no file."""
    path = notebook.path / notebook.manifest.spec.notebook.path
    if not is_file(path):
        # The linter of the manifest says that it does not exist.
        return ()
    try:
        book = read_book(path)
    except InvalidDocument as error:
        return tuple(error.findings)
    found = [*book.findings, *(finding for check in _CHECKS for finding in check(notebook, book))]
    return tuple(sorted(found, key=lambda f: (f.file, f.line or 0, f.field, f.code)))


def _said(book: Book, cell: Cell | None, message: str, hint: str, code: str, severity: str = "warning") -> Finding:
    return Finding("error" if severity == "error" else "warning", clean(str(book.path)),
                   None if cell is None else cell.line, "" if cell is None else f"cell {cell.id}", message, hint, code)


def _secrets(notebook: Notebook, book: Book) -> Iterator[Finding]:
    from detect_secrets.settings import transient_settings
    with transient_settings({"plugins_used": [{"name": name} for name in _DETECTORS]}):
        found = [(cell, where, what) for cell in book.cells
                 for where, text in (("its source", cell.source), ("its output", _output_text(cell)))
                 if (what := _secret_in(text)) is not None]
    for cell, where, what in found:
        yield _said(book, cell, f"has what looks like {what} in {where}",
                    'remove it and replace the secret: others may have read it. What is none: a comment "pragma: '
                    'allowlist secret" in its line', "secret", "error")


def _secret_in(text: str) -> str | None:
    from detect_secrets.core.scan import scan_line
    for row in _pieces(text[:_MOST_SCANNED]):
        if not row.strip() or _ALLOWED.search(row):
            continue
        known = looks_like(row)
        if known is not None:
            return known
        found = next(iter(scan_line(row)), None)
        if found is not None:
            kind = found.type.removesuffix(" Credentials")
            return "a password" if kind == "Secret Keyword" else f"a secret ({kind})"
    return None


def _pieces(text: str) -> Iterator[str]:
    """Its lines; long ones in pieces that overlap, because the detectors' time grows with the square of a line."""
    for row in text.splitlines():
        for start in range(0, max(1, len(row)), _PIECE - _OVERLAP):
            yield row[start:start + _PIECE]


def _output_text(cell: Cell) -> str:
    """Texts among the outputs; pictures are no text, and look like keys."""
    out: list[str] = []
    for output in cell.outputs:
        out.append(_joined(output.get("text")))
        bundle = output.get("data")
        if isinstance(bundle, Mapping):
            out += [_joined(bundle.get(kind)) for kind in ("text/plain", "text/markdown", "text/html")]
        trace = output.get("traceback")
        out += [str(row) for row in trace] if isinstance(trace, list) else []
    return "\n".join(out)


def _joined(text: Any) -> str:
    return "".join(map(str, text)) if isinstance(text, list) else text if isinstance(text, str) else ""


def _outputs(notebook: Notebook, book: Book) -> Iterator[Finding]:
    kept = [cell for cell in book.cells if cell.outputs or cell.executed]
    if kept:
        yield _said(book, kept[0], f"{len(kept)} cells keep what an earlier run put out" if len(kept) > 1 else
                    "keeps what an earlier run put out",
                    "strip it (nbstripout does): at night it is taken for the present, and it may hold data",
                    "outputs-not-stripped")
    for cell in kept:
        if cell.output_bytes > LARGE_OUTPUT_BYTES:
            yield _said(book, cell, f"keeps {cell.output_bytes / 1e6:.1f} MB of output", "strip it: whoever opens the "
                        "notebook over a slow link waits for it", "large-output")


def _parameters(notebook: Notebook, book: Book) -> Iterator[Finding]:
    count = len(book.tagged("parameters"))
    runnable = _runnable(book)
    if runnable and not count:
        yield _said(book, None, "has no cell tagged parameters", "a cell with the defaults lets runbooks and engineers "
                    "look at another version, feature or time", "no-parameters-cell")
    elif count > 1:
        yield _said(book, book.tagged("parameters")[1], "is the second cell tagged parameters: only the first counts",
                    "keep one", "two-parameters-cells")


def _declared(notebook: Notebook, book: Book) -> Iterator[Finding]:
    alerts = {*notebook.manifest.spec.alerts.page, *notebook.manifest.spec.alerts.ticket}
    if book.language != "python" and _runnable(book):
        yield _said(book, None, f"is written in {book.language}", "only Python cells can be run by triage", "language")
    for cell in _runnable(book):
        if not cell.words.purpose:
            yield _said(book, cell, "does not say which question it answers", "add purpose to its metadata.triage",
                        "no-purpose")
        if cell.words.effects is None:
            yield _said(book, cell, "does not say what it changes, so it is never run in read-only mode",
                        'add "effects": "none" to its metadata.triage where that is true', "no-effects")
        for name in cell.words.answers:
            if alerts and name not in alerts:
                yield _said(book, cell, f"answers the alert {name}, which spec.alerts does not have",
                            "correct its name, or add it to spec.alerts", "unknown-alert")


def _prerequisites(notebook: Notebook, book: Book) -> Iterator[Finding]:
    if book.language != "python":
        return
    for cell in _runnable(book):
        chosen = choose(book, [cell])
        for other in prerequisites(chosen, [cell]):
            if cell.reads_only and other.words.effects not in (None, NO_EFFECTS):
                yield _said(book, cell, f"says that it changes nothing, but needs {other.id}: {other.words.effects}",
                            'say what it changes, or let it need a cell with "effects": "none"', "hidden-effects",
                            "error")
        for wrong in chosen.unknown:
            yield _said(book, cell, wrong.removeprefix(f"{cell.id} "), "requires names ids of cells above",
                        "unknown-requires", "error")
        if chosen.doubts:
            said = "; ".join(doubt.removeprefix(f"{cell.id}: ") for doubt in chosen.doubts[:3])
            yield _said(book, cell, f"cannot be proven to have all that it needs: {said}",
                        "add requires to its metadata.triage", "unproven", "error")


def _data(notebook: Notebook, book: Book) -> Iterator[Finding]:
    pinned = {reference.uri for reference in notebook.manifest.spec.data if reference.sha256 is not None}
    versioned = {reference.uri for reference in notebook.manifest.spec.data if reference.version is not None}
    for cell in book.cells:
        for text in dict.fromkeys(_literals(cell.source)):
            shown = clean(text, limit=80)
            if _STORE.match(text) or (text.startswith(("http://", "https://")) and _DATA_FILE.search(text)):
                if text not in pinned | versioned and not _FIXED.search(text):
                    yield _said(book, cell, f"reads {shown}, which may be something else tomorrow",
                                "name a version of it, or pin it in spec.data", "mutable-data")
            elif _DATA_FILE.search(text) and " " not in text and "{" not in text:
                if text.startswith(("/", "~")):
                    yield _said(book, cell, f"reads {shown}, which other machines do not have",
                                "keep it beside the notebook and pin it in spec.data", "mutable-data")
                elif text not in pinned:
                    yield _said(book, cell, f"reads {shown}, which spec.data does not pin",
                                "add it to spec.data with uri and sha256", "mutable-data")


def _literals(source: str) -> Iterator[str]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
            yield node.value


def _data_files(notebook: Notebook, book: Book) -> Iterator[Finding]:
    for index, reference in enumerate(notebook.manifest.spec.data):
        if reference.sha256 is None or reference.uri is None or "://" in reference.uri:
            continue
        file = notebook.path / reference.uri
        if not is_file(file):
            continue
        try:
            with file.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:
            continue
        if found != reference.sha256:
            yield notebook.document.finding(("spec", "data", index, "sha256"),
                                            f"does not match {reference.uri}: it has {found}",
                                            "restore the file, or pin the new digest after a review", "digest-mismatch")


def _environment(notebook: Notebook, book: Book) -> Iterator[Finding]:
    for cell in book.cells:
        if _INSTALL.search(cell.source):
            yield _said(book, cell, "installs packages while it runs: what it gets changes from day to day",
                        "name them in spec.environment.requirements", "unpinned-environment")
    if not _runnable(book):
        return
    environment = notebook.manifest.spec.environment
    name = environment.requirements if environment is not None else None
    if name is None:
        yield _said(book, None, "does not say which packages its cells need",
                    "add spec.environment with python and a requirements file of exact versions",
                    "unpinned-environment")
        return
    file = notebook.path / name
    try:
        rows = file.read_text("utf-8").splitlines()[:_MOST_REQUIREMENTS]
    except (OSError, UnicodeDecodeError):
        return
    for number, row in enumerate(rows, 1):
        text = row.partition(" #")[0].partition(";")[0].partition("\\")[0].strip()
        text = re.sub(r"\s+--hash=\S+", "", text)
        if text and not text.startswith(("#", "-")) and not _PINNED.match(text):
            yield Finding("warning", clean(str(file)), number, "", f"{clean(text, limit=60)} is not pinned",
                          "write the exact version: name==1.2.3", "unpinned-environment")


def _runnable(book: Book) -> tuple[Cell, ...]:
    return tuple(cell for cell in book.cells if cell.tags & {DIAGNOSTIC, CRITICAL})


_CHECKS: Sequence[Callable[[Notebook, Book], Iterator[Finding]]] = (
    _secrets, _outputs, _parameters, _declared, _prerequisites, _data, _data_files, _environment)
