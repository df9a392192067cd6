"""Labs at the opening of their scenario, served on loopback, and the product's own clients looking at them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml
from starlette.types import ASGIApp

from tests.lab.notebook_data import NOTEBOOKS
from tests.lab.serving import serving
from tests.notebook.example_data import EXAMPLES
from triage.config import activate
from triage.lab.apis.past import Stage
from triage.lab.clock import LabClock
from triage.lab.site import Tokens, site
from triage.lab.world.scenario import Scenario, load
from triage.lab.world.world import World
from triage.live.once import take_snapshot
from triage.live.snapshot import Snapshot
from triage.overrides import Overrides

NOW = 1_795_831_920.0
"""2026-11-28 02:12 UTC, far from the time of day of any scenario: each has its own, whenever it is played."""
TOKEN = "only-of-these-tests"
"""Opens everything."""
READS = "reads-only"
"""Opens what changes nothing."""


@dataclass(frozen=True, slots=True)
class Lab:
    """A world that is served, and the product looking at it."""

    world: World
    clock: LabClock
    url: str
    config: Path
    is_shared: bool = False
    """Others look at it too: it must stay as it is."""

    def snapshot(self) -> Snapshot:
        """What the product's own clients make of it now."""
        return asyncio.run(take_snapshot(activate(Overrides(config=str(self.config)), {}), None, self.clock))

    def later(self, seconds: float) -> None:
        """Let the world go on for a while."""
        assert not self.is_shared
        self.clock.forward(seconds)
        self.world.advance(self.clock.now())

    def abort(self, namespace: str, rollout: str) -> None:
        """Take the traffic from a canary, as kubectl's plugin does."""
        assert not self.is_shared
        answer = httpx.patch(
            f"{self.url}/kubernetes/apis/argoproj.io/v1alpha1/namespaces/{namespace}/rollouts/{rollout}/status",
            json={"status": {"abort": True}}, trust_env=False,
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/merge-patch+json"})
        assert answer.status_code == 200, answer.text


@contextmanager
def lab(of: str | Scenario, folder: Path, seed: int | None = None, *, is_shared: bool = False, past: bool = True,
        around: Callable[[ASGIApp], ASGIApp] = lambda app: app) -> Iterator[Lab]:
    """The world of a scenario at its opening, with its whole past; of its own seed unless another is given.
    Without ``past`` its Prometheus is hours old and no more. ``around`` makes what is served of the lab's application:
    one that counts, or keeps requests waiting."""
    scenario = load(of) if isinstance(of, str) else of
    clock = LabClock(NOW, 0.0, 0.0)
    world = World(scenario, scenario.seed if seed is None else seed, clock)
    world.begin()
    if past:
        world.make_past()
    else:
        world.past.reached(Stage.WHOLE)
    world.advance(clock.now())
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN)
    with serving(around(site(world, Tokens(TOKEN, READS)))) as url:
        secret = {"bearer_token": {"file": str(token)}}
        config = folder / "triage.yaml"
        config.write_text(yaml.safe_dump({
            "apiVersion": "triage/v1alpha1", "kind": "Config", "notebooks": [str(EXAMPLES), str(NOTEBOOKS)],
            "contexts": {"lab": {"prometheus": {"url": f"{url}/prometheus", **secret},
                                 "alertmanager": {"url": f"{url}/alertmanager", **secret},
                                 "registry": {"kind": "mlflow", "url": f"{url}/mlflow", **secret},
                                 "kubernetes": {"url": f"{url}/kubernetes", **secret}}}}), "utf-8")
        config.chmod(0o600)
        yield Lab(world, clock, url, config, is_shared)
