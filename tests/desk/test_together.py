"""Two processes that act on one target at the same moment, with and without a lease between them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from starlette.types import Scope

from tests.commands import process
from tests.desk.site import MODEL, NOT_JUDGED, TARGET, Hold, Site, changes_the_world

PATIENCE_SECONDS = 60.0
KUBERNETES_LEASES = {"leases": {"kind": "kubernetes", "namespace": "ml"}}
Ended = tuple[int, str, str]


def rollback(site: Site) -> tuple[str, ...]:
    """The command line, with everything acknowledged that its plan asks for."""
    return ("act", "rollback", MODEL, "--write", "--confirm", TARGET, "--format", "json", "--config", str(site.config),
            *site.acknowledged())


def begun(site: Site, words: tuple[str, ...], state: Path) -> asyncio.Task[Ended]:
    """A process of its own with a state directory of its own."""
    return asyncio.create_task(process(*words, env={**site.environment, "TRIAGE_STATE": str(state)}))


async def came(hold: Hold) -> None:
    assert await asyncio.to_thread(hold.came.acquire, timeout=PATIENCE_SECONDS)


def told(ended: Ended) -> str:
    """How it ended, by its JSON; the guards' own words where there was no plan to carry out."""
    said = json.loads(ended[1])
    return str(said["sentence"] or said["refusal"]["message"])


async def test_with_one_lease_in_the_cluster_one_sends_and_the_other_says_who_holds_it(
        make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site(actions=KUBERNETES_LEASES, spec=NOT_JUDGED)
    words = await asyncio.to_thread(rollback, site)
    # Both have their plans and ask for the lease at the same moment; whoever gets it keeps it until the other ended.
    asking = Hold(lambda scope: scope["method"] == "POST" and scope["path"].endswith("/leases"))
    sending = Hold(changes_the_world)
    site.gate.hold = asking
    running = [begun(site, words, tmp_path / name) for name in ("a", "b")]
    for _ in running:
        await came(asking)
    site.gate.hold = sending
    asking.open()
    await came(sending)
    [refused], [carries_out] = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    site.gate.hold = None
    sending.open()
    code, _, _ = await carries_out
    assert (refused.result()[0], code) == (2, 0)
    assert "not carried out, nothing was sent: lease: held by " in told(refused.result())
    assert "rollback fraud-scorer to v7" in told(refused.result())
    assert [change.rpartition("/")[2] for change in site.gate.changes] == ["status", "fraud"]
    assert site.ground.split == {"7": 100}


async def test_without_a_lease_between_them_the_server_refuses_the_second_by_its_preconditions(
        make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site(spec=NOT_JUDGED)
    words = await asyncio.to_thread(rollback, site)
    # Both have read everything twice and send at the same moment: only the server can tell them apart.
    sending = Hold(changes_the_world)
    site.gate.hold = sending
    running = [begun(site, words, tmp_path / name) for name in ("a", "b")]
    for _ in running:
        await came(sending)
    site.gate.hold = None
    sending.open()
    ended = sorted(await asyncio.gather(*running), key=lambda each: each[0])
    assert [code for code, _, _ in ended] == [0, 2]
    assert "nothing was changed" in told(ended[1])
    said = json.loads(ended[1][1])
    assert [step["fate"] for step in said["steps"] if step["stage"] == "sent"] == ["refused"]
    assert site.ground.split == {"7": 100}
    # Two aborts came, one was taken; one template was written.
    assert sorted(change.rpartition("/")[2] for change in site.gate.changes) == ["fraud", "status", "status"]
    assert site.ground.rollout["metadata"]["generation"] == 3


async def test_without_a_lease_whoever_comes_a_moment_later_finds_it_changed(
        make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site(spec=NOT_JUDGED)
    words = await asyncio.to_thread(rollback, site)

    def looks_under_its_lease(scope: Scope) -> bool:
        return scope["method"] == "GET" and scope["path"].endswith("/rollouts/fraud") and bool(
            list((tmp_path / "b" / "leases").glob("*.1")))
    looking = Hold(looks_under_its_lease)
    site.gate.hold = looking
    second = begun(site, words, tmp_path / "b")
    await came(looking)
    site.gate.hold = None
    first = await begun(site, words, tmp_path / "a")
    looking.open()
    assert first[0] == 0, first
    assert (await second)[0] == 2
    assert "unchanged: it has changed since the plan was made" in told(await second)
    assert [change.rpartition("/")[2] for change in site.gate.changes] == ["status", "fraud"]
