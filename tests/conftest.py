"""What all tests share: who runs beside whom where several workers do (``pytest -n 2``)."""

from __future__ import annotations

from typing import Any

import pytest

_WITH_SERVERS = ("tests/real/", "tests/bench/")


def _company(nodeid: str) -> str:
    """A file stays with one worker, for the sake of what it starts once; so do all files that start real servers."""
    return "servers" if nodeid.startswith(_WITH_SERVERS) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = _company
    return scheduler
