"""``RunbookDoor``: what the runbook may do with the program: ask the person, speak, copy, and hand on intents."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triage.facts.expressions import ExpressionsWanted
    from triage.runbook.intents import OpenPlan, RunCell
    from triage.runbook.moves import Prompt
    from triage.runbook.run import Case
    from triage.tui.app import TriageApp


class RunbookDoor:
    """The program as :class:`triage.tui.runbook_link.RunbookApp`."""

    def __init__(self, app: TriageApp) -> None:
        self._app = app

    def now(self) -> float:
        return self._app.feed.now()

    def case(self, model: str) -> Case | None:
        return self._app.incident.case(model)

    def shown(self) -> str:
        model = self._app.view().model
        return "" if model is None else model.name

    def open_plan(self, intent: OpenPlan) -> str:
        return self._app.open_plan(intent)

    def run_cell(self, intent: RunCell) -> str:
        return self._app.run_cell(intent)

    def ask_also(self, wanted: ExpressionsWanted | None) -> None:
        self._app.feed.ask_also(wanted)

    def prompt(self, prompt: Prompt, taken: Callable[[str | None], None]) -> None:
        from triage.tui.screens.ask import Ask
        view = self._app.view()
        choices = " / ".join(prompt.choices)
        self._app.push_screen(Ask(prompt.text, choices or "in a few words", "", view.look, self._app.palette,
                                  "enter say it  esc back"), taken)

    def copy_text(self, text: str) -> None:
        self._app.copy_text(text)

    def work(self, job: Coroutine[Any, Any, None]) -> None:
        self._app.run_worker(job, group="runbook", exit_on_error=False)

    def say(self, message: str) -> None:
        self._app.say(message)

    def show(self) -> None:
        self._app.show()
