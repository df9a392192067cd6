"""One server for all sites of a module; a new cluster, configuration and state directory for each test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.desk.site import Gate, Site
from tests.lab.serving import serving


@pytest.fixture(scope="module")
def gate() -> Gate:
    return Gate()


@pytest.fixture(scope="module")
def address(gate: Gate) -> Iterator[str]:
    with serving(gate) as url:
        yield url


@pytest.fixture
def make_site(gate: Gate, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Site]:
    def make(*, start: float | None = None, lives: bool = True, **more: Any) -> Site:
        gate.lives = lives
        site = Site(tmp_path, address, gate, time.time() if start is None else start, **more)
        for name, value in site.environment.items():
            monkeypatch.setenv(name, value)
        return site
    return make


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """A site that lives with the machine."""
    return make_site()
