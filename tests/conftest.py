"""What all tests share: who runs beside whom when several workers do (``pytest -n 2 --dist loadgroup``)."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
_WITH_SERVERS = ("real", "bench")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A file stays with one worker, for the sake of what it starts once; so do all files that need real servers."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        folder, *_ = item.path.relative_to(HERE).parts
        group = "servers" if folder in _WITH_SERVERS else str(item.path.relative_to(HERE))
        item.add_marker(pytest.mark.xdist_group(group))
