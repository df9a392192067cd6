"""What a runner passes on of a cell's output: a verdict has room of its own, and whatever is left out is counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cells.books import C, run, write
from triage.cells import words
from triage.cells.outputs import RESULT, CellVerdict, Raised
from triage.cells.protocol import Outcome
from triage.cells.results import CellRun, Run
from triage.cells.runner.arrivals import Arrivals
from triage.cells.runner.output import CellOutput

LIMITS = {"output_bytes": 100, "rich_bytes": 1_000, "stop_bytes": 10_000_000}
FAIL = {RESULT: {"id": "v", "status": "fail", "message": "bad"}}


class Heard:
    """What a runner would have said."""

    def __init__(self, **limits: int) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.output = CellOutput(lambda kind, **content: self.said.append((kind, content)), {**LIMITS, **limits})

    def of(self, kind: str) -> list[dict[str, Any]]:
        self.output.flush()
        return [content for said, content in self.said if said == kind]

    @property
    def dropped(self) -> dict[str, int]:
        return (self.of("dropped") or [{"bytes": 0, "outputs": 0, "verdicts": 0, "lost": 0}])[-1]


def test_a_verdict_after_an_output_that_is_too_large_is_told() -> None:
    heard = Heard()
    heard.output.bundle({"image/png": "A" * 2_000})
    heard.output.bundle(FAIL)
    assert heard.of("output") == [{"data": FAIL}]
    assert (heard.dropped["outputs"], heard.dropped["bytes"], heard.dropped["verdicts"]) == (1, 2_009, 0)


def test_what_is_left_out_takes_no_room_from_what_comes_after() -> None:
    heard = Heard()
    heard.output.bundle({"text/html": "A" * 2_000})
    heard.output.bundle({"text/plain": "small"})
    assert heard.of("output") == [{"data": {"text/plain": "small"}}]


def test_of_an_output_that_is_too_large_its_verdict_is_told_alone() -> None:
    heard = Heard()
    heard.output.bundle({**FAIL, "image/png": "A" * 2_000})
    assert heard.of("output") == [{"data": FAIL}]
    assert heard.dropped == {"bytes": 2_009, "outputs": 0, "verdicts": 0, "lost": 0}


@pytest.mark.parametrize("put_out", [
    lambda output: [output.bundle({**FAIL, RESULT: {"status": "fail", "message": "m" * 30_000}})],
    lambda output: [output.bundle(FAIL) for _ in range(201)]])
def test_a_verdict_that_is_too_large_or_one_too_many_is_counted(put_out: Callable[[CellOutput], object]) -> None:
    heard = Heard()
    put_out(heard.output)
    assert heard.dropped["verdicts"] == 1


def test_outputs_beyond_the_first_five_hundred_are_counted_and_a_verdict_after_them_is_told() -> None:
    heard = Heard(rich_bytes=1_000_000)
    for number in range(700):
        heard.output.bundle({"text/plain": str(number)})
    heard.output.bundle(FAIL)
    assert len(heard.of("output")) == 501
    assert heard.of("output")[-1] == {"data": FAIL}
    assert heard.dropped["outputs"] == 200
    assert len(heard.of("dropped")) == 1


def test_changes_between_two_streams_are_limited_too() -> None:
    heard = Heard(output_bytes=1_000_000)
    for _ in range(600):
        heard.output.stream("stdout", "a")
        heard.output.stream("stderr", "b")
    assert len(heard.of("stream")) == 500
    # The last one goes on.
    assert heard.dropped == {"bytes": 350, "outputs": 0, "verdicts": 0, "lost": 0}


def test_text_is_cut_at_its_limit_and_the_rest_is_counted() -> None:
    heard = Heard()
    heard.output.stream("stdout", "x" * 90)
    heard.output.stream("stdout", "y" * 90)
    assert "".join(each["text"] for each in heard.of("stream")) == "x" * 90 + "y" * 10
    assert heard.dropped["bytes"] == 80


def test_the_first_exception_is_told_whatever_came_before_and_others_are_charged() -> None:
    heard = Heard()
    heard.output.bundle({"text/plain": "A" * 900})
    for _ in range(5):
        heard.output.error("E", "v" * 100, ["row" * 100])
    assert [len(each["traceback"][0]) for each in heard.of("error")] == [300]
    assert heard.dropped["outputs"] == 4


def test_a_long_exception_is_cut_and_what_is_cut_is_counted() -> None:
    heard = Heard()
    heard.output.error("E", "v" * 50_000, ["first", "r" * 50_000])
    error, = heard.of("error")
    assert (len(error["value"]), [len(row) for row in error["traceback"]]) == (8_000, [16_000])
    assert heard.dropped["bytes"] == 100_006 - 24_001


@pytest.mark.parametrize("flood", [lambda output: output.bundle({"text/plain": ""}),
                                   lambda output: output.error("E", "", []), lambda output: output.stream("x", "")])
def test_many_small_messages_are_a_flood_too(flood: Callable[[CellOutput], None]) -> None:
    heard = Heard(stop_bytes=50_000)
    for _ in range(49):
        flood(heard.output)
    assert not heard.output.flooded.is_set()
    flood(heard.output)
    assert heard.output.flooded.is_set()
    heard.output.begin()
    assert not heard.output.flooded.is_set()


@given(st.lists(st.sampled_from(["small", "large", "verdict", "text", "other"]), max_size=60))
def test_no_verdict_is_left_out_and_every_character_is_told_or_counted(kinds: list[str]) -> None:
    heard = Heard()
    put_out = {"small": 60, "large": 2_000, "verdict": 0, "text": 40, "other": 40}
    for kind in kinds:
        if kind == "verdict":
            heard.output.bundle(FAIL)
        elif kind in ("text", "other"):
            heard.output.stream(kind, "t" * 40)
        else:
            heard.output.bundle({"": "A" * put_out[kind]})
    told = sum(len(each["text"]) for each in heard.of("stream"))
    told += sum(len(each["data"].get("", "")) for each in heard.of("output"))
    assert told + heard.dropped["bytes"] == sum(put_out[kind] for kind in kinds)
    assert sum(RESULT in each["data"] for each in heard.of("output")) == kinds.count("verdict")


@given(st.lists(st.integers(1, 40), unique=True, max_size=20), st.permutations(range(41, 46)))
def test_messages_that_never_came_leave_gaps(lost: list[int], last: list[int]) -> None:
    arrivals = Arrivals()
    arrivals.reply("s_1_0")
    arrivals.begin()
    for number in range(1, 41):
        if number not in lost:
            arrivals.came(f"s_1_{number}")
    for number in last:
        arrivals.came(f"s_1_{number}")
    arrivals.came("s_77_500")
    arrivals.came("no-number")
    assert arrivals.lost() == len(lost)
    arrivals.begin()
    arrivals.came("s_1_46")
    assert arrivals.lost() == 0


def test_of_a_kernel_that_does_not_number_its_messages_nothing_is_said() -> None:
    arrivals = Arrivals()
    arrivals.reply("a-b-c")
    arrivals.begin()
    arrivals.came("d-e-f")
    assert arrivals.lost() == 0


def cell(**missing: Any) -> CellRun:
    return CellRun("a", "", "asked", "", Outcome.FINISHED, **missing)


PASS = CellVerdict("v", "pass", "good")


@pytest.mark.parametrize(("found", "status"), [
    (cell(), None), (cell(dropped_bytes=5), None), (cell(dropped_outputs=1), "unknown"),
    (cell(dropped_outputs=1, outputs=(PASS,)), "pass"), (cell(dropped_verdicts=1, outputs=(PASS,)), "unknown"),
    (cell(lost=1), "unknown"), (cell(lost=1, outputs=(PASS,)), "unknown"),
    (cell(lost=1, outputs=(CellVerdict("v", "fail", ""),)), "fail")])
def test_what_may_have_been_decided_and_is_not_here_is_unknown(found: CellRun, status: str | None) -> None:
    done = Run("r", "m", ("a",), (found,), "ended", (), 0.0)
    assert (found.status, done.status) == (status, status)


@pytest.mark.parametrize(("found", "said"), [
    (cell(dropped_bytes=4_100_000, dropped_outputs=2),
     "unknown: 4.1 MB of its output were dropped, 2 outputs whole; what is here holds no verdict"),
    (cell(dropped_verdicts=1, outputs=(PASS,)),
     "unknown: 1 verdict left out, too many or too large"),
    (cell(lost=1_200, outputs=(PASS,)), "unknown: 1,200 messages of its kernel lost, maybe with a verdict"),
    (cell(dropped_bytes=40), "finished, without a verdict")])
def test_the_headline_says_what_is_missing(found: CellRun, said: str) -> None:
    assert words.headline(Run("r", "m", ("a",), (found,), "ended", (), 0.0)) == said


def test_a_flood_of_outputs_arrives_with_the_verdict_behind_it(tmp_path: Path) -> None:
    """With a real kernel, which publishes faster than anybody reads."""
    notebook = write(tmp_path, C("a", "for i in range(3000): display(i)\n"
                                 "display({'application/vnd.triage.result+json': {'status': 'fail'}}, raw=True)"))
    found, = run(notebook, "a").cells
    assert (found.status, len(found.outputs), found.dropped_outputs, found.lost) == ("fail", 501, 2500, 0)


def test_an_error_that_was_forged_is_not_the_end_of_the_cell(tmp_path: Path) -> None:
    notebook = write(tmp_path, C("a", "k = get_ipython().kernel\n"
                                 "k.send_response(k.iopub_socket, 'error', {'ename': 5, 'traceback': 5})\n"
                                 "k.send_response(k.iopub_socket, 'stream', {})"))
    found, = run(notebook, "a").cells
    assert (found.outcome, [type(each) for each in found.outputs][:1]) == (Outcome.FINISHED, [Raised])
