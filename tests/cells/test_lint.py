"""The linter of notebook files: every rule finds its fault with its line, and lets what is right pass."""

from __future__ import annotations

import ast
import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cells.books import C, ipynb, write
from triage.cells import lint as linter
from triage.cells.lint import LARGE_OUTPUT_BYTES, lint, lint_cells
from triage.errors import Finding

ABOUT = {"purpose": "Why?", "effects": "none"}
GOOD = (C("parameters", "LIMIT = 1", ["parameters"], None), C("ask", "print(LIMIT)", about=ABOUT))
PINNED = "  environment: {python: '3.11', requirements: requirements.txt}\n"
TOKEN = "ghp_" + "a1B2c3D4e5" * 4


def found(folder: Path, *cells: C, content: Any = None, requirements: str = "pandas==3.1.1\n",
          more: str = PINNED) -> tuple[Finding, ...]:
    (folder / "requirements.txt").write_text(requirements)
    return lint_cells(write(folder, *cells, content=content, notebook=more))


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.code for finding in findings]


@dataclass(frozen=True)
class Given:
    """A notebook: cells beside the good ones, and what is done to the file and around it."""

    more: Sequence[C] = ()
    cells: Sequence[C] = GOOD
    requirements: str = "pandas==3.1.1\n"
    manifest: str = PINNED
    edit: Callable[[dict[str, Any]], object] = id
    files: Mapping[str, str] = field(default_factory=dict)

    def findings(self, folder: Path) -> tuple[Finding, ...]:
        content = ipynb(*self.cells, *self.more)
        self.edit(content)
        for name, text in self.files.items():
            (folder / name).write_text(text)
        return found(folder, content=content, requirements=self.requirements, more=self.manifest)


def printed(size: int) -> Callable[[dict[str, Any]], object]:
    """The second cell keeps an output of so many characters."""
    return lambda content: content["cells"][1].update(
        outputs=[{"output_type": "stream", "name": "stdout", "text": "x" * size}])


NEEDY = C("truncate", "rows = 0", about={**ABOUT, "effects": "truncates the view"})
SHA = hashlib.sha256(b"pinned").hexdigest()
RULES: Mapping[str, tuple[Given, Given]] = {
    "secret": (Given([C("x", f'token = "{TOKEN}"', [])]), Given([C("x", 'token = os.environ["TOKEN"]', [])])),
    "mutable-data": (Given([C("x", 'd = "s3://lake/latest/x.parquet"', [])]),
                     Given([C("x", 'd = "s3://lake/snap-2026-11-02/x.parquet"', [])])),
    "digest-mismatch": (Given(manifest=PINNED + f"  data: [{{name: x, uri: x.csv, sha256: {SHA}}}]\n",
                              files={"x.csv": "changed"}),
                        Given(manifest=PINNED + f"  data: [{{name: x, uri: x.csv, sha256: {SHA}}}]\n",
                              files={"x.csv": "pinned"})),
    "outputs-not-stripped": (Given(edit=printed(1)), Given()),
    "large-output": (Given(edit=printed(LARGE_OUTPUT_BYTES)), Given(edit=printed(LARGE_OUTPUT_BYTES - 500))),
    "no-parameters-cell": (Given(cells=[C("ask", "print(1)", about=ABOUT)]), Given()),
    "two-parameters-cells": (Given([C("x", "B = 1", ["parameters"], None)]), Given([C("x", "B = 1", [], None)])),
    "unpinned-environment": (Given(requirements="pandas>=3\n"), Given(requirements="pandas==3.1.1\n")),
    "unproven": (Given([C("x", "print(rows)", about=ABOUT)]),
                 Given([C("rows", "rows = LIMIT", [], None), C("x", "print(rows)", about=ABOUT)])),
    "unknown-requires": (Given([C("x", "1", about={**ABOUT, "requires": ["gone"]})]),
                         Given([C("x", "1", about={**ABOUT, "requires": ["ask"]})])),
    "hidden-effects": (Given([NEEDY, C("x", "print(rows)", about=ABOUT)]),
                       Given([NEEDY, C("x", "print(rows)", about={**ABOUT, "effects": "truncates the view"})])),
    "no-purpose": (Given([C("x", "1", about={"effects": "none"})]), Given([C("x", "1", about=ABOUT)])),
    "no-effects": (Given([C("x", "1", about={"purpose": "Why?"})]), Given([C("x", "1", about=ABOUT)])),
    "unknown-alert": (Given([C("x", "1", about={**ABOUT, "answers": ["Slwo"]})],
                            manifest=PINNED + "  alerts: {page: [Slow]}\n"),
                      Given([C("x", "1", about={**ABOUT, "answers": ["Slow"]})],
                            manifest=PINNED + "  alerts: {page: [Slow]}\n")),
    "language": (Given(edit=lambda content: content.update(metadata={"language_info": {"name": "R"}})), Given())}
"""By the code of a rule: what it is there for, and the nearest thing that is right."""


@pytest.mark.parametrize("code", RULES)
def test_every_rule_finds_its_fault_and_lets_the_nearest_right_thing_pass(tmp_path: Path, code: str) -> None:
    wrong, right = RULES[code]
    (tmp_path / "wrong").mkdir()
    (tmp_path / "right").mkdir()
    assert codes(wrong.findings(tmp_path / "wrong")).count(code) == 1
    assert code not in codes(right.findings(tmp_path / "right"))


def test_there_is_no_rule_without_both() -> None:
    place = {"_said": 4, "Finding": 6, "finding": 3}
    calls = [node for node in ast.walk(ast.parse(Path(linter.__file__).read_text())) if isinstance(node, ast.Call)]
    names = [(call, getattr(call.func, "id", getattr(call.func, "attr", ""))) for call in calls]
    given = {each.value for call, name in names if name in place and len(call.args) > place[name]
             and isinstance(each := call.args[place[name]], ast.Constant)}
    assert given == set(RULES)


def test_a_notebook_that_is_right_has_no_findings(tmp_path: Path) -> None:
    assert found(tmp_path, *GOOD) == ()


@pytest.mark.parametrize("row", [
    f'token = "{TOKEN}"', 'password = "hunter2hunter2"', 'url = "postgres://reader:s3cretword@db/x"',
    'key = "AKIAIOSFODNN7EXAMPLE"', '# eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N'])
def test_a_secret_in_a_source_is_an_error_that_does_not_repeat_it(tmp_path: Path, row: str) -> None:
    findings = found(tmp_path, *GOOD, C("bad", f"x = 1\n{row}", []))
    assert codes(findings) == ["secret"]
    assert findings[0].severity == "error"
    assert findings[0].line is not None
    said = findings[0].sentence()
    assert not [part for part in (TOKEN, "hunter2", "s3cretword", "AKIAIOSFODNN7EXAMPLE", "dozjgNry") if part in said]


@pytest.mark.parametrize("row", [
    'token = os.environ["TOKEN"]', 'password = getpass()', "x = 1", 'digest = "' + "0123456789abcdef" * 4 + '"',
    'api_key = "hunter2hunter2"  # pragma: allowlist secret', 'url = "https://example.org/a:b"'])
def test_what_is_no_secret_passes(tmp_path: Path, row: str) -> None:
    assert "secret" not in codes(found(tmp_path, *GOOD, C("fine", row, [])))


def test_a_secret_in_an_output_is_found_and_a_picture_is_none(tmp_path: Path) -> None:
    content = ipynb(*GOOD)
    picture = base64.b64encode(bytes(range(256)) * 40).decode()
    content["cells"][1]["outputs"] = [{"output_type": "display_data", "metadata": {}, "data": {"image/png": picture}}]
    assert codes(found(tmp_path, content=content)) == ["outputs-not-stripped"]
    content["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": [f"{TOKEN}\n"]}]
    assert codes(found(tmp_path, content=content)) == ["outputs-not-stripped", "secret"]


def test_kept_outputs_and_large_ones_are_told(tmp_path: Path) -> None:
    content = ipynb(*GOOD)
    content["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 200_000}]
    findings = found(tmp_path, content=content)
    assert codes(findings) == ["large-output", "outputs-not-stripped"]
    assert "0.2 MB" in findings[0].message


def test_an_execution_count_alone_tells_of_an_earlier_run(tmp_path: Path) -> None:
    content = ipynb(*GOOD)
    content["cells"][0]["execution_count"] = 7
    assert codes(found(tmp_path, content=content)) == ["outputs-not-stripped"]


def test_cells_without_a_parameters_cell_are_told(tmp_path: Path) -> None:
    assert codes(found(tmp_path, C("ask", "print(1)", about=ABOUT))) == ["no-parameters-cell"]
    assert codes(found(tmp_path, *GOOD, C("again", "LIMIT = 2", ["parameters"], None))) == ["two-parameters-cells"]


def test_a_notebook_without_cells_to_run_needs_neither_parameters_nor_an_environment(tmp_path: Path) -> None:
    assert found(tmp_path, C("train", "model = 1", [], None), more="") == ()


def test_a_cell_says_its_question_and_what_it_changes(tmp_path: Path) -> None:
    assert codes(found(tmp_path, *GOOD, C("silent", "1", about=None))) == ["no-effects", "no-purpose"]


def test_a_cell_that_changes_nothing_but_needs_one_that_does_is_an_error(tmp_path: Path) -> None:
    cells = (C("truncate", "rows = 0", about={**ABOUT, "effects": "truncates the view"}),
             C("look", "print(rows)", about=ABOUT))
    [finding] = found(tmp_path, *GOOD, *cells)
    assert (finding.code, finding.severity) == ("hidden-effects", "error")
    assert finding.message == "says that it changes nothing, but needs truncate: truncates the view"


def test_an_alert_that_the_manifest_does_not_have_is_told(tmp_path: Path) -> None:
    cell = C("late", "1", about={**ABOUT, "answers": ["Slow", "Slwo"]})
    findings = found(tmp_path, *GOOD, cell, more=PINNED + "  alerts: {page: [Slow]}\n")
    assert [finding.message for finding in findings] == ["answers the alert Slwo, which spec.alerts does not have"]


@pytest.mark.parametrize(("source", "said"), [
    ("print(nobody)", "nothing above defines nobody"), ("%timeit f()", "it uses a magic or a shell command"),
    ("exec('LIMIT')", "it calls exec()")])
def test_prerequisites_that_cannot_be_proven_are_an_error_that_requires_mends(tmp_path: Path, source: str,
                                                                             said: str) -> None:
    findings = found(tmp_path, *GOOD, C("doubtful", source, about=ABOUT))
    assert codes(findings) == ["unproven"]
    assert said in findings[0].message
    assert findings[0].severity == "error"
    assert found(tmp_path, *GOOD, C("doubtful", source, about={**ABOUT, "requires": ["parameters"]})) == ()


def test_a_requirement_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    findings = found(tmp_path, *GOOD, C("lost", "1", about={**ABOUT, "requires": ["gone"]}))
    assert codes(findings) == ["unknown-requires"]


@pytest.mark.parametrize(("source", "said"), [
    ('d = read("s3://lake/latest/x.parquet")', "may be something else tomorrow"),
    ('d = read("https://example.org/data.csv")', "may be something else tomorrow"),
    ('d = read("/srv/data/x.csv")', "which other machines do not have"),
    ('d = read("~/x.parquet")', "which other machines do not have"),
    ('d = read("data/x.csv")', "which spec.data does not pin")])
def test_data_by_a_reference_that_moves_is_told(tmp_path: Path, source: str, said: str) -> None:
    findings = found(tmp_path, *GOOD, C("load", f"def read(p): ...\n{source}", [], None))
    assert codes(findings) == ["mutable-data"]
    assert said in findings[0].message


@pytest.mark.parametrize("source", [
    'd = read("s3://lake/snap-2026-11-02/x.parquet")', 'd = read("s3://lake/x.csv?versionId=abc")',
    'd = read("data/pinned.csv")', 'print("see data in x.csv")', 'page = get("https://example.org/")'])
def test_data_by_a_fixed_reference_passes(tmp_path: Path, source: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/pinned.csv").write_text("")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    more = PINNED + f"  data: [{{name: pinned, uri: data/pinned.csv, sha256: {empty}}}]\n"
    assert found(tmp_path, *GOOD, C("load", source, [], None), more=more) == ()


def test_a_data_file_that_is_not_the_pinned_one_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("changed")
    more = PINNED + f"  data: [{{name: x, uri: x.csv, sha256: {'0' * 64}}}]\n"
    findings = found(tmp_path, *GOOD, more=more)
    assert codes(findings) == ["digest-mismatch"]
    assert findings[0].field == "spec.data[0].sha256"


@pytest.mark.parametrize("row", ["pandas", "pandas>=2", "pandas==3.*", "git+https://example.org/x.git"])
def test_a_requirement_without_an_exact_version_is_told_with_its_line(tmp_path: Path, row: str) -> None:
    findings = found(tmp_path, *GOOD, requirements=f"# exact versions\nnumpy==2.4.6\n{row}\n")
    assert [(f.code, f.line) for f in findings] == [("unpinned-environment", 3)]


def test_exact_requirements_pass_in_every_spelling(tmp_path: Path) -> None:
    rows = ("pandas[excel]==3.1.1 ; python_version > '3.10'\nnumpy==2.4.6 \\\n    --hash=sha256:abc\n-r more.txt\n"
            "x @ https://example.org/x-1.whl\n")
    assert found(tmp_path, *GOOD, requirements=rows) == ()


def test_no_environment_and_installing_in_a_cell_are_told(tmp_path: Path) -> None:
    assert codes(found(tmp_path, *GOOD, more="")) == ["unpinned-environment"]
    assert codes(found(tmp_path, *GOOD, C("more", "%pip install -q evidently", [], None))) == ["unpinned-environment"]


def test_a_file_that_is_no_notebook_is_told_and_none_is_not(tmp_path: Path) -> None:
    notebook = write(tmp_path, *GOOD)
    (tmp_path / "notebook.ipynb").write_text("{")
    assert codes(lint_cells(notebook)) == ["json"]
    (tmp_path / "notebook.ipynb").unlink()
    assert lint_cells(notebook) == ()


def test_every_notebook_below_a_folder_is_linted(tmp_path: Path) -> None:
    write(tmp_path / "a", C("ask", "print(1)", about=ABOUT))
    assert codes(lint(tmp_path)) == ["no-parameters-cell", "unpinned-environment"]
