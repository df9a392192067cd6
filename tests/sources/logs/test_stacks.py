"""Stack traces in texts: what is read, and which of them are one."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.facts.logs import Level, LogLine
from triage.sources.logs.answers import traces_answer
from triage.sources.logs.fields import clean_block
from triage.sources.logs.stacks import HINT_PATTERN, Stack, group, read_stack

PYTHON = """Traceback (most recent call last):
  File "/app/fraud_scorer/server.py", line 118, in predict
    scores = self.model(features)
             ^^^^^^^^^^^^^^^^^^^^
  File "/venv/lib/python3.11/site-packages/torch/nn/modules/module.py", line 1511, in _call_impl
    return forward_call(*args, **kwargs)
ValueError: could not convert string to float: ''"""

JAVA = """java.lang.IllegalStateException: scorer is closed
    at ml.serving.Scorer.score(Scorer.java:41)
    at ml.serving.Scorer$$Lambda$14/0x00000008000b5c40.apply(Unknown Source)
    at java.base/java.lang.Thread.run(Thread.java:829)
Caused by: ml.serving.ModelGone: v8
    at ml.serving.Store.load(Store.java:7)
    ... 2 more"""


def known(text: str) -> Stack:
    stack = read_stack(text)
    assert stack is not None
    return stack


def raised(work: Callable[[], object]) -> str:
    try:
        work()
    except Exception:
        return traceback.format_exc()
    raise AssertionError("nothing was raised")


def line(stack: str, at: float | None = 1.0, version: str = "8") -> LogLine:
    return LogLine(at, Level.ERROR, "failed", version, stack=stack)


def test_a_python_traceback_is_read() -> None:
    assert known(PYTHON) == Stack("ValueError", "", "could not convert string to float: ''", (
        "server.py:predict", "torch/nn/modules/module.py:_call_impl"))


def test_a_java_stack_trace_is_read_with_its_root_cause() -> None:
    assert known(JAVA) == Stack("java.lang.IllegalStateException", "ml.serving.ModelGone", "scorer is closed", (
        "Thread.java:java.lang.Thread.run", "Unknown Source:ml.serving.Scorer.apply",
        "Scorer.java:ml.serving.Scorer.score"))


def test_what_the_interpreter_itself_writes_is_read() -> None:
    def inner() -> None:
        raise KeyError("amount")

    assert known(raised(inner)) == Stack("KeyError", "", "'amount'", ("test_stacks.py:raised", "test_stacks.py:inner"))


def test_of_a_chain_the_last_python_exception_came_through_and_the_first_is_its_cause() -> None:
    def chained() -> None:
        try:
            raise TimeoutError("no answer")
        except TimeoutError as error:
            raise RuntimeError("prediction failed") from error

    stack = known(raised(chained))
    assert (stack.exception, stack.cause, stack.message) == ("RuntimeError", "TimeoutError", "prediction failed")


def test_a_group_of_exceptions_is_read_as_the_group_that_came_through() -> None:
    def grouped() -> None:
        raise ExceptionGroup("two failed", [ValueError("a"), TypeError("b")])

    stack = known(raised(grouped))
    assert (stack.exception, stack.message) == ("ExceptionGroup", "two failed (2 sub-exceptions)")
    assert stack.frames == ("test_stacks.py:raised", "test_stacks.py:grouped")


def test_a_recursion_is_the_same_however_deep() -> None:
    def deeper(left: int) -> None:
        if not left:
            raise RecursionError("too deep")
        deeper(left - 1)

    assert known(raised(lambda: deeper(2))).fingerprint == known(raised(lambda: deeper(40))).fingerprint


@pytest.mark.parametrize("text", ["", "all is well", "at home (or not)", "look at the list (of 3)", "Traceback",
                                  'File "/app/x.py", line 3, in f', "ValueError: nothing above me"])
def test_words_are_no_stack_trace(text: str) -> None:
    assert read_stack(text) is None


def test_a_trace_that_was_cut_off_has_frames_and_no_exception() -> None:
    cut = PYTHON[:PYTHON.index("ValueError")]
    assert known(cut) == Stack("", "", "", known(PYTHON).frames)


def test_a_trace_in_the_middle_of_an_indented_message_is_read() -> None:
    text = "request failed\n" + "\n".join("    " + part for part in PYTHON.split("\n"))
    assert known(text) == known(PYTHON)


@pytest.mark.parametrize("text", [PYTHON, JAVA])
def test_whatever_holds_a_trace_is_hinted_at_also_as_a_string_of_json(text: str) -> None:
    escaped = text.replace("    at ", "\tat ").replace("\n", "\\n").replace("\t", "\\t").replace('"', '\\"')
    assert HINT_PATTERN.search(text)
    assert HINT_PATTERN.search(escaped)


NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
FRAMES = st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=8)
WORDS = st.text(st.characters(blacklist_categories=["C", "Z"]), max_size=30)


def written(frames: list[tuple[str, str]], lines: list[int], error: str, message: str, folder: str) -> str:
    places = "".join(f'  File "{folder}/{file}.py", line {number}, in {function}\n    work()\n'
                     for (file, function), number in zip(frames, lines, strict=False))
    return f"Traceback (most recent call last):\n{places}{error}: {message}"


@given(FRAMES, st.lists(st.integers(1, 9999), min_size=16, max_size=16), WORDS, WORDS)
def test_line_numbers_folders_and_messages_do_not_tell_traces_apart(
        frames: list[tuple[str, str]], numbers: list[int], one: str, other: str) -> None:
    first = known(written(frames, numbers[:8], "ValueError", one, "/app"))
    second = known(written(frames, numbers[8:], "ValueError", other, "/srv/venv"))
    assert first.fingerprint == second.fingerprint


@given(FRAMES, FRAMES, st.sampled_from(["ValueError", "a.b.Error"]), st.sampled_from(["ValueError", "a.b.Error"]))
def test_types_and_frames_tell_traces_apart(one: list[tuple[str, str]], other: list[tuple[str, str]], first: str,
                                            second: str) -> None:
    a = known(written(one, [1] * 8, first, "x", "/app"))
    b = known(written(other, [1] * 8, second, "x", "/app"))
    assert (a.fingerprint == b.fingerprint) == ((a.exception, a.frames) == (b.exception, b.frames))
    assert len(a.frames) == len([f for i, f in enumerate(one) if i == 0 or one[i - 1] != f])


@given(st.text(max_size=300))
def test_no_text_breaks_the_reading(text: str) -> None:
    for hostile in (text, f"Traceback (most recent call last):\n{text}", f"{text}\n\tat a.b(C.java:1)\n{text}"):
        read_stack(clean_block(hostile, 1000))


@given(st.lists(st.tuples(st.sampled_from([PYTHON, JAVA, ""]), st.none() | st.floats(0, 1e9),
                          st.sampled_from(["7", "8", ""])), max_size=30))
def test_groups_hold_every_line_with_a_trace_once(
        drawn: list[tuple[str, float | None, str]]) -> None:
    lines = [line(*each) for each in drawn]
    traces, fragments = group(lines)
    assert fragments == 0
    assert sum(trace.count for trace in traces) == sum(bool(each.stack) for each in lines)
    assert len({trace.fingerprint for trace in traces}) == len(traces)
    for trace in traces:
        own = [each for each in lines if each.stack == trace.example.stack]
        times = [each.at for each in own if each.at is not None]
        assert (trace.first_seen, trace.last_seen) == ((min(times), max(times)) if times else (None, None))
        assert trace.example.at == trace.last_seen
        assert dict(trace.versions) == {version: sum(each.version == version for each in own)
                                        for version in {each.version for each in own}}


def test_the_newest_group_comes_first_and_the_most_frequent_version() -> None:
    traces, _ = group([line(PYTHON, 10.0), line(JAVA, 20.0, "7"), line(JAVA, 5.0), line(JAVA, 6.0)])
    assert [trace.exception for trace in traces] == ["java.lang.IllegalStateException", "ValueError"]
    assert traces[0].versions == (("8", 2), ("7", 1))


def test_single_lines_of_a_trace_are_fragments_and_no_failures_of_their_own() -> None:
    pieces = [PYTHON.split("\n")[0], *(part for part in JAVA.split("\n") if part.startswith("    at"))]
    traces, fragments = group([line(piece) for piece in pieces])
    assert (traces, fragments) == ((), len(pieces))
    assert "multiline" in traces_answer([line(pieces[0])], True).remarks[0]


def test_a_fingerprint_is_twelve_hexadecimal_digits() -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", known(PYTHON).fingerprint)
