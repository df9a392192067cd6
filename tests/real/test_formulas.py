"""The formulas behind the real servers: no server is needed to check them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.real import chat, exporter, fraud, known, worlds
from tests.real.history import MONTH, openmetrics
from tests.real.truth import DAY, HOUR, Flow, Wave, counter, lognormal, steady


def test_a_flow_counts_its_pieces() -> None:
    flow = Flow(((0.0, 2.0), (10.0, 5.0)))
    assert flow.between(-5, 4) == pytest.approx(8)
    assert flow.between(8, 12) == pytest.approx(14)


def test_a_wave_changes_nothing_over_its_period() -> None:
    flow = Flow(((0.0, 2.0),), (Wave(0.5, 60.0, 0.3),))
    assert flow.between(7, 67) == pytest.approx(120)


def test_waves_that_would_make_a_counter_fall_are_refused() -> None:
    with pytest.raises(ValueError, match="below zero"):
        Flow(((0.0, 1.0),), (Wave(0.6, 60.0), Wave(0.5, 7.0)))


def test_a_counter_falls_to_zero_at_a_reset() -> None:
    line = counter("x_total", {}, steady(1.0, 0.0), resets=(10.0,))
    assert line.value(np.array([9.0, 10.0, 12.0])).tolist() == [9.0, 0.0, 2.0]


@pytest.mark.parametrize("world", sorted(worlds.WORLDS))
def test_no_counter_falls_but_the_one_that_resets(world: str) -> None:
    times = np.append(MONTH.times(), np.arange(1.0, HOUR))
    for target in worlds.WORLDS[world]().targets:
        for line in target.lines:
            seen = times[(times >= line.begin) & (times <= line.end)]
            if line.kind != "gauge" and line.labels.get("model") != "reset":
                values = line.value(seen)
                assert (np.diff(values) >= -1e-9 * np.abs(values[1:])).all(), line.key()[:200]


@pytest.mark.parametrize("world", sorted(worlds.WORLDS))
def test_no_series_stands_twice(world: str) -> None:
    for target in worlds.WORLDS[world]().targets:
        keys = [line.key() for line in target.lines]
        assert len(keys) == len(set(keys))


def test_the_present_continues_the_past() -> None:
    [steady_target] = [t for t in known.targets() if t.job == "steady"]
    history = "".join(openmetrics([steady_target], 1000.0, MONTH))
    present = exporter.exposition(steady_target.lines, 0.0, 1000.0)
    live = [row for row in present.splitlines() if row.startswith('requests_total{model="steady",model_version="v1"')]
    assert len(live) == 2
    for row in live:
        key, value = row.rsplit(" ", 1)
        past = f'{key[:-1]},job="steady",instance="steady-0:8000"}} {value} 1000.000\n'
        assert past in history


def test_nothing_is_exposed_before_it_is_born_or_after_it_ended() -> None:
    [target] = [t for t in chat.targets() if t.job == "chat-assistant"]
    before, after = (exporter.exposition(target.lines, at, 0.0) for at in (chat.CHANGED - 1, chat.CHANGED + 1))
    assert chat.NEW not in before
    assert chat.OLD not in after


def test_the_failing_canary_barely_moves_the_whole_month() -> None:
    flows = fraud.flows("failing")
    bad = sum(f.between(-30 * DAY, 0) for (_, code), f in flows.items() if code == "500")
    every = sum(f.between(-30 * DAY, 0) for f in flows.values())
    assert bad / every == pytest.approx(fraud.ERROR_RATIO, rel=0.02)
    own = {code: f.between(-1800, 0) for (version, code), f in flows.items() if version == "8"}
    assert own["500"] / sum(own.values()) == pytest.approx(fraud.FAILING_ERROR_RATIO, rel=0.2)


def test_a_lognormal_shape_has_its_median() -> None:
    assert lognormal((0.1, 0.2, 0.4), 0.2, 0.5).share_within(0.2) == pytest.approx(0.5)
