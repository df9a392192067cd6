"""An empty Textual program, to measure the first frame against."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widgets import Static


class Empty(App[None]):
    def compose(self) -> ComposeResult:
        yield Static("WAITING")


if __name__ == "__main__":
    Empty().run(mouse=False)
