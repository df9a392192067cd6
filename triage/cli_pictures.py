"""``triage lab screenshots``: every picture of ``screenshots/``, from the lab, the same bytes each time.

The program itself, headless, on a lab whose clock stands: what a user sees, without a figure that depends on the day.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from triage.cli_lab import BANNER, configured
from triage.clock import ManualClock
from triage.errors import TriageError
from triage.lab.child import Birth, LabProcess
from triage.lab.clock import LabClock
from triage.live.feed import LiveFeed
from triage.live.snapshot import Snapshot
from triage.signals.reading import Quality
from triage.tui.app import TriageApp

STARTS_AT = 1_793_628_300.0
"""2026-11-02 14:05:00 UTC: when it is in every picture."""
_PATIENCE_SECONDS = 60.0
_SILENCE_SECONDS = 42.0
"""How long Prometheus has been silent in the picture of a lost source."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One file of the folder, without its ``.svg``."""

    name: str
    scenario: str
    model: str
    size: tuple[int, int] = (120, 40)
    theme: str = "dark"
    glyphs: str = "unicode"
    keys: tuple[str, ...] = ()
    """Pressed once the figures are shown."""
    lost: str | None = None
    """Source that falls silent once its figures are shown."""


PICTURES = (
    Picture("on-call", "canary-latency", "fraud-scorer"),
    Picture("narrow", "canary-latency", "fraud-scorer", (80, 24)),
    Picture("light", "canary-latency", "fraud-scorer", theme="light"),
    Picture("no-colour", "canary-latency", "fraud-scorer", theme="no-colour"),
    Picture("ascii-16-colours", "canary-latency", "fraud-scorer", theme="16-colour", glyphs="ascii"),
    Picture("debug", "drift-both-arms", "image-moderation", keys=("3",)),
    Picture("healthy", "healthy", "chat-assistant"),
    Picture("source-lost", "healthy", "chat-assistant", lost="prometheus"),
)


def differing(folder: Path) -> list[str]:
    """Names of pictures in ``folder`` that are missing or are not what the program draws now."""
    there = {picture.name: folder / f"{picture.name}.svg" for picture in PICTURES}
    # One that is missing differs from whatever would be drawn.
    drawn = _drawn([picture for picture in PICTURES if there[picture.name].is_file()])
    return [name for name, path in there.items() if name not in drawn or path.read_text("utf-8") != drawn[name]]


def write(folder: Path) -> list[Path]:
    """Make all of them; the files, in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    for name, svg in _drawn(PICTURES).items():
        path = folder / f"{name}.svg"
        path.write_text(svg, encoding="utf-8")
        out.append(path)
    return out


def _drawn(pictures: Sequence[Picture]) -> dict[str, str]:
    """By name, in their order."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    # What a terminal says about itself must not colour the pictures.
    for name in ("NO_COLOR", "COLORFGBG", "TMUX", "TEXTUAL_COLOR_SYSTEM"):
        os.environ.pop(name, None)
    os.environ["TERM"], os.environ["COLORTERM"] = "xterm-256color", "truecolor"
    drawn = dict.fromkeys((picture.name for picture in pictures), "")
    with ExitStack() as stack:
        # All are born at once: each waits for the one before it to be drawn.
        labs = {scenario: stack.enter_context(LabProcess(Birth(scenario, LabClock(STARTS_AT, time.time(), speed=0.0))))
                for scenario in dict.fromkeys(picture.scenario for picture in pictures)}
        for scenario, lab in labs.items():
            lab.wait_until_complete()
            for picture in pictures:
                if picture.scenario == scenario:
                    drawn[picture.name] = asyncio.run(_draw(lab, picture))
    return drawn


async def _draw(lab: LabProcess, picture: Picture) -> str:
    clock = ManualClock(STARTS_AT)
    async with _shown(lab, picture, clock) as app:
        if picture.lost is not None:
            lab.silence(picture.lost, "refuse")
            try:
                clock.advance(_SILENCE_SECONDS)
                app.feed.refresh_now()
                await _until(app, lambda s: any(w.name == picture.lost and w.error is not None for w in s.sources))
            finally:
                lab.silence(picture.lost, None)
        return _svg(app)


@asynccontextmanager
async def _shown(lab: LabProcess, picture: Picture, clock: ManualClock) -> AsyncIterator[TriageApp]:
    """The program on the lab, once all its figures are there."""
    app = TriageApp(LiveFeed(lambda: configured(lab), clock=clock), model=picture.model, theme_name=picture.theme,
                    glyphs=picture.glyphs, banner=BANNER)
    async with app.run_test(size=picture.size) as pilot:
        await _until(app, _is_complete)
        if picture.keys:
            await pilot.press(*picture.keys)
            await _until(app, _has_logs)
        yield app


def _has_logs(snapshot: Snapshot) -> bool:
    return snapshot.logs is not None and None not in (snapshot.logs.traces.answered_at, snapshot.logs.lines.answered_at)


def _is_complete(snapshot: Snapshot) -> bool:
    model = snapshot.models[0] if snapshot.models else None
    if model is None or not model.trends or not model.versions.items or model.drift is None:
        return False
    on_trial = any(v.arm not in ("stable", "") for v in model.versions.items)
    asked = [reading.quality for slo in model.slos
             for reading in (slo.now, *slo.burns, *((slo.budget,) if slo.budget is not None else ()))]
    return (Quality.WAITING not in asked and (not on_trial or model.canary is not None)
            and all(source.state != "waiting" for source in snapshot.sources))


async def _until(app: TriageApp, holds: Callable[[Snapshot], bool]) -> None:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while app.latest is None or not holds(app.latest):
                if app.failure is not None:
                    raise TriageError(*app.failure)
                await asyncio.sleep(0.05)
            # What has arrived has been drawn when the program has nothing left to do.
            await asyncio.sleep(0.5)
    except TimeoutError:
        raise TriageError("the lab did not answer completely in time", "triage lab serve shows why") from None


def _svg(app: TriageApp) -> str:
    """The screen as a picture without fonts from elsewhere."""
    picture = re.sub(r"@font-face \{.*?\}", "", app.export_screenshot(title="triage"), flags=re.DOTALL)
    if not app.palette.dark:
        # The picture's own colours stand for the terminal's default ones; here that is a light terminal.
        for dark, light in (("#292929", "#fafafa"), ("#c5c8c6", "#202020")):
            picture = picture.replace(dark, light)
    return picture
