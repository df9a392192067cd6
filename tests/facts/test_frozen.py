"""What is made without the guard of a frozen dataclass is a frozen one in everything else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from triage.signals.reading import Quality, Reading


def test_equal_values_are_equal_and_have_one_hash() -> None:
    one, other = Reading(1.0, "s", Quality.OK), Reading(1.0, "s", Quality.OK)
    assert one == other
    assert hash(one) == hash(other)
    assert len({one, other, replace(one, value=2.0)}) == 2


def test_nothing_can_be_added_to_them() -> None:
    with pytest.raises(AttributeError):
        Reading(1.0, "s", Quality.OK).other = 1  # type: ignore[attr-defined]


def test_they_still_refuse_what_is_no_number() -> None:
    with pytest.raises(ValueError, match="finite"):
        Reading(float("nan"), "s", Quality.OK)
