"""``kill -9`` of ``triage act`` at every point of its order, then the same command again: nothing happens twice, and
nothing is called done that nobody saw."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.types import Scope

from tests.commands import run
from tests.desk.site import MODEL, NOT_JUDGED, TARGET, Gate, Hold, Site, changes_the_world
from triage.actions.history import Deed, Outcome, history_of
from triage.actions.journal import Kind, Origin
from triage.actions.journal_verify import Integrity, verify
from triage.actions.opening import open_journal
from triage.clock import SystemClock
from triage.config import activate
from triage.lab.cluster.resources import LEASES
from triage.overrides import Overrides

KUBERNETES_LEASES = {"leases": {"kind": "kubernetes", "namespace": "ml"}}
PATIENCE_SECONDS = 60.0


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """A site with its leases in the cluster: they outlive a process by their time."""
    return make_site(actions=KUBERNETES_LEASES, spec=NOT_JUDGED)


def words(site: Site) -> list[str]:
    """A rollback with everything acknowledged that its plan asks for now."""
    return ["act", "rollback", MODEL, "--write", "--confirm", TARGET, "--config", str(site.config),
            *site.acknowledged()]


def killed(site: Site, hold: Hold) -> None:
    """Begin a rollback and kill its process once ``hold`` has one of its requests."""
    command = words(site)
    site.gate.hold = hold
    with subprocess.Popen([sys.executable, "-m", "triage", *command], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            assert hold.came.acquire(timeout=PATIENCE_SECONDS)
        finally:
            os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    site.gate.hold = None


def again(site: Site) -> tuple[int, str, str]:
    """The same command line once more."""
    done = run(*words(site))
    return done.exit_code, done.stdout, done.stderr


def let_the_lease_end(site: Site) -> None:
    """As half a minute later: whoever was killed has not moved its lease on."""
    for lease in site.ground.cluster.storage.all(LEASES):
        site.ground.patch({"spec": {"renewTime": "2020-01-01T00:00:00.000000Z"}}, resource=LEASES,
                          name=lease["metadata"]["name"])


def deeds(site: Site) -> tuple[Deed, ...]:
    journal = open_journal(site.active, SystemClock())
    records = journal.records()
    assert not records or verify(journal.files(), None).integrity is Integrity.INTACT
    return history_of(records).deeds


def changed(gate: Gate) -> list[str]:
    """The last word of what was changed: the abort is one of ``status``, the template one of ``fraud``."""
    return [change.rpartition("/")[2] for change in gate.changes]


def asks_for_a_lease(scope: Scope) -> bool:
    return (scope["method"], scope["path"].rpartition("/")[2]) == ("POST", "leases")


def reads_the_rollout(scope: Scope) -> bool:
    return (scope["method"], scope["path"].rpartition("/")[2]) == ("GET", "fraud")


def test_killed_before_the_lease_nothing_was_begun_and_the_next_start_does_all_of_it(site: Site) -> None:
    killed(site, Hold(asks_for_a_lease))
    assert (changed(site.gate), deeds(site)) == ([], ())
    code, out, err = again(site)
    assert (code, changed(site.gate)) == (0, ["status", "fraud"]), err
    assert "unknown: verify" not in err
    assert "done  rollback" in out


def test_killed_under_the_lease_nothing_was_begun_and_others_wait_for_its_end(site: Site) -> None:
    def looks_again(scope: Scope) -> bool:
        return reads_the_rollout(scope) and bool(site.ground.cluster.storage.all(LEASES))
    killed(site, Hold(looks_again))
    assert (changed(site.gate), deeds(site)) == ([], ())
    code, out, _ = again(site)
    assert (code, changed(site.gate)) == (2, [])
    assert f"lease: held by {_me()}" in out
    let_the_lease_end(site)
    code, _, err = again(site)
    assert (code, changed(site.gate)) == (0, ["status", "fraud"]), err
    assert f"taken over from {_me()}" in err


def test_killed_with_the_intent_written_it_is_unknown_and_the_next_start_says_so_before_it_goes_on(site: Site) -> None:
    killed(site, Hold(changes_the_world))
    assert changed(site.gate) == []
    [deed] = deeds(site)
    assert (deed.unresolved, deed.outcome) == (True, None)
    _, _, err = again(site)
    # Who died cannot be told from who is slow before the lease has ended.
    assert "under way: rollback fraud-scorer to v7 by operator since" in err
    assert _me() in err.partition("\n")[0]
    assert "unknown: verify" not in err
    let_the_lease_end(site)
    # A person reads that the end is not known, and acknowledges that.
    code, _, err = again(site)
    assert "unknown: verify: rollback fraud-scorer to v7, begun" in err
    assert "the request may still be on its way" in err
    assert "ends" in words_acknowledged(site)
    assert (code, changed(site.gate)) == (0, ["status", "fraud"]), err


def test_killed_while_its_request_is_under_way_what_was_done_is_not_done_again(site: Site) -> None:
    killed(site, Hold(changes_the_world, answers=True))
    assert changed(site.gate) == ["status"]
    assert deeds(site)[0].unresolved
    let_the_lease_end(site)
    code, out, err = again(site)
    assert "unknown: verify: rollback fraud-scorer to v7, begun" in err
    assert code == 0, out
    assert changed(site.gate) == ["status", "fraud"]


@pytest.mark.parametrize("answered", [False, True], ids=["before the last answer", "while it verifies"])
def test_killed_at_its_end_it_is_found_out_and_there_is_nothing_to_do(site: Site, answered: bool) -> None:
    def last(scope: Scope) -> bool:
        return changes_the_world(scope) and scope["path"].endswith("/fraud")

    def looks_what_came_of_it(scope: Scope) -> bool:
        return reads_the_rollout(scope) and changed(site.gate) == ["status", "fraud"] and (
            Kind.RESULT in [record.kind for record in open_journal(site.active, SystemClock()).records()][-1:])
    killed(site, Hold(looks_what_came_of_it) if answered else Hold(last, answers=True))
    [deed] = deeds(site)
    assert (deed.unresolved, deed.outcome) == (not answered, None)
    shown = run("journal", "show", "--config", site.config)
    assert shown.stdout.splitlines()[0].endswith("its end was not seen: verify" if answered else "unknown: verify")
    let_the_lease_end(site)
    code, _, err = again(site)
    assert "unknown: verify: rollback fraud-scorer to v7, begun" in err
    assert "reached: v7 takes all traffic" in err
    assert "is what the specification asks for already" in err
    assert (code, changed(site.gate)) == (2, ["status", "fraud"])
    [deed] = deeds(site)
    assert not deed.open_end
    assert deed.outcome is not Outcome.DONE
    assert "unknown: verify" not in again(site)[2]


def test_whoever_only_plans_is_told_of_the_end_that_is_not_known_and_writes_nothing(site: Site) -> None:
    killed(site, Hold(changes_the_world, answers=True))
    let_the_lease_end(site)
    before = [record.hash for record in open_journal(site.active, SystemClock()).records()]
    done = run("act", "rollback", MODEL, "--format", "json", "--config", site.config)
    assert "with --write it is looked for" in done.stderr
    [told] = json.loads(done.stdout)["open_ends"]
    assert (told["title"], told["progress"]) == ("rollback fraud-scorer to v7", None)
    assert [record.hash for record in open_journal(site.active, SystemClock()).records()] == before


@pytest.fixture
def lab_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The configuration of ``triage lab serve --write``, whose canary fails."""
    monkeypatch.setenv("TRIAGE_STATE", str(tmp_path / "state"))
    with subprocess.Popen([sys.executable, "-m", "triage", "lab", "serve", "--write"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as serving:
        assert serving.stdout is not None
        try:
            yield [serving.stdout.readline().strip() for _ in range(2)][1]
        finally:
            serving.terminate()


def test_in_the_lab_a_rollback_killed_while_it_is_verified_is_found_out_by_the_next_start(lab_config: str) -> None:
    command = ["act", "rollback", MODEL, "--write", "--confirm", MODEL, "--config", lab_config]
    journal = open_journal(activate(Overrides(config=lab_config)), SystemClock())
    with subprocess.Popen([sys.executable, "-m", "triage", *command], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        told = []
        # Its objective needs five minutes to recover: there is time once it says that it looks.
        for line in process.stderr:
            told.append(line)
            if "verifying:" in line:
                break
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, "".join(told)
    [deed] = history_of(journal.records()).deeds
    assert (len(deed.attempts), deed.outcome, deed.open_end) == (2, None, True)
    done = run(*command)
    assert "unknown: verify: rollback fraud-scorer to v7, begun" in done.stderr
    assert "reached: v7 takes all traffic" in done.stderr
    assert done.exit_code == 2
    [deed] = history_of(journal.records()).deeds
    assert (len(deed.attempts), deed.open_end) == (2, False)


def words_acknowledged(site: Site) -> list[str]:
    begun = [record for record in open_journal(site.active, SystemClock()).records() if record.kind == Kind.BEGUN]
    return [guard["name"] for guard in begun[-1].fields["guards"] if guard["acknowledged"]]


def _me() -> str:
    """How others are told of a process of this test, up to its number."""
    here = Origin.here()
    return f"{here.user} on {here.host} (process "
