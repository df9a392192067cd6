"""Scenarios at their opening, made once for all who only look; who changes a world makes one of its own (``lab``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from tests.lab.standing import Lab, lab
from triage.live.snapshot import Snapshot

Standing = Callable[[str], Lab]
Opening = Callable[[str], Snapshot]
_LOOKED_INTO = frozenset({"canary-latency", "features-stale", "healthy", "oom-under-load", "skewed-amount"})
"""Scenarios whose lab some test asks more than the picture at the opening."""


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """``standing(scenario)``: a served lab that stays at the opening until the last test."""
    with ExitStack() as stack:
        @cache
        def stand(scenario: str) -> Lab:
            return stack.enter_context(lab(scenario, tmp_path_factory.mktemp(scenario), is_shared=True))

        yield stand


@pytest.fixture(scope="session")
def opening(standing: Standing, tmp_path_factory: pytest.TempPathFactory) -> Opening:
    """``opening(scenario)``: what the product says of all models at the opening."""
    @cache
    def look(scenario: str) -> Snapshot:
        if scenario in _LOOKED_INTO:
            return standing(scenario).snapshot()
        # A world takes a hundred megabytes: it goes, and the picture stays.
        with lab(scenario, tmp_path_factory.mktemp(scenario)) as running:
            return running.snapshot()

    return look
