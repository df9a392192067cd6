"""A cluster behind its API, for the tests of the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.lab.cluster.ground import Ground
from triage.lab.apis.kubernetes import app


@pytest.fixture
def ground() -> Ground:
    return Ground().with_rollout().with_deployment()


@pytest.fixture
async def client(ground: Ground) -> AsyncIterator[httpx.AsyncClient]:
    """Writes as the operator; mounted under a prefix as the lab's site does it."""
    transport = httpx.ASGITransport(Starlette(routes=[Mount("/kubernetes", app(ground.cluster))]))
    async with httpx.AsyncClient(transport=transport, base_url="http://lab/kubernetes",
                                 headers={"Authorization": "Bearer writing"}) as client:
        yield client
