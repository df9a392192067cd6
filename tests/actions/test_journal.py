"""The journal: written ahead, private, in a chain; and what ``verify`` finds of every way to spoil it."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from triage.actions.anchors import PUT_SECONDS, Checkpoint, FileAnchor, SyslogAnchor
from triage.actions.journal import Journal, JournalError, Kind, Origin
from triage.actions.journal_verify import ExpectedHead, Integrity, Verified, verify
from triage.clock import ManualClock
from triage.state_dir import StateDir

HERE = Origin("bastion", "ana", 1000, 4711)


def journal(path: Path, *, anchor: Path | None = None, most_bytes: int = 1_000_000) -> Journal:
    return Journal(StateDir(path), ManualClock(), FileAnchor(anchor) if anchor else None, HERE, most_bytes=most_bytes)


def filled(path: Path, count: int = 6, *, anchor: Path | None = None, most_bytes: int = 1_000_000) -> Journal:
    found = journal(path, anchor=anchor, most_bytes=most_bytes)
    for index in range(count):
        found.append(Kind.INTENT, f"action-{index}", {"request": index, "text": "résumé \x1b]0;x\x07"})
    return found


def verified(of: Journal, expected: ExpectedHead | None = None) -> Verified:
    return verify(of.files(), None if of.anchor is None else of.anchor.read(), expected)


@pytest.fixture(scope="module")
def sample() -> Iterator[tuple[tuple[str, bytes], ...]]:
    with TemporaryDirectory() as folder:
        yield filled(Path(folder) / "j", most_bytes=900).files()


def test_what_is_appended_is_read_back_in_a_chain_that_begins_with_its_opening(tmp_path: Path) -> None:
    found = filled(tmp_path / "j", 2).records()
    assert [(r.seq, r.kind, r.action_id) for r in found] == [
        (1, "opened", ""), (2, "intent", "action-0"), (3, "intent", "action-1")]
    assert found[1].prev == found[0].hash
    assert found[2].fields["text"] == "résumé \x1b]0;x\x07"


def test_the_file_holds_no_byte_that_a_terminal_obeys_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    filled(tmp_path / "j", 1)
    file = tmp_path / "j" / "journal-000001.jsonl"
    assert all(byte == 10 or 32 <= byte < 127 for byte in file.read_bytes())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_untouched_journal_is_intact_and_says_that_nothing_is_anchored(tmp_path: Path) -> None:
    found = verified(filled(tmp_path / "j"))
    assert (found.integrity, found.records, found.unanchored, found.findings) == (Integrity.INTACT, 7, 7, ())


def test_a_file_elsewhere_anchors_every_record(tmp_path: Path) -> None:
    found = verified(filled(tmp_path / "j", anchor=tmp_path / "far" / "checkpoints"))
    assert (found.integrity, found.unanchored) == (Integrity.INTACT, 0)


def test_files_are_linked_by_their_heads(tmp_path: Path) -> None:
    of = filled(tmp_path / "j", 8, most_bytes=900)
    assert len(of.files()) > 2
    assert verified(of).integrity is Integrity.INTACT
    assert [r.seq for r in of.records()] == list(range(1, 10))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_changed_byte_is_found(sample: tuple[tuple[str, bytes], ...], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(sample) - 1))
    name, content = sample[index]
    at = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != content[at]))
    changed = (*sample[:index], (name, content[:at] + bytes([byte]) + content[at + 1:]), *sample[index + 1:])
    assert verify(changed, None).integrity is Integrity.TAMPERED


def _lines(sample: tuple[tuple[str, bytes], ...]) -> list[tuple[int, bytes]]:
    return [(index, line) for index, (_, content) in enumerate(sample) for line in content.splitlines()]


def _files(sample: tuple[tuple[str, bytes], ...], lines: list[tuple[int, bytes]]) -> list[tuple[str, bytes]]:
    return [(name, b"".join(line + b"\n" for at, line in lines if at == index))
            for index, (name, _) in enumerate(sample)]


@given(st.data())
def test_any_dropped_record_but_the_last_ones_is_found(sample: tuple[tuple[str, bytes], ...],
                                                       data: st.DataObject) -> None:
    lines = _lines(sample)
    del lines[data.draw(st.integers(1, len(lines) - 2))]
    assert verify(_files(sample, lines), None).integrity is Integrity.TAMPERED


@given(st.data())
def test_any_two_swapped_records_are_found(sample: tuple[tuple[str, bytes], ...], data: st.DataObject) -> None:
    lines = _lines(sample)
    a, b = data.draw(st.lists(st.integers(0, len(lines) - 1), min_size=2, max_size=2, unique=True))
    lines[a], lines[b] = (lines[a][0], lines[b][1]), (lines[b][0], lines[a][1])
    assert verify(_files(sample, lines), None).integrity is Integrity.TAMPERED


@given(st.data())
def test_any_repeated_record_is_found(sample: tuple[tuple[str, bytes], ...], data: st.DataObject) -> None:
    lines = _lines(sample)
    lines.insert(data.draw(st.integers(0, len(lines))), data.draw(st.sampled_from(lines)))
    lines.sort(key=lambda item: item[0])
    assert verify(_files(sample, lines), None).integrity is Integrity.TAMPERED


@given(st.binary(max_size=80))
def test_whatever_is_added_at_the_end_is_no_record(sample: tuple[tuple[str, bytes], ...], junk: bytes) -> None:
    name, content = sample[-1]
    found = verify((*sample[:-1], (name, content + junk)), None)
    assert found.records == len(_lines(sample))
    assert found.integrity is Integrity.TAMPERED or found.torn or not junk


def test_a_beginning_that_is_missing_cannot_be_told_from_one_that_was_archived(tmp_path: Path) -> None:
    of = filled(tmp_path / "j", 8, most_bytes=900)
    found = verify(of.files()[1:], None)
    assert found.integrity is Integrity.CANNOT_TELL
    assert "earlier files are not here" in found.findings[0]


def test_a_journal_cut_short_is_unanchored_without_a_second_place_and_found_with_one(tmp_path: Path) -> None:
    of = filled(tmp_path / "j", anchor=tmp_path / "far" / "checkpoints")
    (name, content), = of.files()
    shorter = ((name, b"".join(line + b"\n" for line in content.splitlines()[:4])),)
    alone = verify(shorter, None)
    assert (alone.integrity, alone.records, alone.unanchored) == (Integrity.INTACT, 4, 4)
    assert of.anchor is not None
    compared = verify(shorter, of.anchor.read())
    assert compared.integrity is Integrity.TAMPERED
    assert "the end was cut off" in compared.findings[0]


def test_a_journal_written_anew_contradicts_the_second_place(tmp_path: Path) -> None:
    of = filled(tmp_path / "j", anchor=tmp_path / "far" / "checkpoints")
    assert of.anchor is not None
    anew = filled(tmp_path / "other")
    found = verify(anew.files(), of.anchor.read())
    assert found.integrity is Integrity.TAMPERED
    assert "is another than the second place knows" in found.findings[0]


def test_a_journal_that_is_gone_is_tampered_with_when_the_second_place_knows_of_one() -> None:
    assert verify((), (Checkpoint(3, "a" * 64, 1.0),)).integrity is Integrity.TAMPERED
    assert verify((), None).integrity is Integrity.CANNOT_TELL


def test_a_second_place_that_cannot_be_read_leaves_it_open(tmp_path: Path) -> None:
    of = filled(tmp_path / "j", anchor=tmp_path / "far" / "checkpoints")
    (tmp_path / "far" / "checkpoints").write_bytes(b"nonsense\n")
    found = verified(of)
    assert found.integrity is Integrity.CANNOT_TELL
    assert "line 1 of" in found.findings[0]


@pytest.mark.parametrize("with_number", [True, False])
def test_an_expected_head_is_looked_for(tmp_path: Path, with_number: bool) -> None:
    of = filled(tmp_path / "j")
    record = of.records()[4]
    there = ExpectedHead.parse(f"{record.seq}:{record.hash}" if with_number else record.hash)
    assert (verified(of, there).integrity, verified(of, there).unanchored) == (Integrity.INTACT, 2)
    other = ExpectedHead.parse(f"{record.seq}:{'0' * 64}" if with_number else "0" * 64)
    assert verified(of, other).integrity is Integrity.TAMPERED


@pytest.mark.parametrize("text", ["", "abc", "x" * 64, f"-1:{'a' * 64}", f"{'a' * 64}:1"])
def test_what_is_no_head_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="no head of a journal"):
        ExpectedHead.parse(text)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 10_000))
def test_a_write_that_was_torn_spoils_nothing_and_is_written_down(cut: int) -> None:
    with TemporaryDirectory() as folder:
        of = filled(Path(folder) / "j", 3)
        file = Path(folder) / "j" / "journal-000001.jsonl"
        content = file.read_bytes()
        last = content.splitlines()[-1]
        torn = content[:len(content) - 1 - (cut % len(last))]
        file.write_bytes(torn)
        whole = torn == content[:-1]
        left = verified(of)
        assert (left.integrity, left.records, left.torn) == (Integrity.INTACT, 4 if whole else 3, 0 if whole else 1)
        of.append(Kind.INTENT, "next", {})
        after = verified(of)
        assert (after.integrity, after.records, after.torn) == (Integrity.INTACT, 5 if whole else 4, 0 if whole else 1)
        if not whole:
            changed = bytearray(file.read_bytes())
            changed[torn.rindex(b"\n") + 2] ^= 1
            assert verify(((file.name, bytes(changed)),), None).integrity is Integrity.TAMPERED


def test_a_crash_in_the_first_write_leaves_a_journal_that_can_be_begun(tmp_path: Path) -> None:
    of = journal(tmp_path / "j")
    (tmp_path / "j").mkdir(mode=0o700)
    (tmp_path / "j" / "journal-000001.jsonl").write_bytes(b'{"act')
    (tmp_path / "j" / "journal-000001.jsonl").chmod(0o600)
    of.append(Kind.INTENT, "a", {})
    assert (verified(of).integrity, verified(of).torn) == (Integrity.INTACT, 1)


def test_a_crash_in_the_first_write_of_a_new_file_loses_no_link(tmp_path: Path) -> None:
    of = filled(tmp_path / "j", 4, most_bytes=900)
    name = of.files()[-1][0].replace("0000", "0001")
    (tmp_path / "j" / name).write_bytes(b'{"act')
    (tmp_path / "j" / name).chmod(0o600)
    of.append(Kind.INTENT, "a", {})
    assert (verified(of).integrity, verified(of).torn, verified(of).records) == (Integrity.INTACT, 1, 6)


def test_a_journal_that_cannot_be_written_says_so_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "j").mkdir(mode=0o755)
    with pytest.raises(JournalError, match="open to other users"):
        journal(tmp_path / "j").check()
    with pytest.raises(JournalError, match="open to other users"):
        journal(tmp_path / "j").append(Kind.INTENT, "a", {})


def test_a_symlink_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "j").mkdir(mode=0o700)
    (tmp_path / "j" / "journal-000001.jsonl").symlink_to(tmp_path / "target")
    with pytest.raises(JournalError, match="symlink"):
        journal(tmp_path / "j").check()
    assert not (tmp_path / "target").exists()


def test_a_journal_without_a_record_that_can_be_read_is_not_continued(tmp_path: Path) -> None:
    (tmp_path / "j").mkdir(mode=0o700)
    (tmp_path / "j" / "journal-000001.jsonl").write_bytes(b"nonsense\n")
    (tmp_path / "j" / "journal-000001.jsonl").chmod(0o600)
    with pytest.raises(JournalError, match="no record that can be read"):
        journal(tmp_path / "j").append(Kind.INTENT, "a", {})


def test_checking_writes_no_record(tmp_path: Path) -> None:
    of = filled(tmp_path / "j", 1)
    assert of.check().seq == 2
    assert len(of.records()) == 2
    assert journal(tmp_path / "new").check().seq == 0


def test_a_second_place_that_is_not_reached_is_said_and_stops_nothing(tmp_path: Path) -> None:
    of = journal(tmp_path / "j", anchor=tmp_path / "far" / "checkpoints")
    (tmp_path / "far").mkdir(mode=0o755)
    of.append(Kind.INTENT, "a", {})
    assert "open to other users" in of.anchor_trouble
    (tmp_path / "far").chmod(0o700)
    of.append(Kind.INTENT, "b", {})
    assert of.anchor_trouble == ""
    assert verified(of).unanchored == 0


def locked(path: Path) -> int:
    """A descriptor that keeps ``path`` locked, as a log shipper does."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def test_a_second_place_that_is_locked_is_waited_for_a_moment_only(tmp_path: Path) -> None:
    of = journal(tmp_path / "j", anchor=tmp_path / "far" / "checkpoints")
    holder = locked(tmp_path / "far" / "checkpoints")
    began = time.monotonic()
    of.append(Kind.INTENT, "a", {})
    assert time.monotonic() - began < 2 * PUT_SECONDS + 1
    assert "checkpoints has been locked by another process" in of.anchor_trouble
    os.close(holder)
    of.append(Kind.INTENT, "b", {})
    assert (of.anchor_trouble, verified(of).unanchored, len(of.records())) == ("", 0, 3)


def test_a_second_place_whose_disk_hangs_holds_nothing_up_and_gets_the_next_checkpoint_when_it_is_back(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = filled(tmp_path / "j", 1)
    of.anchor = anchor = FileAnchor(tmp_path / "far" / "checkpoints")
    back, fsync = threading.Event(), os.fsync

    def hangs(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().name == "checkpoints":
            back.wait()
        fsync(descriptor)

    monkeypatch.setattr("triage.state_dir.os.fsync", hangs)
    of.append(Kind.INTENT, "b", {})
    assert "checkpoints has not taken it" in of.anchor_trouble
    began = time.monotonic()
    of.append(Kind.INTENT, "c", {})
    assert "checkpoints still hangs with an earlier checkpoint" in of.anchor_trouble
    assert time.monotonic() - began < PUT_SECONDS / 2
    back.set()
    while "hangs" in (said := anchor.put(Checkpoint(4, of.records()[-1].hash, 1.0))):
        time.sleep(0.001)
    assert said == ""
    assert verified(of).unanchored == 0


def test_the_system_log_learns_number_and_head_and_one_that_is_missing_is_said(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    assert "takes nothing" in SyslogAnchor(path).put(Checkpoint(1, "a" * 64, 1.0))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(path)
        log.settimeout(5)
        assert SyslogAnchor(path).put(Checkpoint(12, "a" * 64, 1.0)) == ""
        assert log.recv(1000) == f"<37>triage: journal checkpoint seq=12 head={'a' * 64}".encode()
    assert SyslogAnchor(path).read() is None


def _write(path: str, writer: int) -> None:
    of = journal(Path(path))
    for index in range(20):
        of.append(Kind.INTENT, f"{writer}-{index}", {})


def test_processes_side_by_side_make_one_chain(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_write, args=(str(tmp_path / "j"), writer)) for writer in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    found = verified(journal(tmp_path / "j"))
    assert (found.integrity, found.records) == (Integrity.INTACT, 61)


def test_fields_of_the_record_itself_cannot_be_given(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="own fields: seq"):
        journal(tmp_path / "j").append(Kind.INTENT, "a", {"seq": 1})
