"""What was acknowledged, or broken glass for, counts for what was read and not for what the same guard finds later."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actions.building import NOW, circumstances, executor, lineage, model, proven, rollout, slo, snapshot
from tests.actions.building import observed as seen
from triage.actions.circumstances import Circumstances
from triage.actions.guards import check
from triage.actions.guards.checking import Checked, Verdict
from triage.actions.history import Outcome
from triage.actions.plan import PLAN_SECONDS, Action
from triage.actions.steps import Confirmation, Prepared, Step, objections, still_read
from triage.actions.system import Wish
from triage.config_actions import Freeze
from triage.facts.outcome import SourceState
from triage.facts.versions import ApprovalStatus
from triage.live.snapshot import Snapshot

OLD, OLDER = snapshot(at=NOW - 300), snapshot(at=NOW - 420)
NO_PROMETHEUS = snapshot(prometheus=SourceState.DOWN)
NOT_APPROVED = snapshot(model(lineage=lineage(ApprovalStatus.NONE)))
PENDING = snapshot(model(lineage=lineage(ApprovalStatus.PENDING)))
MISSES = snapshot(model(lineage=lineage(ApprovalStatus.NONE), slos=(slo(good=0.99),)))
FREEZES = [Freeze(start="2020-01-01T00:00:00Z", end="2099-01-01T00:00:00Z", reason=why) for why in ("sale", "audit")]


def confirmed(shown: Circumstances, now: Circumstances) -> tuple[str, ...]:
    """What stands against ``now`` when all was typed that ``shown`` asked for."""
    read = check(shown)
    said = Confirmation(shown.plan.confirmation, frozenset(c.acknowledgement for c in read if c.acknowledgement), "why")
    assert objections(shown.plan, read, said, PLAN_SECONDS) == ()
    return objections(shown.plan, check(now), said, PLAN_SECONDS, read)


@pytest.mark.parametrize(("shown", "now"), [
    ({"snapshot": OLD}, {"snapshot": OLDER}),
    ({"snapshot": NOT_APPROVED}, {"snapshot": NOT_APPROVED, "proven": proven(5.9 * 86400)}),
    ({"snapshot": MISSES}, {"snapshot": snapshot(model(lineage=lineage(ApprovalStatus.NONE), slos=(slo(good=0.98),)))}),
    # One objection less is no other one.
    ({"snapshot": MISSES}, {"snapshot": NOT_APPROVED}),
    ({"snapshot": OLD}, {})])
def test_numbers_that_move_on_are_the_finding_that_was_read(shown: dict[str, Any], now: dict[str, Any]) -> None:
    assert confirmed(circumstances(**shown), circumstances(**now)) == ()


@pytest.mark.parametrize(("shown", "now", "words"), [
    ({"snapshot": OLD}, {"snapshot": NO_PROMETHEUS}, "facts has to be acknowledged: prometheus"),
    ({"snapshot": NOT_APPROVED}, {"snapshot": PENDING}, "known-good has to be acknowledged"),
    ({"snapshot": NOT_APPROVED}, {"snapshot": MISSES}, "misses objectives as well"),
    ({}, {"snapshot": NOT_APPROVED}, "known-good has to be acknowledged"),
    ({"policy": replace(circumstances().policy, freezes=(FREEZES[0],))},
     {"policy": replace(circumstances().policy, freezes=(FREEZES[1],))}, "freeze has to be acknowledged"),
    ({"observed": seen(rollout(managed_by="Flux"))}, {"observed": seen(rollout(managed_by="Argo CD"))},
     "gitops has to be acknowledged")])
def test_another_finding_of_the_same_guard_has_to_be_read_first(shown: dict[str, Any], now: dict[str, Any],
                                                                words: str) -> None:
    [objection] = confirmed(circumstances(**shown), circumstances(**now))
    assert words in objection


def test_glass_is_broken_for_what_stood_there() -> None:
    fine = circumstances(Action.ROLLBACK)
    rejected = circumstances(Action.ROLLBACK, snapshot=snapshot(model(lineage=lineage(ApprovalStatus.REJECTED))))
    [objection] = confirmed(fine, rejected)
    assert objection.startswith("known-good: v7 is not good: rejected")
    assert confirmed(rejected, rejected) == ()


def checked(name: str, *kinds: str, verdict: Verdict = Verdict.CANNOT_TELL) -> Checked:
    return Checked(name, verdict, "it is so", "" if verdict is Verdict.OK else name, True, frozenset(kinds))


@given(st.sets(st.sampled_from("abc"), min_size=1), st.sets(st.sampled_from("abc"), min_size=1))
def test_typed_words_stay_while_all_that_a_guard_finds_was_there_when_they_were_typed(
        shown: set[str], now: set[str]) -> None:
    words = frozenset({"facts", "other"})
    kept = still_read(words, (checked("facts", *shown), checked("other", "x")),
                      (checked("facts", *now), checked("other", "x")))
    assert kept == (words if now <= shown else {"other"})


def test_a_word_does_not_outlast_a_guard_that_was_content_meanwhile() -> None:
    words, well = frozenset({"facts"}), checked("facts", "ok", verdict=Verdict.OK)
    assert still_read(words, (checked("facts", "old"),), (well,)) == words
    assert still_read(words, (well,), (checked("facts", "old"),)) == frozenset()


async def carried_out(folder: Path, shown: Snapshot, then: Snapshot) -> Step:
    of, now = executor(folder), [shown]
    of.snapshot = lambda: now[0]
    prepared = await of.prepare(Wish(Action.ROLLBACK, "it fails", "7"))
    assert isinstance(prepared, Prepared), prepared
    now[0] = then
    said = Confirmation(prepared.plan.confirmation, frozenset(prepared.acknowledgements))
    steps = [step async for step in of.carry_out(prepared, said)]
    return next(step for step in steps if step.outcome is not None)


async def test_the_executor_sends_nothing_on_what_was_typed_for_another_finding(tmp_path: Path) -> None:
    refused = await carried_out(tmp_path / "a", OLD, NO_PROMETHEUS)
    assert refused.outcome is Outcome.REFUSED
    assert "facts has to be acknowledged: prometheus does not answer" in refused.sentence
    assert (await carried_out(tmp_path / "b", OLD, OLDER)).outcome is not Outcome.REFUSED
