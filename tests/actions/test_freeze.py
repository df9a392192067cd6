"""Write mode, kill switches and announced freezes."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from triage.actions.freeze import WriteMode, current, write_mode
from triage.config_actions import Freeze


def mode(file: Path, *, write: bool = True, context_allows: bool = False, **environ: str) -> WriteMode:
    return write_mode(write=write, context_allows=context_allows, freeze_file=file, environ=environ)


@pytest.mark.parametrize(("write", "context_allows", "allows"), [
    (False, False, False), (True, False, True), (False, True, True), (True, True, True)])
def test_nothing_is_executed_until_somebody_asked_for_it(tmp_path: Path, write: bool, context_allows: bool,
                                                         allows: bool) -> None:
    assert mode(tmp_path / "freeze", write=write, context_allows=context_allows).allows is allows


@pytest.mark.parametrize(("value", "allows"), [("1", False), ("true", False), ("yes", False), ("anything", False),
                                               ("", True), ("0", True), ("no", True), ("False", True)])
def test_the_variable_goes_before_everything(tmp_path: Path, value: str, allows: bool) -> None:
    found = mode(tmp_path / "freeze", context_allows=True, TRIAGE_READONLY=value)
    assert (found.allows, found.killed) == (allows, not allows)


def test_while_the_freeze_file_exists_nothing_is_executed_and_its_first_line_says_why(tmp_path: Path) -> None:
    file = tmp_path / "freeze"
    file.write_text("AFD incident \x1b[31m, ask ana\nmore\n")
    found = mode(file)
    assert (found.allows, found.killed) == (False, True)
    assert found.sentence == f"{file} exists: nothing is executed: AFD incident ␛[31m, ask ana"
    file.unlink()
    assert mode(file).allows


@pytest.mark.parametrize("make", [lambda p: p.mkdir(), lambda p: p.symlink_to("nowhere"), lambda p: p.touch()])
def test_whatever_lies_in_its_place_freezes(tmp_path: Path, make: object) -> None:
    make(tmp_path / "freeze")  # type: ignore[operator]
    assert mode(tmp_path / "freeze").killed


def test_a_freeze_file_that_cannot_be_looked_for_is_a_doubt_and_no_freeze(tmp_path: Path) -> None:
    found = mode(tmp_path / ("x" * 300))
    assert found.allows
    assert "cannot be looked for: File name too long" in found.doubt


def test_announced_freezes_are_on_between_start_and_end_for_their_models() -> None:
    freeze = Freeze(start="2026-12-24T00:00:00+01:00", end="2026-12-27T00:00:00+01:00", reason="quiet days",
                    models=["fraud-scorer"])
    start, end = freeze.starts_at, freeze.ends_at
    assert (end - start, current([freeze], "fraud-scorer", start - 1)) == (3 * 86400.0, ())
    assert current([freeze], "fraud-scorer", start)[0].endswith("quiet days")
    assert current([freeze], "fraud-scorer", end) == ()
    assert current([freeze], "churn-ranker", start) == ()


@pytest.mark.parametrize(("start", "end", "words"), [
    ("2026-12-24", "2026-12-27", "no moment with its zone"), ("soon", "later", "no moment"),
    ("2026-12-27T00:00:00Z", "2026-12-24T00:00:00Z", "not after its start")])
def test_a_freeze_says_exactly_when(start: str, end: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Freeze(start=start, end=end, reason="x")
