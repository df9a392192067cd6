"""Worlds that have begun, one for each scenario; tests that change one make their own."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from triage.lab.clock import LabClock
from triage.lab.world.scenario import Scenario, load, parse
from triage.lab.world.world import World

MIDNIGHT = 1_795_305_600.0
"""2026-11-22 00:00 UTC."""
TRUTH = "truth: {root_cause: a, right_actions: [{do: nothing, why: b}], why: c}"

Begun = Callable[..., World]


def begin(scenario: Scenario, *, seed: int | None = None, opens_at: float | None = None) -> World:
    """A world at its opening, whose clock stands still."""
    opening = MIDNIGHT + (opens_at or scenario.opens_at or 36_000.0)
    world = World(scenario, scenario.seed if seed is None else seed, LabClock(opening, 0.0, 0.0))
    world.begin()
    return world


@pytest.fixture
def new_world() -> Begun:
    """A world of its own: for a scenario's name, or for YAML that begins with ``faults:`` or ``releases:``."""
    def make(what: str, *, seed: int | None = None, opens_at: float | None = None) -> World:
        return begin(scenario_of(what), seed=seed, opens_at=opens_at)
    return make


@pytest.fixture(scope="session")
def world_of() -> Begun:
    """A shared world that must not be advanced or changed."""
    @cache
    def make(what: str, *, seed: int | None = None, opens_at: float | None = None) -> World:
        return begin(scenario_of(what), seed=seed, opens_at=opens_at)
    return make


def scenario_of(what: str) -> Scenario:
    """The scenario of that name, or one with these lines of YAML."""
    if ":" in what:
        return parse(f"name: made-up\ntitle: t\nsummary: s\n{what}\n{TRUTH}\n", "made-up.yaml")
    return load(what)


@pytest.fixture
def value_of() -> Callable[..., dict[str, float]]:
    """The result of an expression, by one label of its samples ("" where it is missing)."""
    def ask(world: World, expression: str, label: str, at: float | None = None) -> dict[str, float]:
        result = world.engine.instant(expression, world.opening if at is None else at)
        return {labels.get(label, ""): value for labels, value in result.value.samples}  # type: ignore[union-attr]
    return ask
