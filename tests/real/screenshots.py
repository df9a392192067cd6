"""Makes every picture in ``screenshots/``: ``python -m tests.real.screenshots``.

The program itself, headless, on the stage's real Prometheus; so the pictures show what a user sees, and differ from one
making to the next in clock times and in the noise of the traffic.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.real.servers import PROJECT
from tests.real.stage import Stage, staged
from triage.live.feed import LiveFeed
from triage.live.snapshot import Snapshot
from triage.overrides import Overrides
from triage.tui.app import TriageApp

FOLDER = PROJECT / "screenshots"
_PATIENCE = 60.0


@asynccontextmanager
async def _shown(stage: Stage, model: str, size: tuple[int, int], theme: str = "dark",
                 glyphs: str = "unicode") -> AsyncIterator[TriageApp]:
    """The program on the stage, once its figures are there."""
    feed = LiveFeed(lambda: Overrides(config=str(stage.config), interval=1.0))
    app = TriageApp(feed, model=model, theme_name=theme, glyphs=glyphs)
    async with app.run_test(size=size):
        await _until(app, lambda s: bool(s.models and s.models[0].trends and s.models[0].alerts is not None
                                         and s.models[0].versions.items
                                         and all(w.state != "waiting" for w in s.sources)))
        yield app


async def _until(app: TriageApp, holds: Callable[[Snapshot], bool]) -> None:
    async with asyncio.timeout(_PATIENCE):
        while True:
            latest = app.latest
            if latest is not None and holds(latest):
                # The message that brought it has been drawn.
                await asyncio.sleep(1.0)
                return
            await asyncio.sleep(0.1)


def _save(app: TriageApp, name: str) -> None:
    path = FOLDER / f"{name}.svg"
    picture = re.sub(r"@font-face \{.*?\}", "", app.export_screenshot(title="triage"), flags=re.DOTALL)
    if not app.palette.dark:
        # The picture's own colours stand for the terminal's default ones; here that is a light terminal.
        for dark, light in (("#292929", "#fafafa"), ("#c5c8c6", "#202020")):
            picture = picture.replace(dark, light)
    path.write_text(picture, encoding="utf-8")
    print(path.relative_to(PROJECT))


async def _failing(stage: Stage) -> None:
    for name, size, theme, glyphs in (("on-call", (120, 40), "dark", "unicode"),
                                      ("narrow", (80, 24), "dark", "unicode"),
                                      ("light", (120, 40), "light", "unicode"),
                                      ("no-colour", (120, 40), "no-colour", "unicode"),
                                      ("ascii-16-colours", (120, 40), "16-colour", "ascii")):
        async with _shown(stage, "fraud-scorer", size, theme, glyphs) as app:
            _save(app, name)
    async with _shown(stage, "chat-assistant", (120, 40)) as app:
        _save(app, "healthy")
    async with _shown(stage, "chat-assistant", (120, 40)) as app:
        stage.prometheus.stop()
        await _until(app, lambda s: s.models[0].verdict == "unknown" and s.models[0].last_verdict is not None)
        _save(app, "source-lost")


def main() -> None:
    """Make all of them."""
    FOLDER.mkdir(exist_ok=True)
    os.environ.setdefault("TZ", "UTC")
    with tempfile.TemporaryDirectory() as folder, staged(Path(folder), "failing") as stage:
        asyncio.run(_failing(stage))


if __name__ == "__main__":
    main()
