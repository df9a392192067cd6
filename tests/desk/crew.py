"""People who act on one canary of the lab's cluster, each with a desk, and time that goes by only when they wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.desk.site import Site
from tests.lab.cluster.ground import START, Ground
from triage.actions.plan import Action
from triage.actions.steps import Confirmation, Prepared, Stage, Step
from triage.actions.system import Refusal, Wish
from triage.clock import ManualClock
from triage.desk.actions import ActionDesk, open_desk


@dataclass(slots=True)
class Crew:
    """People who act on one canary: version 7 serves, version 8 waits at 10 %."""

    site: Site
    folder: Path
    opened: list[ActionDesk] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None
    """Happens whenever somebody waits."""

    @property
    def ground(self) -> Ground:
        return self.site.ground

    @property
    def image(self) -> str:
        """What the specification asks for."""
        image: str = self.ground.rollout["spec"]["template"]["spec"]["containers"][0]["image"]
        return image

    async def desk(self, person: str = "ana") -> ActionDesk:
        """A desk of somebody with a state directory of their own."""
        clock = ManualClock(START)

        async def wait(seconds: float) -> None:
            clock.advance(seconds)
            self.ground.wait(seconds)
            self.meanwhile()
            await asyncio.sleep(0)
        desk = await open_desk(self.site.active, self.site.notebook, clock, lambda: None, write=True,
                               environ={"TRIAGE_STATE": str(self.folder / person)})
        for executor in desk.executors.values():
            executor.wait = wait
        self.opened.append(desk)
        return desk


async def plan(desk: ActionDesk, action: Action, to: str = "", **parameters: str) -> Prepared:
    """The plan, which there has to be."""
    found = await desk.prepare(Wish(action, "a test", to, parameters=parameters))
    assert isinstance(found, Prepared), found
    return found


async def refusal(desk: ActionDesk, action: Action, to: str = "") -> Refusal:
    """Why there is no plan."""
    found = await desk.prepare(Wish(action, "a test", to))
    assert isinstance(found, Refusal), found
    return found


@asynccontextmanager
async def going(desk: ActionDesk, prepared: Prepared) -> AsyncIterator[AsyncGenerator[Step, None]]:
    """It is carried out, with everything typed that anybody can type: Prometheus is silent here."""
    typed = Confirmation(prepared.plan.confirmation, frozenset(prepared.acknowledgements), "a test")
    async with aclosing(desk.carry_out(prepared, typed)) as steps:
        yield steps


async def until(steps: AsyncGenerator[Step, None], stage: Stage) -> Step:
    """The next step of this stage."""
    async for step in steps:
        if step.stage is stage:
            return step
    raise AssertionError(f"it ended before {stage}")


async def do(desk: ActionDesk, action: Action, to: str = "", **parameters: str) -> Step:
    """Carried out to its end."""
    async with going(desk, await plan(desk, action, to, **parameters)) as steps:
        return await until(steps, Stage.OUTCOME)


async def send(desk: ActionDesk, action: Action, to: str = "") -> Prepared:
    """Every request sent, and nobody waits for what comes of it."""
    prepared = await plan(desk, action, to)
    async with going(desk, prepared) as steps:
        for _ in prepared.plan.requests:
            assert (await until(steps, Stage.SENT)).sentence == "done"
    return prepared
