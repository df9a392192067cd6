"""Until when alerts are silenced is asked of Alertmanager, and only while one is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from tests.lab.serving import serving
from tests.live.conftest import NOW, Asked, active
from triage.clock import ManualClock
from triage.facts.alerts import AlertState
from triage.facts.outcome import SourceState
from triage.lab.alerting.book import AlertBook
from triage.lab.alerting.matchers import parse_matcher
from triage.lab.alerting.notices import Notice
from triage.lab.alerting.silences import SilenceDraft
from triage.lab.apis.alertmanager import app
from triage.live.poller import Poller
from triage.notebook.load import load_all


class Counting:
    """An Alertmanager that remembers what it was asked, and may not tell of silences."""

    def __init__(self, inside: ASGIApp) -> None:
        self.inside, self.paths, self.tells = inside, list[str](), True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.paths.append(scope["path"].rpartition("/")[2])
            if not self.tells and self.paths[-1] == "silences":
                scope = {**scope, "path": "/nowhere", "raw_path": b"/nowhere"}
        await self.inside(scope, receive, send)


async def test_the_ends_of_silences_are_asked_only_while_an_alert_is_silenced(
        notebooks: Callable[..., Path], prometheus: Asked, clock: ManualClock) -> None:
    folder = notebooks(m=1)
    book = AlertBook(clock)
    book.receive([Notice({"alertname": "Slow", "model": "m"}, {}, NOW - 60, NOW + 86400)])
    server = Counting(app(book))
    with serving(server) as url:
        poller = Poller(active(folder, prometheus.server.url, url), load_all([folder]), clock)
        poller.watch(["m"])
        try:
            [group] = (await poller.refresh_once()).models[0].alerts
            assert (group.state, group.silenced_until, server.paths) == ("firing", None, ["alerts"])
            book.put_silence(SilenceDraft((parse_matcher("alertname=Slow"),), NOW, NOW + 1800, "me", "why"))
            clock.advance(5)
            [group] = (await poller.refresh_once()).models[0].alerts
            assert (group.state, group.silenced_until) == (str(AlertState.SILENCED), NOW + 1800)
            assert server.paths == ["alerts", "alerts", "silences"]
            server.tells = False
            clock.advance(5)
            snapshot = await poller.refresh_once()
            [group] = snapshot.models[0].alerts
            assert (group.state, group.silenced_until) == (str(AlertState.SILENCED), None)
            states = {source.name: source.state for source in snapshot.sources}
            assert states["alertmanager"] is SourceState.PARTIAL
        finally:
            await poller.aclose()
