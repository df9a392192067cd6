"""Reading runbooks: Markdown with steps, every error at once and with its line."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runbook.examples import ALL_IDS, FRONT, TEXT, only, runbook
from triage.errors import InvalidDocument
from triage.runbook.criterion import Limit
from triage.runbook.document import parse_runbook, read_text
from triage.runbook.observe import Signal
from triage.runbook.steps import SECTIONS, Cell, Check, Link, Prose, Question, Wait
from triage.text import clean


def findings(text: str) -> list[tuple[int | None, str, str]]:
    with pytest.raises(InvalidDocument) as error:
        parse_runbook(text, "r.md")
    return [(f.line, f.field, f.code) for f in error.value.findings]


def test_a_runbook_is_its_front_matter_its_sections_and_its_steps() -> None:
    book = runbook()
    assert (book.id, book.title, book.owner, book.reviewed, book.alerts, book.est_minutes) == (
        "slow", "It is slow", "team", "2026-11-01", ("Slow",), 20)
    assert tuple(section.title for section in book.sections) == SECTIONS
    assert book.sections[0].prose == (Prose("It is slow, see the page."),)
    assert tuple(step.id for step in book.steps) == ALL_IDS
    assert [step.number for step in book.steps] == list(range(1, len(ALL_IDS) + 1))
    assert book.links == (Link("https://wiki.example/slow", 14),)


def test_a_step_has_the_title_above_it_the_text_between_and_its_line() -> None:
    step = runbook().steps[0]
    assert (step.title, step.section, step.prose) == ("Is it the canary only?", "Diagnosis",
                                                      (Prose("Stable is well then."),))
    assert TEXT.split("\n")[step.line - 1] == "```triage"
    assert step.does == Check("", Signal("slo", "latency", version="stable"), Limit(">=", 99), on_fail="upstream")


def test_a_list_item_may_be_the_title_and_its_text_is_the_steps() -> None:
    step = runbook().step("moved")
    assert step is not None
    assert (step.title, step.prose) == ("Has a feature moved?", (Prose("Look at the amounts."),))
    assert step.does == Cell("compare-feature", {"FEATURE": "amount"})


def test_items_and_code_that_belong_to_no_step_are_text() -> None:
    book = runbook(f"{FRONT}\n## Diagnosis\n\n### Look\n\n    kubectl get\n\n- first\n- second\n\n"
                   "```sh\nls\n```\n\n```triage\nid: a\nkind: note\n```\n\nafter\n\n### Only words\n\nmore\n")
    assert [(p.text, p.form) for p in book.steps[0].prose] == [
        ("kubectl get", "code"), ("first", "item"), ("second", "item"), ("ls", "code")]
    assert [p.text for p in book.sections[0].prose] == ["after", "Only words", "more"]


def test_durations_of_checks_and_waits_are_written_for() -> None:
    settle, fast = runbook().step("settle"), runbook().step("fast")
    assert settle is not None
    assert settle.does == Wait(600)
    assert fast is not None
    assert isinstance(fast.does, Check)
    assert fast.does.hold_seconds == 600


@pytest.mark.parametrize(("block", "code", "field"), [
    ("id: a\nkind: note\nnurse: x", "extra-forbidden", "step a.nurse"),
    ("id: a\nkind: nota", "kind", "step a"),
    ("id: a", "kind", "step a"),
    ("kind: note", "missing", "step.id"),
    ("id: A b\nkind: note", "value-error", "step A b.id"),
    ("id: a\nkind: note\nid: b", "duplicate-key", "step a.id"),
    ("- a", "kind", "step"),
    ("id: [", "yaml", "step"),
    ("id: a\nkind: assert\nexpect: pass", "value-error", "step a"),
    ("id: a\nkind: assert\nexpr: up\nsignal: slo/x\nexpect: '> 1'", "value-error", "step a"),
    ("id: a\nkind: assert\nexpr: up\nexpect: pass", "value-error", "step a"),
    ("id: a\nkind: assert\nsignal: slo\nexpect: pass", "value-error", "step a"),
    ("id: a\nkind: assert\nsignal: canary\nexpect: '> 1'", "value-error", "step a"),
    ("id: a\nkind: assert\nsignal: slo/x/burn/1h\nexpect: pass", "value-error", "step a"),
    ("id: a\nkind: assert\nsignal: drift\nversion: stable\nexpect: pass", "value-error", "step a"),
    ("id: a\nkind: assert\nsignal: slo/x\nexpect: 99", "value-error", "step a.expect"),
    ("id: a\nkind: wait\nfor: soon", "value-error", "step a.for"),
    ("id: a\nkind: ask\nquestion: x\nchoices: [y]", "too-short", "step a.choices"),
    ("id: a\nkind: ask\nquestion: x\nchoices: [yes, no]\nwhen: soon", "value-error", "step a.when"),
    ("id: a\nkind: action\naction: explode", "literal-error", "step a.action"),
    ("id: a\nkind: approve\nrole: boss", "literal-error", "step a.role"),
    ("id: a\nkind: message\nto: x\ntext: 'hi {name}'", "value-error", "step a"),
    ("id: a\nkind: branch\nchoices: [{when: z failed, goto: y}]", "unknown-step", "step a"),
    ("id: a\nkind: note\nwhen: z failed", "unknown-step", "step a"),
    ("id: a\nkind: note\nwhen: a failed", "forward-condition", "step a"),
])
def test_what_is_wrong_with_a_step_is_said_with_its_place(block: str, code: str, field: str) -> None:
    found = findings(only(block))
    assert (field, code) in [(f, c) for _, f, c in found]
    assert all(line is not None and line >= 14 for line, _, _ in found)


def test_the_way_only_leads_on() -> None:
    text = only("id: a\nkind: note", "id: b\nkind: branch\nchoices: [{when: a passed, goto: a}]")
    assert findings(text) == [(21, "step b", "backward-goto")]


def test_every_error_of_a_runbook_is_said_at_once() -> None:
    text = only("id: a\nkind: nota", "id: b\nkind: note", "id: b\nkind: note\nx: 1").replace("owner: team\n", "")
    assert [code for _, _, code in findings(text)] == ["missing", "kind", "extra-forbidden"]


@pytest.mark.parametrize(("text", "code"), [
    ("# x\n", "front-matter"), (FRONT, "no-steps"), (FRONT.replace("---\n", "", 1), "front-matter"),
    (FRONT.rstrip().rstrip("-"), "front-matter"),
    (f"{FRONT}\n```triage\nid: a\nkind: note\n```\n", "no-title"),
    (only("id: a\nkind: note", "id: a\nkind: note"), "duplicate-step"),
    (only("id: a\nkind: note").replace("\n### Step 1\n", "\n### Step 1\n\n```triage\nid: b\nkind: note\n```\n"),
     "no-title")])
def test_a_runbook_that_lacks_something_is_refused(text: str, code: str) -> None:
    assert code in [found for _, _, found in findings(text)]


def test_foreign_text_is_cleaned_where_it_enters() -> None:
    book = runbook(only("id: a\nkind: ask\nquestion: \"\\e[2J?\"\nchoices: [\"\\u202e\", b]").replace(
        "### Step 1", "### St\x1b]52;c;x\x07ep [@click=app.quit]x[/]"))
    step = book.steps[0]
    assert isinstance(step.does, Question)
    for text in (step.title, step.does.question, *step.does.choices):
        assert text == clean(text)
        assert "\x1b" not in text
    assert "[@click=app.quit]x[/]" in step.title


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    for whole in (text, FRONT + text, only(text.replace("```", ""))):
        with contextlib.suppress(InvalidDocument):
            parse_runbook(whole, "r.md")


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "latin.md").write_bytes(b"---\n\nid: \xe9\n")
    (tmp_path / "large.md").write_bytes(b"x" * 1_000_001)
    for name, code, line in (("none.md", "unreadable", None), ("latin.md", "encoding", 3),
                             ("large.md", "too-large", None)):
        with pytest.raises(InvalidDocument) as error:
            read_text(tmp_path / name, name)
        assert [(f.file, f.code, f.line) for f in error.value.findings] == [(name, code, line)]


BLOCK = "```triage\nid: pods\nkind: note\n```"


def indented(text: str, spaces: int) -> str:
    return "".join(f"{' ' * spaces}{row}\n" for row in text.split("\n"))


@pytest.mark.parametrize("before", ["", "### Something else\n\n"])
def test_a_step_after_a_list_in_its_item_has_the_items_title_and_the_list_as_text(before: str) -> None:
    step, = runbook(f"{FRONT}\n## Diagnosis\n\n{before}1. Check pods\n   - look at a\n   - look at b\n\n"
                    f"{indented(BLOCK, 3)}").steps
    assert (step.title, [prose.text for prose in step.prose]) == ("Check pods", ["look at a", "look at b"])


def test_a_step_deep_in_lists_is_found_and_a_section_may_begin_in_an_item() -> None:
    nested = "".join(f"{' ' * (2 * depth)}- level {depth}\n" for depth in range(25))
    step, = runbook(f"{FRONT}\n## Diagnosis\n\n{nested}\n{indented(BLOCK, 50)}").steps
    assert step.title == "level 24"
    step, = runbook(f"{FRONT}\n- ## Verify\n\n### Look\n\n{BLOCK}\n").steps
    assert (step.section, step.title) == ("Verify", "Look")
