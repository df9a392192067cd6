"""``triage lab screenshots``: every picture of ``screenshots/``, from the lab, the same bytes each time.

The program itself, headless, on labs whose clocks stand, used by keys as a person uses it: what a user sees, without a
figure that depends on the day or the machine.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from triage.cli_lab import BANNER, configured
from triage.clock import ManualClock
from triage.errors import TriageError
from triage.lab.child import Birth, LabProcess
from triage.lab.clock import LabClock
from triage.live.feed import LiveFeed
from triage.overrides import Overrides
from triage.person import VARIABLE
from triage.signals.reading import Quality
from triage.tui.app import TriageApp
from triage.tui.screens.plan import PlanDialog

if TYPE_CHECKING:
    from triage.live.snapshot import Snapshot
    from triage.signals.model import ModelState
    from triage.tui.panels.course import Course

STARTS_AT = 1_795_442_700.0
"""2026-11-23 14:05:00 UTC: when it is in the first picture of every lab."""
PERSON = "ada@bastion"
"""Who is on call in them."""
_INTERVAL_SECONDS = 900.0
"""Sources are asked when a picture needs it, and what they said does not grow stale before."""
_PATIENCE_SECONDS = 60.0
_SILENCE_SECONDS = 42
"""How long Prometheus has been silent in the picture of a lost source."""
_MOMENT_SECONDS = 6
"""The world lives on for so long where something shows only from the next look on."""
_LOOK_SECONDS = 0.25
_LOOKS_ALIKE = 2
"""A picture that has not changed over so many looks is drawn to its end."""
_ASKED_ALWAYS = ("prometheus", "alertmanager", "kubernetes", "registry")
Holds = Callable[["Scene"], bool]


class _StandingClock(ManualClock):
    """Whoever watches the world looks more often than a person would want it."""

    @property
    def speed(self) -> float:
        return 4.0


class _WholeFeed(LiveFeed):
    """Hands on what is whole: in which parts it comes depends on the machine."""

    def start(self, on_snapshot: Callable[[Snapshot], None], on_failure: Callable[[str, str], None]) -> None:
        super().start(lambda snapshot: on_snapshot(snapshot) if _is_whole(snapshot) else None, on_failure)


@dataclass(frozen=True, slots=True)
class Act:
    """What is done, and what has to be there before anything else is."""

    keys: tuple[str, ...] = ()
    until: Holds = lambda scene: True
    seconds: int = 0
    """For so long the world lives on first."""
    silent: str | None = None
    """Source that falls silent first."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One file of the folder, without its ``.svg``."""

    name: str
    acts: tuple[Act, ...] = ()
    size: tuple[int, int] = (120, 40)
    theme: str = "dark"
    ascii: bool = False


@dataclass(frozen=True, slots=True)
class Sitting:
    """Pictures that are made one after the other of one program on one lab: what was done for one is done for all
    after it."""

    scenario: str
    model: str
    pictures: tuple[Picture, ...]


class Hand(Protocol):
    """Whoever sits before it."""

    async def press(self, *keys: str) -> None: ...

    async def pause(self) -> None: ...

    async def resize_terminal(self, width: int, height: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Scene:
    """The program while its pictures are made."""

    lab: LabProcess
    clock: ManualClock
    app: TriageApp
    hand: Hand

    @property
    def model(self) -> ModelState | None:
        """The model shown, as it was read last."""
        latest = self.app.latest
        return latest.models[0] if latest is not None and latest.models else None


def _is_complete(scene: Scene) -> bool:
    """Whether all that the on-call screen shows was read, at the time that it is."""
    latest = scene.app.latest
    return (latest is not None and latest.at >= scene.clock.now() and _is_whole(latest)
            and _has_sheet(scene.app, latest))


def _is_whole(snapshot: Snapshot) -> bool:
    """Whether every source of the on-call screen has told its newest, or fails."""
    if any(source.error for source in snapshot.sources):
        return True
    model = snapshot.models[0] if snapshot.models else None
    if model is None or not model.trends or not model.versions.items or model.drift is None:
        return False
    if model.data_at is None or model.data_at < snapshot.at or any(
            source.state == "waiting" or (source.name in _ASKED_ALWAYS and source.last_ok_at is not None
                                          and source.last_ok_at < snapshot.at) for source in snapshot.sources):
        return False
    on_trial = any(v.arm not in ("stable", "") for v in model.versions.items)
    asked = [reading.quality for slo in model.slos
             for reading in (slo.now, *slo.burns, *((slo.budget,) if slo.budget is not None else ()))]
    return Quality.WAITING not in asked and (not on_trial or None not in (model.canary, model.rollout))


def _has_sheet(app: TriageApp, snapshot: Snapshot) -> bool:
    sheet = app.runbook.sheet
    return sheet is not None and sheet.looked_at >= snapshot.at and app.incident.board is not None


def _has_lost(scene: Scene) -> bool:
    return scene.app.latest is not None and any(source.error is not None for source in scene.app.latest.sources)


def _has_fleet(scene: Scene) -> bool:
    fleet = scene.app.latest.fleet if scene.app.latest is not None else None
    return fleet is not None and fleet.is_complete and all(row.data_at is not None for row in fleet.rows)


def _has_closer_look(scene: Scene) -> bool:
    """Whether all that only the debug screen asks for was read."""
    model, logs = scene.model, scene.app.latest.logs if scene.app.latest is not None else None
    if model is None or logs is None or None in (logs.traces.answered_at, logs.lines.answered_at):
        return False
    closer, serving = model.closer, model.serving
    listed = serving is not None and (serving.listed_at is not None or serving.listed_by == "metrics")
    return (closer is not None and closer.scores.answered_at is not None and serving is not None and listed
            and serving.answered_at is not None)


def _has_menu(scene: Scene) -> bool:
    return scene.app.actions.menu().possible is not None


def _has_plan(scene: Scene) -> bool:
    return isinstance(scene.app.screen, PlanDialog) and scene.app.screen.dialog.prepared is not None


def _has_cells(scene: Scene) -> bool:
    return scene.app.cells.shelf().listing is not None


def _has_run(scene: Scene) -> bool:
    runs = scene.app.cells.shelf().runs.values()
    return bool(runs) and all(run.phase == "ended" and run.record for run in runs)


def _has_incident(scene: Scene) -> bool:
    board = scene.app.incident.board
    return board is not None and board.open is not None


def _has_sent(scene: Scene) -> bool:
    """Whether all requests of the action are answered."""
    course = _course(scene)
    return course is not None and any(step.stage == "verifying" for step in course.steps)


def _is_watched(scene: Scene) -> bool:
    """Whether the target is where it should be, and its readings are seen anew."""
    course = _course(scene)
    return course is not None and any(all(each.recovered is not None for each in step.recovery)
                                      for step in course.steps if step.recovery)


def _is_over(scene: Scene) -> bool:
    course = _course(scene)
    return course is not None and course.is_over


def _is_told(scene: Scene) -> bool:
    """Whether the incident knows how all actions ended, beside the newest facts."""
    board = scene.app.incident.board
    deeds = board.open.deeds if board is not None and board.open is not None else ()
    return bool(deeds) and all(deed.over for deed in deeds) and _is_complete(scene)


def _course(scene: Scene) -> Course | None:
    actions = scene.app.actions
    begun = actions.newest(scene.model.name) if scene.model is not None else ""
    return actions.course(begun) if begun else None


FRAUD = Sitting("canary-latency", "fraud-scorer", (
    Picture("on-call"),
    Picture("narrow", size=(80, 24)),
    Picture("light", theme="light"),
    Picture("no-colour", theme="no-colour"),
    Picture("ascii-16-colours", theme="16-colour", ascii=True),
    Picture("fleet", (Act(("1",), _has_fleet),)),
    Picture("runbook", (Act(("2", "b")),)),
    Picture("menu", (Act(("2", "a"), _has_menu),)),
    Picture("blocked", (Act(("m",), _has_plan),)),
    Picture("cell", (Act(("escape", "2", "5")), Act(("o", "enter"), _has_incident), Act(("4",), _has_cells),
                     Act(("j", "j", "j", "enter"), _has_run), Act(("n", *"? 8 asks a feature store that has no data",
                     "enter")), Act((), _is_complete, _MOMENT_SECONDS))),
    Picture("rollback", (Act(("2", "a"), _has_menu), Act(("r",), _has_plan)), (80, 24)),
    Picture("verification", (Act((*"fraud-scorer", "enter"), _has_sent), Act((), _is_watched, 60),
                             # A trial that is over is judged no more from the next look on.
                             Act((), _is_complete, _MOMENT_SECONDS))),
    Picture("receipt", (Act((), _is_over, 240), Act((), _is_told, _MOMENT_SECONDS))),
    Picture("incident", (Act(("escape", "2", "5")), Act((), _is_told, 360), Act((), _is_told, _MOMENT_SECONDS))),
))
SITTINGS = (
    FRAUD,
    Sitting("drift-both-arms", "image-moderation", (Picture("debug", (Act(("3",), _has_closer_look),)),)),
    Sitting("oom-under-load", "chat-assistant", (
        Picture("pods", (Act(("3",), _has_closer_look), Act(("tab",) * 5))),)),
    Sitting("healthy", "chat-assistant", (
        Picture("healthy"),
        Picture("source-lost", (Act((), _has_lost, _SILENCE_SECONDS, "prometheus"),)),
    )),
)
PICTURES = tuple(picture for sitting in SITTINGS for picture in sitting.pictures)


def differing(folder: Path) -> list[str]:
    """Names of pictures in ``folder`` that are missing or are not what the program draws now."""
    there = {picture.name: folder / f"{picture.name}.svg" for picture in PICTURES}
    # A sitting with nothing to compare to need not be held.
    drawn = _drawn([each for each in SITTINGS if any(there[picture.name].is_file() for picture in each.pictures)])
    return [name for name, path in there.items()
            if name not in drawn or not path.is_file() or path.read_text("utf-8") != drawn[name]]


def write(folder: Path) -> list[Path]:
    """Make all of them; the files, in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    for name, svg in _drawn(SITTINGS).items():
        path = folder / f"{name}.svg"
        path.write_text(svg, encoding="utf-8")
        out.append(path)
    return out


def _drawn(sittings: Sequence[Sitting]) -> dict[str, str]:
    """By name, in their order."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    # What a terminal says about itself, and what somebody has set for triage, must not be in the pictures.
    for name in ("NO_COLOR", "COLORFGBG", "TMUX", "TEXTUAL_COLOR_SYSTEM", *_own(os.environ)):
        os.environ.pop(name, None)
    os.environ["TERM"], os.environ["COLORTERM"] = "xterm-256color", "truecolor"
    os.environ[VARIABLE] = PERSON
    with ExitStack() as stack:
        os.environ["TRIAGE_STATE"] = stack.enter_context(tempfile.TemporaryDirectory(prefix="triage-pictures-"))
        labs = [stack.enter_context(LabProcess(Birth(each.scenario, LabClock(STARTS_AT, time.time(), speed=0.0))))
                for each in sittings]
        return asyncio.run(_all_sat(labs, sittings))


def _own(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith("TRIAGE_")]


async def _all_sat(labs: Sequence[LabProcess], sittings: Sequence[Sitting]) -> dict[str, str]:
    """All at once: most of the time is waiting."""
    found = await asyncio.gather(*(_sat(lab, each) for lab, each in zip(labs, sittings, strict=True)))
    return {name: svg for drawn in found for name, svg in drawn.items()}


async def _sat(lab: LabProcess, sitting: Sitting) -> dict[str, str]:
    drawn = {}
    await asyncio.to_thread(lab.wait_until_complete)
    async with _shown(lab, sitting.model) as scene:
        for picture in sitting.pictures:
            drawn[picture.name] = await _draw(scene, picture)
    return drawn


@asynccontextmanager
async def _shown(lab: LabProcess, model: str) -> AsyncIterator[Scene]:
    """The program on the lab, once all its figures are there."""
    clock = _StandingClock(STARTS_AT)

    def begun() -> Overrides:
        return replace(configured(lab, writes=True), interval=_INTERVAL_SECONDS)
    app = TriageApp(_WholeFeed(begun, clock=clock), model=model, theme_name="dark", glyphs="unicode", banner=BANNER,
                    write=True)
    async with app.run_test(size=PICTURES[0].size) as pilot:
        # Keys are not pressed here before what they are for is there.
        app.actions.deaf_seconds = 0.0
        # How long a message stands goes by the machine's clock, which is another each time.
        app.message_seconds = 0.0
        scene = Scene(lab, clock, app, pilot)
        await _until(scene, _is_complete)
        await _act(scene, Act(until=_is_complete, seconds=_MOMENT_SECONDS))
        yield scene


async def _draw(scene: Scene, picture: Picture) -> str:
    app = scene.app
    app.use_look(ascii=picture.ascii, chart="ascii" if picture.ascii else "braille")
    app.theme = f"triage-{picture.theme}"
    await scene.hand.resize_terminal(*picture.size)
    for act in picture.acts:
        await _act(scene, act)
    return await _settled(scene)


async def _act(scene: Scene, act: Act) -> None:
    if act.silent is not None:
        scene.lab.silence(act.silent, "refuse")
    if act.seconds:
        await asyncio.to_thread(scene.lab.forward, act.seconds)
        scene.clock.advance(act.seconds)
        scene.app.feed.refresh_now()
    await scene.hand.press(*act.keys)
    await _until(scene, act.until)
    await scene.hand.pause()


async def _until(scene: Scene, holds: Holds) -> None:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not holds(scene):
                if scene.app.failure is not None:
                    raise TriageError(*scene.app.failure)
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise TriageError("the lab did not answer completely in time", "triage lab serve shows why") from None


async def _settled(scene: Scene) -> str:
    """The picture, once it does not change any more."""
    drawn, alike = _svg(scene.app), 0
    while alike < _LOOKS_ALIKE:
        await asyncio.sleep(_LOOK_SECONDS)
        again = _svg(scene.app)
        drawn, alike = again, alike + 1 if again == drawn else 0
    return drawn


def _svg(app: TriageApp) -> str:
    """The screen as a picture without fonts from elsewhere."""
    picture = re.sub(r"@font-face \{.*?\}", "", app.export_screenshot(title="triage"), flags=re.DOTALL)
    if not app.palette.dark:
        # The picture's own colours stand for the terminal's default ones; here that is a light terminal.
        for dark, light in (("#292929", "#fafafa"), ("#c5c8c6", "#202020")):
            picture = picture.replace(dark, light)
    return picture
