"""What the tests of the desk share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.desk.site import Site
from triage.actions import carrying


@pytest.fixture(autouse=True)
def nobody_waits_for_what_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prometheus answers at no site here: what cannot be seen is said at once, not half a minute later."""
    monkeypatch.setattr(carrying, "BLIND_SECONDS", 0.0)


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """A site that lives with the machine."""
    return make_site()
