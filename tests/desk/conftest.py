"""What the tests of the desk share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.desk.site import Site


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """A site that lives with the machine."""
    return make_site()
