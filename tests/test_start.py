"""The process: what a start costs and imports, and how it ends when something breaks."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from tests.commands import EXAMPLES, NOWHERE, run
from triage.errors import TriageError


@pytest.mark.parametrize("words", [("status", "--format", "json"), ("status",), ("check", "fraud-scorer")])
def test_reports_do_not_import_textual(words: tuple[str, ...]) -> None:
    code = ("import sys\nfrom triage.cli import cli\ntry:\n    cli.main(sys.argv[1:], prog_name='triage')\n"
            "except SystemExit:\n    pass\n"
            "print(*(n for n in ('textual', 'pandas', 'triage.report.text') if n in sys.modules), file=sys.stderr)")
    done = subprocess.run([sys.executable, "-c", code, *words, "--notebooks", str(EXAMPLES), "--prometheus", NOWHERE],
                          capture_output=True, text=True, check=True)
    # httpx brings rich along for a command of its own, so that it is not asked for here.
    assert done.stderr.splitlines()[-1].split() == ([] if "json" in words else ["triage.report.text"])


def test_a_start_imports_nothing_heavy(capsys: pytest.CaptureFixture[str]) -> None:
    code = ("import sys\nfrom triage.cli import cli\n"
            "print(*(n for n in ('pydantic', 'yaml', 'httpx', 'rich', 'textual', 'asyncio') if n in sys.modules))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
    spent = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "triage", "--version"], capture_output=True, check=True)
        spent.append(time.perf_counter() - began)
    with capsys.disabled():
        print(f"\ntriage --version: {sorted(spent)[2] * 1000:.0f} ms (median of 5)")


def test_a_reader_that_went_away_ends_the_command_silently() -> None:
    done = subprocess.run(["/bin/sh", "-c", '"$0" -m triage notebook schema | true', sys.executable],
                          capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_output_that_cannot_be_encoded_is_spelt_instead_of_failing() -> None:
    done = subprocess.run([sys.executable, "-m", "triage", "doctor", "--prometheus", NOWHERE], capture_output=True,
                          check=False, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (2, b"")
    assert b"x prometheus  down" in done.stdout


def test_a_fault_of_our_own_ends_with_70_and_cleaned_words(monkeypatch: pytest.MonkeyPatch) -> None:
    import triage.notebook.schema

    def broken() -> None:
        raise RuntimeError("\x1b]52;c;aGk=\x07")
    monkeypatch.setattr(triage.notebook.schema, "schema", broken)
    result = run("notebook", "schema")
    assert result.exit_code == 70
    assert "\x1b" not in result.stderr
    assert "a fault in triage itself" in result.stderr


def test_an_error_of_triage_ends_with_its_own_code_and_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    import triage.notebook.schema

    class Odd(TriageError):
        exit_code = 5

    def refused() -> None:
        raise Odd("it does not go", "do this\nor that")
    monkeypatch.setattr(triage.notebook.schema, "schema", refused)
    result = run("notebook", "schema")
    assert (result.exit_code, result.stderr) == (5, "triage: it does not go\n  do this\n  or that\n")


def test_the_first_frame_waits_for_nothing_heavy() -> None:
    code = ("import sys\nimport triage.cli, triage.live.feed, triage.tui.app\n"
            "print(*(n for n in ('pydantic', 'yaml', 'httpx', 'numpy', 'pandas', 'triage.signals.model', "
            "'triage.signals.drift_model', 'triage.signals.histogram', 'triage.facts.samples', 'triage.facts.logs') "
            "if n in sys.modules))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
