"""SIGTERM and SIGHUP while an action holds its lease: what is not known is written down, and nobody waits for the
lease."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable

import pytest
from starlette.types import Scope

from tests.desk.site import NOT_JUDGED, Hold, Site, changes_the_world
from tests.desk.test_killed import KUBERNETES_LEASES, PATIENCE_SECONDS, changed, deeds, words
from triage.actions.history import Outcome
from triage.actions.system import Fate
from triage.lab.cluster.resources import LEASES


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """A site with its leases in the cluster: they outlive a process by their time."""
    return make_site(actions=KUBERNETES_LEASES, spec=NOT_JUDGED)


def holders(site: Site) -> list[str]:
    """Who holds a lease in the cluster."""
    return [holder for lease in site.ground.cluster.storage.all(LEASES)
            if (holder := lease["spec"].get("holderIdentity"))]


def told(site: Site, hold: Hold, number: signal.Signals, times: int = 1) -> tuple[int, str]:
    """Begin a rollback and tell its process to end once ``hold`` has one of its requests; status and stderr."""
    command = words(site)
    site.gate.hold = hold
    with subprocess.Popen([sys.executable, "-m", "triage", *command], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            assert hold.came.acquire(timeout=PATIENCE_SECONDS)
            assert len(holders(site)) == 1
            for _ in range(times):
                process.send_signal(number)
            # What is held is the request alone: a lease is given back by another one.
            _, err = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            process.kill()
    site.gate.hold = None
    return process.returncode, err


@pytest.mark.parametrize(("number", "times"), [(signal.SIGTERM, 3), (signal.SIGHUP, 1)], ids=["told", "hung up"])
def test_while_its_request_is_under_way_that_is_unknown_and_the_lease_is_free(
        site: Site, number: signal.Signals, times: int) -> None:
    status, err = told(site, Hold(changes_the_world, answers=True), number, times)
    assert (status, holders(site), changed(site.gate)) == (128 + number, [], ["status"])
    [deed] = deeds(site)
    assert [each.fate for each in deed.attempts] == [Fate.UNKNOWN]
    assert (deed.outcome, deed.unresolved) == (Outcome.UNKNOWN, True)
    assert "interrupted; what was sent stays sent" in err


def test_under_the_lease_nothing_was_begun_and_the_lease_is_free(site: Site) -> None:
    def looks_again(scope: Scope) -> bool:
        return (scope["method"], scope["path"].rpartition("/")[2]) == ("GET", "fraud") and bool(holders(site))
    status, _ = told(site, Hold(looks_again), signal.SIGTERM)
    assert (status, holders(site), changed(site.gate), deeds(site)) == (128 + signal.SIGTERM, [], [], ())
