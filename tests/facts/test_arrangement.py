"""Which questions are read together."""

from __future__ import annotations

from triage.facts.arrangement import HOUR, ArrangedReplies, arranged, arrangement
from triage.facts.replies import MODEL, UNASKED, Part, Question

ASKED = (Question("success", 0, Part.TOTAL, 6 * HOUR), Question("success", 0, Part.GOOD, 6 * HOUR),
         Question("success", 0, Part.GOOD, 300.0), Question("success", 0, Part.SAMPLED_AT),
         Question("success", 0, Part.RECORDED, 24 * HOUR), Question("latency", 1, Part.BUCKETS, HOUR),
         Question(MODEL, 0, Part.FIRST_SEEN, 24 * HOUR))


def test_windows_ascend_and_what_is_good_stands_before_all_events() -> None:
    counted = arranged(ASKED).counted("success", 0)
    assert list(counted) == [300.0, 6 * HOUR]
    assert [question.part for question in counted[6 * HOUR]] == [Part.GOOD, Part.TOTAL]
    assert arranged(ASKED).counted("success", 1) == {}


def test_long_windows_are_those_over_an_hour_with_what_rules_recorded() -> None:
    long = arranged(ASKED).long
    assert {q.part for q in long["success", 0]} == {Part.GOOD, Part.TOTAL, Part.RECORDED}
    assert {q.window_seconds for q in long["success", 0]} == {6 * HOUR, 24 * HOUR}
    assert long["latency", 1] == ()


def test_histograms_newest_samples_and_versions_are_found() -> None:
    found = arranged(ASKED)
    assert found.buckets == {("latency", 1): (ASKED[5],)}
    assert found.dated == (ASKED[3],)
    assert found.seen == {(0, Part.FIRST_SEEN): ASKED[6]}


def test_replies_bring_their_arrangement_and_others_are_arranged_by_their_questions() -> None:
    plain = dict.fromkeys(ASKED, UNASKED)
    known = ArrangedReplies(plain, arranged(ASKED))
    assert known == plain
    assert arrangement(known) is arranged(ASKED)
    assert arrangement(plain) is arranged(ASKED)
