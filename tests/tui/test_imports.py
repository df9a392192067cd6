"""The screen stands before anything heavy is loaded."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("httpx", "pydantic", "yaml", "numpy", "pandas", "rich.markdown", "prometheus_api_client", "click",
         "textual.widgets._markdown", "textual.widgets._data_table")


def test_the_program_imports_nothing_heavy() -> None:
    code = f"import sys, triage.tui.app; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_only_the_screens_know_textual() -> None:
    code = ("import sys, triage.tui.alert_link, triage.tui.line, triage.tui.look, triage.tui.layout, triage.tui.plot, "
            "triage.tui.view, triage.tui.plain, triage.tui.details, triage.tui.clipboard; "
            "print('textual' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
