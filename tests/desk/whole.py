"""Acting in the whole lab: a world of Prometheus, registry, Kubernetes and pipelines, desks on it, and an ear that
hears every change that anybody sends to any of its systems."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.lab.standing import READS, TOKEN, Lab, lab
from triage.actions.history import Outcome
from triage.actions.steps import Confirmation, Prepared, Step
from triage.actions.system import Wish
from triage.config import Active, activate
from triage.desk.actions import ActionDesk, open_desk
from triage.lab.cluster.access import OPERATE, Access, User
from triage.lab.cluster.apiserver import Options
from triage.lab.cluster.resources import ROLLOUTS
from triage.live.once import notebook_of, take_snapshot
from triage.live.snapshot import Snapshot
from triage.overrides import Overrides

SECOND = "of-a-second-person"
"""Token of somebody else, who may do the same in Kubernetes."""
SCRAPE_SECONDS = 15.0
"""Of the lab: there is nothing newer to be seen in between."""
_READS_BY_POST = ("/search", "/get-latest-versions", "selfsubjectaccessreviews", "selfsubjectreviews")


def changes(scope: Scope) -> bool:
    """Whether it is no question, no rehearsal, and not the tests' own word to the lab."""
    return (scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS")
            and b"dryRun" not in scope["query_string"] and not scope["path"].startswith(("/prometheus", "/lab"))
            and not scope["path"].endswith(_READS_BY_POST))


class Ear:
    """Hears what comes in."""

    def __init__(self) -> None:
        self.inside: ASGIApp | None = None
        self.changes: list[str] = []
        """Method and path of what would change something, in order."""

    def around(self, inside: ASGIApp) -> ASGIApp:
        self.inside = inside
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if changes(scope):
            self.changes.append(f"{scope['method']} {scope['path']}")
        assert self.inside is not None
        await self.inside(scope, receive, send)


@dataclass(slots=True)
class Whole:
    """The lab and whoever acts in it."""

    lab: Lab
    ear: Ear
    folder: Path
    pace_seconds: float = 0.0
    """At least so much time goes by whenever a desk waits: for tests that wait for long."""
    _desks: list[ActionDesk] = field(default_factory=list)
    _looks: dict[int, Callable[[], Awaitable[None]]] = field(default_factory=dict)

    async def desk(self, model: str, *, token: str = TOKEN, write: bool = True, state: str = "state",
                   context: Mapping[str, Any] | None = None, spec: Mapping[str, Any] | None = None) -> ActionDesk:
        """A desk for ``model``, as the person of ``token`` with the state directory ``state``. ``context`` is merged
        into the context of triage.yaml, ``spec`` into the notebook's manifest."""
        active = activate(Overrides(config=str(self._configured(model, token, context or {}, spec or {}))), {})
        notebook = notebook_of(active, model)
        shown = [await self._picture(active, model)]

        async def look() -> None:
            shown[0] = await self._picture(active, model)

        async def wait(seconds: float) -> None:
            self.lab.later(max(seconds, self.pace_seconds))
            if self.lab.clock.now() - shown[0].at >= SCRAPE_SECONDS:
                await look()
        made = await open_desk(active, notebook, self.lab.clock, lambda: shown[0], write=write,
                               environ={"TRIAGE_STATE": str(self.folder / state)})
        for executor in made.executors.values():
            executor.wait = wait
        self._desks.append(made)
        self._looks[id(made)] = look
        return made

    async def look(self, desk: ActionDesk) -> None:
        """Let the desk see what is so now; else it does at the next scrape that it waits for."""
        await self._looks[id(desk)]()

    async def _picture(self, active: Active, model: str) -> Snapshot:
        """What the product sees now."""
        return await take_snapshot(active, [model], self.lab.clock)

    def _configured(self, model: str, token: str, context: Mapping[str, Any], spec: Mapping[str, Any]) -> Path:
        content = yaml.safe_load(self.lab.config.read_text("utf-8"))
        file = self.folder / f"{token}.token"
        file.touch(mode=0o600)
        file.write_text(token)
        for name in ("registry", "kubernetes", "alertmanager"):
            if token != SECOND or name == "kubernetes":
                content["contexts"]["lab"][name]["bearer_token"] = {"file": str(file)}
        content["contexts"]["lab"] |= context
        [book] = [each / model for each in map(Path, content["notebooks"]) if (each / model).is_dir()]
        if spec:
            book = Path(shutil.copytree(book, self.folder / "changed" / model, dirs_exist_ok=True))
            manifest = yaml.safe_load((book / "manifest.yaml").read_text("utf-8"))
            (book / "manifest.yaml").write_text(yaml.safe_dump(manifest | {"spec": manifest["spec"] | spec}), "utf-8")
        content["notebooks"] = [str(book)]
        path = self.folder / f"{token}.yaml"
        path.write_text(yaml.safe_dump(content), "utf-8")
        path.chmod(0o600)
        return path

    def silence(self, system: str, how: str = "refuse") -> None:
        """Let nobody get an answer from a system any more."""
        self._tell("PUT", f"/lab/silent/{system}?how={how}")

    def hear(self, system: str) -> None:
        """Let it answer again."""
        self._tell("DELETE", f"/lab/silent/{system}")

    def tag(self, model: str, version: str, key: str, value: str) -> None:
        """Set a tag of a registered version, as whoever approves it does."""
        self._tell("POST", "/mlflow/api/2.0/mlflow/model-versions/set-tag",
                   {"name": model, "version": version, "key": key, "value": value})

    def patch(self, rollout: str, patch: Mapping[str, Any], subresource: str = "") -> None:
        """Change a Rollout (``ml/fraud-scorer``) as somebody else, by a merge patch."""
        namespace, _, name = rollout.partition("/")
        outcome = self.lab.world.cluster.server.patch(ROLLOUTS, namespace, name, subresource, "merge", dict(patch),
                                                      Options(manager="somebody-else"))
        assert outcome.item
        self.lab.later(0)

    def _tell(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        answer = httpx.request(method, f"{self.lab.url}{path}", headers={"Authorization": f"Bearer {TOKEN}"},
                               json=body, trust_env=False)
        assert answer.status_code == 200, answer.text

    async def leave(self) -> None:
        """Close all desks."""
        for desk in self._desks:
            await desk.aclose()
        self._desks.clear()


@contextmanager
def whole(scenario: str, folder: Path, *, past: bool = True) -> Iterator[Whole]:
    """The lab at the opening of a scenario; without the ``past`` of 30 days where only what goes on now counts."""
    ear = Ear()
    with lab(scenario, folder, past=past, around=ear.around) as running:
        running.world.cluster.access = Access({
            TOKEN: User("lab-engineer", OPERATE), READS: User("lab-viewer"), SECOND: User("lab-second", OPERATE)})
        yield Whole(running, ear, folder)


async def planned(desk: ActionDesk, wish: Wish) -> Prepared:
    """The plan, which there has to be."""
    found = await desk.prepare(wish)
    assert isinstance(found, Prepared), found
    return found


async def carried_out(desk: ActionDesk, prepared: Prepared, *, but: str = "", break_glass: str = "") -> list[Step]:
    """Its steps, with everything typed that it asks for ``but`` the acknowledgement of that guard."""
    words = frozenset(prepared.acknowledgements) - {but}
    return [step async for step in desk.carry_out(prepared, Confirmation(prepared.plan.confirmation, words,
                                                                         break_glass))]


def ended(steps: list[Step]) -> tuple[Outcome, str]:
    """How it ended, and the sentence."""
    [last] = [step for step in steps if step.outcome is not None]
    assert last.outcome is not None
    return last.outcome, last.sentence
