"""Figures: each benchmark adds rows, and the run ends with one table. Only exact counts are asserted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.real.conftest import installed
from tests.real.stage import Stage, staged

Figure = Callable[[str, str], None]
_ROWS: list[tuple[str, str]] = []


@pytest.fixture
def figure() -> Figure:
    """``figure(what, how much)`` adds a row to the table."""
    def add(what: str, amount: str) -> None:
        _ROWS.append((what, amount))
        print(f"{what}: {amount}")
    return add


@pytest.fixture(scope="session")
def bench_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A Prometheus with a month of history of every model, and an Alertmanager."""
    with installed(staged(tmp_path_factory.mktemp("bench"), "failing+known")) as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _ROWS:
        return
    terminalreporter.section("figures")
    width = max(len(what) for what, _ in _ROWS)
    for what, amount in _ROWS:
        terminalreporter.write_line(f"{what:<{width}}  {amount}")
