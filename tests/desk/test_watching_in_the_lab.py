"""``triage watch`` on a slow canary: nothing without --write, one rollback with it, none again when restarted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.desk.test_watching import heard, words
from tests.desk.whole import Whole, whole
from triage.actions.history import Outcome
from triage.desk.watching import Said, What

MODEL = "fraud-scorer"
CHANGES = 2
"""Requests of a rollback in a Rollout with a canary: abort, and the template."""


async def watched(lab: Whole, *, sustained: str = "10m", write: bool = True, armed: bool = True,
                  looks: int = 1) -> list[Said]:
    """What a watcher that was just started says, looking so often."""
    rollback = {"policy": "auto", "when": ["rollout_rule"], "last_known_good": "7"}
    canary: dict[str, Any] = {"steps": [10, 25, 50], "bake": "24h", "sustained": sustained}
    desk = await lab.desk(MODEL, write=write, context={"allow_write": True},
                          spec={"rollback": rollback, "canary": canary})
    present = desk.snapshot()
    assert present is not None
    return await heard(desk, *[present] * looks, armed=armed)


async def test_a_canary_that_broke_its_rule_for_long_enough_is_rolled_back_once(tmp_path: Path) -> None:
    with whole("canary-latency", tmp_path) as lab:
        [said] = await watched(lab, write=False, armed=False)
        assert said.what is What.RECOMMENDS
        assert "watching acts only with --write" in said.sentence
        # The trial is a good hour old: what has to last for two has not.
        [said] = await watched(lab, sustained="2h")
        assert said.what is What.WAITS
        assert "and has to last until " in said.sentence
        assert lab.ear.changes == []
        course = await watched(lab, looks=2)
        assert words(course)[0] == "ended", [each.sentence for each in course]
        assert [each.outcome for each in course if each.outcome] == [Outcome.DONE]
        done = list(lab.ear.changes)
        assert len([each for each in done if "rollouts" in each]) == CHANGES
        [again] = await watched(lab)
        assert again.what is What.WAITS
        assert lab.ear.changes == done
        await lab.leave()
