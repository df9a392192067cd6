"""Log files: read from their ends, while they are written, rotated and emptied."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.config_sources import LogFiles
from triage.facts.logs import Level, LogLines, LogQuestion, StackTraces
from triage.facts.outcome import Failure, FailureKind
from triage.sources.logs import backwards
from triage.sources.logs.backwards import Allowance, lines_backwards, log_files
from triage.sources.logs.files import LogFileSource

NOW = 1_795_400_000.0
TRACE = 'Traceback (most recent call last):\n  File "/app/s.py", line 1, in predict\n    f()\nValueError: a'


def record(seconds_ago: float, **content: Any) -> str:
    return json.dumps({"ts": NOW - seconds_ago, "model": "fraud", **content}) + "\n"


def question(**wanted: Any) -> LogQuestion:
    return LogQuestion(**{"model": "fraud", "since": NOW - 3600.0, "until": NOW, **wanted})


def source(path: Path, **settings: Any) -> LogFileSource:
    return LogFileSource(LogFiles.model_validate({"kind": "lines", "path": str(path), **settings}), path)


async def lines(path: Path, settings: dict[str, Any] | None = None, **wanted: Any) -> LogLines:
    answer = await source(path, **(settings or {})).lines(question(**wanted))
    assert isinstance(answer, LogLines), answer
    return answer


def messages(answer: LogLines) -> list[str]:
    return [line.message for line in answer.lines]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "fraud.log"
    path.write_text(
        record(50, msg="served", version="7", level="info")
        + record(40, msg="failed", version="8", level="error", request_id="r-1", exc_info=TRACE)
        + record(30, msg="other", model="churn")
        + record(20, msg="odd", version="8", level="warn", trace_id="r-1", detail="Amount"))
    return path


async def test_the_newest_lines_of_the_model_come_first(log: Path) -> None:
    answer = await lines(log)
    assert messages(answer) == ["odd", "failed", "served"]
    assert answer.complete
    assert answer.lines[0].labels == {"model": "fraud", "detail": "Amount"}


@pytest.mark.parametrize(("wanted", "found"), [
    ({"version": "8"}, ["odd", "failed"]), ({"request_id": "r-1"}, ["odd", "failed"]),
    ({"level": Level.WARNING}, ["odd", "failed"]), ({"level": Level.ERROR}, ["failed"]), ({"text": "AMOUNT"}, ["odd"]),
    ({"text": "valueerror"}, ["failed"]), ({"version": "8", "text": "served"}, []),
    ({"since": NOW - 40}, ["odd", "failed"]), ({"until": NOW - 40}, ["served"]), ({"model": "churn"}, ["other"])])
async def test_lines_are_filtered(log: Path, wanted: dict[str, Any], found: list[str]) -> None:
    assert messages(await lines(log, **wanted)) == found


async def test_more_than_the_limit_is_not_complete(log: Path) -> None:
    answer = await lines(log, limit=1)
    assert (messages(answer), answer.complete) == (["odd"], False)


async def test_stack_traces_are_grouped(log: Path) -> None:
    answer = await source(log).traces(question())
    assert isinstance(answer, StackTraces)
    [trace] = answer.traces
    assert (trace.exception, trace.count, trace.last_seen, answer.lines_read) == ("ValueError", 1, NOW - 40, 1)


async def test_a_line_that_is_being_written_is_left_for_the_next_time(log: Path) -> None:
    with log.open("a") as writing:
        writing.write(record(10, msg="late")[:-9])
    assert messages(await lines(log)) == ["odd", "failed", "served"]


async def test_a_last_line_without_an_end_that_is_whole_counts(log: Path) -> None:
    with log.open("a") as writing:
        writing.write(record(10, msg="late").rstrip())
    assert messages(await lines(log))[0] == "late"


async def test_a_traceback_printed_between_lines_is_one_line_with_the_time_of_the_line_before(log: Path) -> None:
    with log.open("a") as writing:
        writing.write(f"{TRACE}\n" + record(5, msg="restarted"))
    answer = await lines(log)
    assert messages(answer) == ["restarted", "ValueError: a", "odd", "failed", "served"]
    assert (answer.lines[1].at, answer.lines[1].stack) == (NOW - 20, TRACE)


async def test_rotated_files_are_read_on_and_compressed_ones_are_named(log: Path, tmp_path: Path) -> None:
    (tmp_path / "fraud.log.1").write_text(record(100, msg="older"))
    (tmp_path / "fraud.log-20261122").write_text(record(200, msg="oldest"))
    (tmp_path / "fraud.log.3.gz").write_bytes(gzip.compress(record(300, msg="packed").encode()))
    (tmp_path / "fraud.login").write_text(record(1, msg="not a log"))
    answer = await lines(log)
    assert messages(answer) == ["odd", "failed", "served", "older", "oldest"]
    assert (answer.complete, answer.remarks) == (False, ("1 compressed file not read",))


async def test_files_that_have_not_changed_since_are_not_opened(log: Path, tmp_path: Path) -> None:
    old = tmp_path / "fraud.log.1"
    old.write_text(record(100, msg="older"))
    os.utime(old, (NOW - 9000, NOW - 9000))
    assert "older" not in messages(await lines(log))


async def test_between_the_two_steps_of_a_rotation_the_renamed_file_is_read(log: Path, tmp_path: Path) -> None:
    log.rename(tmp_path / "fraud.log.1")
    assert messages(await lines(log)) == ["odd", "failed", "served"]


async def test_a_file_with_two_names_is_read_once(log: Path, tmp_path: Path) -> None:
    os.link(log, tmp_path / "fraud.log.1")
    assert messages(await lines(log)) == ["odd", "failed", "served"]


async def test_the_files_of_a_folder_are_merged_by_time(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(record(40, msg="a1") + record(10, msg="a2"))
    (tmp_path / "b.ndjson").write_text(record(30, msg="b1") + record(20, msg="b2"))
    (tmp_path / "c.txt").write_text(record(5, msg="no log"))
    os.mkfifo(tmp_path / "d.log")
    (tmp_path / "e.log").mkdir()
    (tmp_path / "f.log").symlink_to(tmp_path / "gone")
    assert messages(await lines(tmp_path)) == ["a2", "b2", "b1", "a1"]
    assert messages(await lines(tmp_path, limit=2)) == ["a2", "b2"]


async def test_a_path_with_the_model_in_it_needs_no_model_in_the_lines(tmp_path: Path) -> None:
    (tmp_path / "fraud").mkdir()
    (tmp_path / "fraud" / "out.log").write_text('{"msg": "no time"}\nplain\n')
    path = tmp_path / "{model}"
    answer = await lines(path)
    assert [(line.message, line.at) for line in answer.lines] == [("plain", None), ("no time", None)]
    sampled = await source(path).sample(question())
    assert isinstance(sampled, LogLines)
    assert messages(sampled) == ["plain", "no time"]


@pytest.mark.parametrize("model", ["../fraud", ".hidden", "a/b", "a\0b", "\ud800"])
async def test_a_model_cannot_name_a_path(tmp_path: Path, model: str) -> None:
    answer = await source(tmp_path / "{model}.log").lines(question(model=model))
    assert isinstance(answer, Failure)
    assert answer.kind is FailureKind.NOT_FOUND


async def test_what_is_not_there_is_told_in_words(tmp_path: Path) -> None:
    answer = await source(tmp_path / "none.log").traces(question())
    assert isinstance(answer, Failure)
    assert (answer.kind, answer.hint) == (FailureKind.NOT_FOUND, "check logs.path")
    assert str(tmp_path / "none.log") in answer.message


async def test_a_file_that_may_not_be_read_is_named_and_the_others_are_read(
        log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked.log").write_text(record(1, msg="locked"))
    opening = os.open

    def guarded(path: Path, flags: int) -> int:
        # Tests may run as root, whom no file mode stops.
        if path.name == "locked.log":
            raise PermissionError(13, "Permission denied", str(path))
        return opening(path, flags)
    monkeypatch.setattr(os, "open", guarded)
    answer = await lines(tmp_path)
    assert (messages(answer)[0], answer.remarks) == ("odd", ("1 of 2 files may not be read",))
    refused = await source(tmp_path / "locked.log").lines(question())
    assert isinstance(refused, Failure)
    assert refused.kind is FailureKind.FORBIDDEN


async def test_no_more_is_read_than_allowed_and_the_newest_of_all_files_first(tmp_path: Path) -> None:
    (tmp_path / "loud.log").write_text("".join(record(1000 - i, model="churn", msg="x" * 100) for i in range(5000)))
    (tmp_path / "ours.log").write_text(record(5, msg="ours"))
    answer = await lines(tmp_path, {"max_read": "64Ki"})
    assert messages(answer) == ["ours"]
    assert not answer.complete
    assert "only the last 0.0625 MiB were read" in answer.remarks[0]


async def test_a_line_too_long_to_read_is_left_out_and_said_so(log: Path) -> None:
    with log.open("a") as writing:
        writing.write(record(10, msg="x" * 400_000) + record(5, msg="late"))
    answer = await lines(log)
    assert messages(answer) == ["late", "odd", "failed", "served"]
    assert answer.remarks == ("1 line too long to read",)


async def test_hostile_bytes_are_cleaned(log: Path) -> None:
    with log.open("ab") as writing:
        writing.write(b'{"ts": %d, "model": "fraud", "msg": "\\u001b]52;c;x\\u0007 \xff\xfe"}\n' % (NOW - 5))
    assert messages(await lines(log))[0] == "␛]52;c;x␇ ��"


async def test_a_file_of_something_else_is_left_and_named(tmp_path: Path) -> None:
    (tmp_path / "access.log").write_text("10.0.0.1 GET /predict 200\n" * 5_000)
    (tmp_path / "ours.log").write_text(record(5, msg="ours"))
    answer = await lines(tmp_path)
    assert (messages(answer), answer.remarks) == (["ours"], ("1 file without lines of JSON",))


async def test_reading_goes_on_while_files_are_written_and_rotated(tmp_path: Path) -> None:
    path = tmp_path / "fraud.log"
    path.write_text(record(3000, msg="first"))
    ended = threading.Event()

    def write() -> None:
        for i in range(300):
            with path.open("a") as writing:
                writing.write(record(2000 - i, msg=f"line {i}"))
            if i % 50 == 49:
                path.rename(tmp_path / f"fraud.log.{i}")
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = 0
    try:
        while not ended.is_set():
            found = messages(await lines(path, limit=1000))
            assert len(found) == len(set(found))
            assert len(found) >= min(seen, 1)
            seen = len(found)
    finally:
        writer.join()
    assert messages(await lines(path, limit=1000)) == [f"line {i}" for i in reversed(range(300))] + ["first"]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch") / "raw"


IDS = st.sampled_from(["r-1", "r-2", "é", "a/b", 'q"', "", "r"])
RECORDS = st.lists(st.fixed_dictionaries({
    "request_id": IDS, "trace_id": IDS, "model": st.sampled_from(["fraud", "churn"]),
    "version": st.sampled_from(["7", "8", 8, "8.1"]), "msg": st.sampled_from(["served", "Failed", TRACE]),
    "level": st.sampled_from(["info", "ERROR", "error2", "odd", 50, 30, "50"])}), max_size=80)


@given(RECORDS, IDS, st.sampled_from(["", "8"]), st.sampled_from([Level.UNKNOWN, Level.ERROR]),
       st.sampled_from(["", "fail"]), st.booleans(), st.sampled_from([(", ", ": "), (",", ":")]), st.booleans())
async def test_filters_find_what_looking_at_every_line_finds(
        scratch: Path, records: list[dict[str, Any]], request_id: str, version: str, level: Level, text: str,
        ascii_only: bool, spaces: tuple[str, str], docker: bool) -> None:
    def written(content: dict[str, Any]) -> str:
        return json.dumps(content, ensure_ascii=ascii_only, separators=spaces) + "\n"

    whole = [written({"ts": NOW - 900 + i, "n": i, **each}) for i, each in enumerate(records)]
    scratch.write_text("".join(written({"log": text, "stream": "stderr"}) if docker else text for text in whole))
    wanted = question(request_id=request_id, version=version, level=level, text=text, limit=1000)
    expected = [str(i) for i, each in reversed(list(enumerate(records))) if each["model"] == "fraud"
                and request_id in ("", each["request_id"], each["trace_id"]) and version in ("", str(each["version"]))
                and (level is Level.UNKNOWN or each["level"] in ("ERROR", "error2", 50, "50"))
                and (not text or text in each["msg"].lower())]
    answer = await source(scratch).lines(wanted)
    assert isinstance(answer, LogLines)
    assert [line.labels["n"] for line in answer.lines] == expected
    traces = await source(scratch).traces(wanted)
    assert isinstance(traces, StackTraces)
    assert traces.lines_read == sum(records[int(i)]["msg"] == TRACE for i in expected)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    path = tmp_path / "raw"
    path.touch()
    descriptor = os.open(path, os.O_RDONLY)
    yield path, descriptor
    os.close(descriptor)


def test_a_file_that_is_emptied_while_it_is_read_ends_the_reading(opened: tuple[Path, int]) -> None:
    path, descriptor = opened
    path.write_text("".join(f"line {i}\n" for i in range(20_000)))
    allowance = Allowance(10**9)
    reading = lines_backwards(descriptor, path.stat().st_size, allowance)
    assert [next(reading), next(reading)] == [b"", b"line 19999"]
    path.write_text("")
    assert all(line.startswith(b"line") for line in reading)
    assert allowance.shrunk


@given(st.lists(st.binary(max_size=60).map(lambda b: b.replace(b"\n", b"")), max_size=40), st.integers(1, 50),
       st.booleans())
def test_lines_backwards_are_the_lines_of_the_file_whatever_the_pieces(
        scratch: Path, written: list[bytes], piece: int, whole: bool) -> None:
    content = b"\n".join(written) + (b"\n" if whole else b"")
    scratch.write_bytes(content)
    descriptor = os.open(scratch, os.O_RDONLY)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(backwards, "PIECE", piece)
            found = list(lines_backwards(descriptor, len(content), Allowance(10**6)))
    finally:
        os.close(descriptor)
    assert found[::-1] == (content.split(b"\n") if content else [])


@given(st.lists(st.integers(0, 300), min_size=1, max_size=12), st.integers(1, 64), st.integers(1, 100))
def test_lines_over_the_longest_are_left_out_and_counted(
        scratch: Path, lengths: list[int], piece: int, longest: int) -> None:
    written = [b"x" * length for length in lengths]
    scratch.write_bytes(b"".join(line + b"\n" for line in written))
    descriptor = os.open(scratch, os.O_RDONLY)
    allowance = Allowance(10**6)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(backwards, "PIECE", piece)
            patch.setattr(backwards, "LONGEST_LINE", longest)
            found = list(lines_backwards(descriptor, scratch.stat().st_size, allowance))
    finally:
        os.close(descriptor)
    assert len(found) - 1 + allowance.overlong == len(written)
    assert [line for line in written if len(line) <= longest] == [line for line in found[:0:-1] if len(line) <= longest]


def test_only_the_files_changed_last_are_read(tmp_path: Path) -> None:
    for i in range(70):
        path = tmp_path / f"{i}.log"
        path.touch()
        os.utime(path, (NOW + i, NOW + i))
    found = log_files(tmp_path, 0.0)
    assert [path.name for path in found.paths] == [f"{i}.log" for i in range(69, 5, -1)]
    assert found.left_out == ("only the 64 files changed last are read, of 70",)
