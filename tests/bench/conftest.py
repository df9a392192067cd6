"""Figures: each benchmark adds rows, and the run ends with one table. Only exact counts are asserted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.real.conftest import installed
from tests.real.stage import Stage, staged

Figure = Callable[[str, str], None]
_FIGURE = "figure"


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """``figure(what, how much)`` adds a row to the table."""
    def add(what: str, amount: str) -> None:
        # With the report, so that it arrives from whichever worker the test runs in.
        request.node.user_properties.append((_FIGURE, [what, amount]))
        print(f"{what}: {amount}")
    return add


@pytest.fixture(scope="session")
def bench_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A Prometheus with a month of history of every model, and an Alertmanager."""
    with installed(staged(tmp_path_factory.mktemp("bench"), "failing+known")) as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = [value for reports in terminalreporter.stats.values() for report in reports
            if getattr(report, "when", "") == "call" for name, value in report.user_properties if name == _FIGURE]
    if not rows:
        return
    terminalreporter.section("figures")
    width = max(len(what) for what, _ in rows)
    for what, amount in rows:
        terminalreporter.write_line(f"{what:<{width}}  {amount}")
