"""A place to act on: the lab's cluster with a canary on trial, a configuration and a notebook for it on the disk."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.commands import NOWHERE, run
from tests.lab.cluster.ground import Ground
from triage.config import Active, activate
from triage.lab.apis.kubernetes import app
from triage.live.once import notebook_of
from triage.notebook.load import Notebook
from triage.overrides import Overrides

MODEL = "fraud-scorer"
TARGET = "fraud"
"""Name of its Rollout, which is typed to confirm an action."""
TOKEN = "SITE_TOKEN"
"""Environment variable that holds the credential."""

NOT_JUDGED: Mapping[str, Any] = {
    "slos": [{"name": "latency", "sli": {"histogram": "request_duration_seconds", "threshold": "500ms"}}]}
"""Nothing has to be seen after an action: for processes of their own, which wait for a Prometheus that is silent."""


def changes_the_world(scope: Scope) -> bool:
    """Whether it is a change of a workload, and no rehearsal of one."""
    return scope["type"] == "http" and scope["method"] == "PATCH" and b"dryRun" not in scope["query_string"]


class Hold:
    """Keeps the requests that it is about waiting until it is opened: before they are done, or their answers."""

    def __init__(self, about: Callable[[Scope], bool], *, answers: bool = False) -> None:
        self.about, self.answers = about, answers
        self.came = threading.Semaphore(0)
        """One is added for each request that waits."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opened = asyncio.Event()

    async def wait(self) -> None:
        """Wait as one of them."""
        self._loop = asyncio.get_running_loop()
        self.came.release()
        await self._opened.wait()

    def open(self) -> None:
        """Let all of them go on; from any thread, once one has come."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._opened.set)


class Gate:
    """The application whose inside is changed between tests. It counts what would change the world, lets time go by
    in it where it lives with the machine, and can hold requests and swallow answers."""

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
        self.hold: Hold | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hold = self.hold if scope["type"] == "http" and self.hold is not None and self.hold.about(scope) else None
        if hold is not None and not hold.answers:
            await hold.wait()
        changes = changes_the_world(scope)
        if scope["type"] == "http":
            self.asked += 1
            if changes:
                self.changes.append(f"{scope['method']} {scope['path']}")
            if self.lives and self.ground is not None:
                self.ground.wait(max(0.0, time.time() - self.ground.clock.at))
        assert self.inside is not None
        kept: list[Message] = []

        async def keep(message: Message) -> None:
            kept.append(message)
        lost = self.swallows and changes
        await self.inside(scope, receive, _nobody if lost else send if hold is None or not hold.answers else keep)
        if scope["type"] == "http" and self.ground is not None:
            self.ground.wait(0)
        if lost:
            await asyncio.Event().wait()
        if hold is not None and hold.answers:
            await hold.wait()
            for message in kept:
                await send(message)


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
    actions: Mapping[str, Any] = field(default_factory=dict)
    """As in the context of ``triage.yaml``."""
    ground: Ground = field(init=False)

    def __post_init__(self) -> None:
        self.ground = Ground(start=self.start - 3600).with_rollout()
        self.ground.deploy("8")
        self.ground.wait(60)
        self.gate.inside, self.gate.ground = app(self.ground.cluster), self.ground
        self.gate.asked, self.gate.changes, self.gate.swallows, self.gate.hold = 0, [], False, None
        book = self.folder / "notebooks" / MODEL
        book.mkdir(parents=True, exist_ok=True)
        spec = {"rollout": {"kind": "argo", "namespace": "ml", "name": TARGET},
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
                "kubernetes": {"url": self.address, "bearer_token": {"env": TOKEN}},
                "actions": self.actions}}}))
        self.config.chmod(0o600)

    @property
    def config(self) -> Path:
        return self.folder / "triage.yaml"

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to act here."""
        return {TOKEN: self.token, "TRIAGE_STATE": str(self.folder / "state"), "TRIAGE_READONLY": "0"}

    def acknowledged(self, action: str = "rollback") -> tuple[str, ...]:
        """The options of ``triage act`` that acknowledge what the plan of ``action`` asks for now."""
        planned = run("act", action, MODEL, "--format", "json", "--config", self.config)
        words = [guard["acknowledgement"] for guard in json.loads(planned.stdout)["guards"] if guard["acknowledgement"]]
        return tuple(part for word in words for part in ("--acknowledge", word))

    @property
    def active(self) -> Active:
        return activate(Overrides(config=str(self.config)))

    @property
    def notebook(self) -> Notebook:
        return notebook_of(self.active, MODEL)
