"""A place to act on: the lab's cluster with a canary on trial, a configuration and a notebook for it on the disk."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.commands import NOWHERE
from tests.lab.cluster.ground import Ground
from triage.config import Active, activate
from triage.lab.apis.kubernetes import app
from triage.live.once import notebook_of
from triage.notebook.load import Notebook
from triage.overrides import Overrides

MODEL = "fraud-scorer"
TOKEN = "SITE_TOKEN"
"""Environment variable that holds the credential."""


class Gate:
    """The application whose inside is changed between tests. It counts what would change the world, lets time go by
    in it where it lives with the machine, and can swallow answers."""

    def __init__(self) -> None:
        self.inside: ASGIApp | None = None
        self.ground: Ground | None = None
        self.lives = False
        self.asked = 0
        """Requests of any kind."""
        self.changes: list[str] = []
        """Method and path of every request that was no rehearsal and no question."""
        self.swallows = False
        """Whether what would change the world is done, and no answer to it ever comes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.asked += 1
            query = scope["query_string"].decode()
            if scope["method"] == "PATCH" and "dryRun" not in query:
                self.changes.append(f"{scope['method']} {scope['path']}")
            if self.lives and self.ground is not None:
                self.ground.wait(max(0.0, time.time() - self.ground.clock.at))
        assert self.inside is not None
        lost = self.swallows and scope["type"] == "http" and scope["method"] == "PATCH" and (
            b"dryRun" not in scope["query_string"])
        await self.inside(scope, receive, _nobody if lost else send)
        if scope["type"] == "http" and self.ground is not None:
            self.ground.wait(0)
        if lost:
            await asyncio.Event().wait()


async def _nobody(message: Message) -> None:
    """Takes an answer and gives it to nobody."""


@dataclass(slots=True)
class Site:
    """A folder with ``triage.yaml`` and a notebook; version 7 of ``ml/fraud`` serves, version 8 has 10 %."""

    folder: Path
    address: str
    gate: Gate
    start: float
    spec: Mapping[str, Any] = field(default_factory=dict)
    token: str = "writing"
    prometheus: str = NOWHERE
    ground: Ground = field(init=False)

    def __post_init__(self) -> None:
        self.ground = Ground(start=self.start - 3600).with_rollout()
        self.ground.deploy("8")
        self.ground.wait(60)
        self.gate.inside, self.gate.ground = app(self.ground.cluster), self.ground
        self.gate.asked, self.gate.changes, self.gate.swallows = 0, [], False
        book = self.folder / "notebooks" / MODEL
        book.mkdir(parents=True, exist_ok=True)
        spec = {"rollout": {"kind": "argo", "namespace": "ml", "name": "fraud"},
                "slos": [{"name": "latency", "sli": {"histogram": "request_duration_seconds", "threshold": "500ms"},
                          "objective": 99}],
                "rollback": {"last_known_good": "7"}, **self.spec}
        (book / "manifest.yaml").write_text(json.dumps({
            "apiVersion": "triage/v1alpha1", "kind": "ModelNotebook",
            "metadata": {"name": MODEL, "version": "8", "owners": [
                {"name": "payments-ml", "role": "model-owner", "contact": "#payments-ml"},
                {"name": "platform-sre", "role": "on-call", "contact": "#sre"}]}, "spec": spec}))
        self.config.write_text(json.dumps({
            "apiVersion": "triage/v1alpha1", "kind": "Config", "notebooks": [str(book.parent)],
            "contexts": {"prod-eu": {
                "production": True, "prometheus": {"url": self.prometheus},
                "kubernetes": {"url": self.address, "bearer_token": {"env": TOKEN}}}}}))
        self.config.chmod(0o600)

    @property
    def config(self) -> Path:
        return self.folder / "triage.yaml"

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to act here."""
        return {TOKEN: self.token, "TRIAGE_STATE": str(self.folder / "state"), "TRIAGE_READONLY": "0"}

    @property
    def active(self) -> Active:
        return activate(Overrides(config=str(self.config)))

    @property
    def notebook(self) -> Notebook:
        return notebook_of(self.active, MODEL)
