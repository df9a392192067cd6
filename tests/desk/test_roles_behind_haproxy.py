"""What is shown of two versions behind an HAProxy that gives the one on trial three quarters of the traffic, in a lab
whose version on trial began an hour ago."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.desk.others import proxy
from tests.desk.whole import Whole, planned, whole
from tests.report.test_text import drawn
from triage.actions.plan import Action
from triage.actions.system import Wish
from triage.desk.actions import ActionDesk
from triage.live.snapshot import Snapshot
from triage.signals.model import ModelState
from triage.signals.reading import Verdict

MODEL = "fraud-scorer"


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Whole]:
    with ExitStack() as stack:
        running = stack.enter_context(whole("canary-latency", tmp_path))
        stack.enter_context(proxy(running.folder, {"m7": 25, "m8": 75}))
        yield running
        await running.leave()


async def opened(lab: Whole, names: Sequence[str] = ("7", "8"), **spec: Any) -> tuple[ActionDesk, Snapshot, ModelState]:
    """The model, whose manifest calls its versions by ``names``."""
    backend = {"kind": "haproxy", "name": "fraud", "servers": {names[0]: ["m7"], names[1]: ["m8"]}}
    desk = await lab.desk(MODEL, context={"haproxy": {"socket": "admin.sock"}}, spec={"rollout": backend, **spec})
    snapshot = desk.snapshot()
    assert snapshot is not None
    model = snapshot.model(MODEL)
    assert model is not None
    return desk, snapshot, model


async def test_the_version_on_trial_stays_the_canary_however_much_it_takes(lab: Whole) -> None:
    for spec, by in (({}, "the manifest's last_known_good"), ({"rollback": {}}, "the registry's alias"),
                     ({"rollback": {}, "registry": {"kind": "none", "name": MODEL}},
                      "the requests, which it served first")):
        desk, snapshot, model = await opened(lab, **spec)
        assert {v.arm: v.version for v in model.versions.items} == {"stable": "7", "canary": "8"}
        assert model.canary is not None
        assert f"which is stable is known by {by}" in " ".join(drawn(snapshot).split())
        plan = (await planned(desk, Wish(Action.ABORT, "it fails"))).plan
        assert (plan.before.version, plan.after.version) == ("8", "7")


async def test_where_nobody_knows_the_roles_the_model_is_unknown_and_no_version_has_one(lab: Whole) -> None:
    _, snapshot, model = await opened(lab, ("70", "80"), rollback={}, registry={"kind": "none", "name": MODEL})
    assert model.verdict is Verdict.UNKNOWN
    assert {v.arm for v in model.versions.items} == {""}
    assert (model.versions.known_from, model.canary) == ("unknown", None)
    told = " ".join(drawn(snapshot).split())
    assert "which of 70 (25 %) and 80 (75 %) is stable, and which on trial, is not known" in told
    assert "which is stable and which on trial is not known" in told
