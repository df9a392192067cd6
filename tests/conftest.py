"""What all tests share: who runs beside whom where several workers do (``pytest -n 2``), and a site to act on."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.desk.site import Gate, Site

_WITH_SERVERS = ("tests/real/", "tests/bench/")


def _company(nodeid: str) -> str:
    """A file stays with one worker, for the sake of what it starts once; so do all files that start real servers."""
    return "servers" if nodeid.startswith(_WITH_SERVERS) else nodeid.partition("::")[0]


def pytest_configure() -> None:
    """What the tests start hears ctrl-c and hang-ups even where they themselves were started deaf to them.

    ``nohup`` and a shell's ``&`` have these ignored by whatever is started after them; a handler is not handed on.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda number, frame: None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = _company
    return scheduler


@pytest.fixture(scope="module")
def gate() -> Gate:
    """One server for all sites of a module."""
    from tests.desk.site import Gate
    return Gate()


@pytest.fixture(scope="module")
def address(gate: Gate) -> Iterator[str]:
    """Where it listens."""
    from tests.lab.serving import serving
    with serving(gate) as url:
        yield url


@pytest.fixture
def make_site(gate: Gate, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Site]:
    """Makes a new cluster, configuration and state directory; the test's environment is theirs."""
    from tests.desk.site import Site

    def make(*, start: float | None = None, lives: bool = True, **more: Any) -> Site:
        gate.lives = lives
        site = Site(tmp_path, address, gate, time.time() if start is None else start, **more)
        for name, value in site.environment.items():
            monkeypatch.setenv(name, value)
        return site
    return make
