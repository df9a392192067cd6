"""What is asked of a person about an incident: each dialog asks one line, and what it comes to is written at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from triage.tui.line import Line, Role, line, wrap
from triage.tui.panels.incident import Pick
from triage.tui.screens.ask import Ask
from triage.tui.screens.reader import Reader
from triage.tui.view import View

if TYPE_CHECKING:
    from triage.incident.entries import Entry
    from triage.incident.incident import Incident
    from triage.tui.action_link import ActionLink
    from triage.tui.incident_link import IncidentLink
    from triage.tui.theme import Palette

Typed = Callable[["Incident", str, float, str], "Entry"]
"""(the incident, who, Unix seconds, what was typed) to an entry."""
NOTE_HINT = "! decision  ? hypothesis  @ need  14:20 or -12m first"
_KEYS = "enter write it  esc back"


class App(Protocol):
    """The program, as dialogs see it."""

    actions: ActionLink

    @property
    def palette(self) -> Palette: ...

    def say(self, message: str) -> None: ...

    def view(self) -> View: ...

    def push_screen(self, screen: Any, callback: Any = None) -> Any: ...


class Dialogs:
    """The dialogs of one incident."""

    def __init__(self, app: Any, link: IncidentLink, view: View | None) -> None:
        self._app = cast(App, app)
        self._link = link
        self._view = view if view is not None else self._app.view()

    @property
    def _incident(self) -> Incident | None:
        """Of the model that is shown; None also while that of another model was read last."""
        board, model = self._link.board, self._view.model
        return None if board is None or model is None or board.model != model.name else board.incident

    def note(self) -> None:
        """A note, or by its first sign a decision, a hypothesis or a need."""
        known = self._incident
        if known is None:
            self._app.say("no incident is open: 5, then o opens one")
            return
        from triage.incident import by_hand
        closed = "" if known.is_open else ", which is closed"
        self._ask(f"note for {known.id}{closed}", NOTE_HINT,
                  lambda _, by, now, typed: by_hand.note(typed, by, now), known.id, "written")

    def open(self) -> None:
        """Open an incident under the name that is given, else under the first reason."""
        board, model = self._link.board, self._view.model
        if board is None or model is None:
            self._app.say("no model is shown yet")
        elif board.open is not None:
            self._app.say(f"{board.open.id} is open; e closes it")
        else:
            from triage.incident.watching import title_of
            self._prompt("open an incident: its title", "in a few words", title_of(model),
                         lambda title: self._link.open(title, model.name), "enter open it  esc back")

    def enter(self, chosen: Pick) -> None:
        """What enter does with what is selected."""
        incident = self._incident
        if incident is None:
            return
        from triage.incident import by_hand
        from triage.incident.entries import Kind, Source
        if chosen.kind == "hypothesis":
            item = next(each for each in incident.hypotheses if each.id == chosen.id)
            self._ask(f"hypothesis {item.number}: confirmed, refuted or open, and why",
                      "refuted: the digest is the same",
                      lambda _, by, now, typed: by_hand.settle(chosen.id, typed, by, now), incident.id)
        elif chosen.kind == "need":
            self._ask("how was it seen to", "in a few words",
                      lambda _, by, now, typed: by_hand.meet(chosen.id, typed, by, now), incident.id)
        elif chosen.kind == "handoff":
            self.hand_off()
        else:
            row = next(each for each in incident.rows if each.entry.id == chosen.id)
            mine = row.entry.source is Source.PERSON and row.entry.kind in (
                Kind.NOTE, Kind.DECISION, Kind.HYPOTHESIS, Kind.NEED, Kind.TIME)
            if mine:
                self._ask("put it otherwise; what it said stays in the log", NOTE_HINT,
                          lambda _, by, now, typed: by_hand.correction(row.entry, typed, by, now), incident.id,
                          text=row.text)
            else:
                self._app.push_screen(Reader("ENTRY", entry_page(chosen.id, self._link), copies_itself=True))

    def role(self) -> None:
        """Who has which role."""
        incident = self._open_one()
        if incident is not None:
            from triage.incident import by_hand
            self._ask("role, and who has it; without a name: you", "commander / operations / communication / scribe",
                      lambda _, by, now, typed: by_hand.role(typed, by, now), incident.id)

    def time(self) -> None:
        """A named time, by hand."""
        incident = self._incident
        if incident is None:
            self._app.say("there is no incident")
            return
        from triage.incident import by_hand
        self._ask("which time was when, and how is it known", "impact started 14:05 first complaint",
                  lambda _, by, now, typed: by_hand.time(typed, by, now), incident.id)

    def told(self) -> None:
        """A status update was given."""
        incident = self._open_one()
        if incident is not None:
            from triage.incident import by_hand
            self._ask("update given; the next one is due in", "30m",
                      lambda _, by, now, typed: by_hand.update(typed, by, now), incident.id, text="30m")

    def hand_off(self) -> None:
        """Give the incident to somebody; or, where that waits to be accepted, read it and accept it."""
        incident = self._open_one()
        if incident is None:
            return
        from triage.incident import by_hand
        from triage.incident.update import ASKED, known_fields
        given = incident.pending_handoff
        if given is not None:
            def accept(typed: str | None) -> None:
                if typed is not None:
                    self._write(lambda _, by, now, text: by_hand.accept(given, text, by, now), typed,
                                incident.id, "the incident is yours")
            refused = by_hand.not_for(given, self._link.by)
            if refused:
                self._app.say(refused)
            else:
                # Read first: the page lies on the question and is left with esc.
                self._app.push_screen(self._dialog(f"take it from {given.giver}, as {self._link.by}: type "
                                                   f"{by_hand.ACCEPT}", by_hand.ACCEPT, "", "enter take it  esc back"),
                                      accept)
            self._app.push_screen(Reader("HAND-OFF", handoff_page(self._link), copies_itself=True))
            return
        view = self._view

        def finished(answers: Sequence[str]) -> None:
            receiver, *said = answers

            def told(locks: str) -> None:
                def say(incident: Incident, by: str, now: float) -> Sequence[Entry]:
                    document = {**known_fields(incident, view.snapshot, view.model, now, locks),
                                **dict(zip(ASKED, said, strict=True))}
                    return [by_hand.hand_off(receiver, document, by, now)]
                self._link.write(say, f"handed to {receiver}: it stays with you until accepted", incident.id)
            self._app.actions.locks(told)
        self._series(["to whom", *ASKED.values()], [], finished)

    def end(self) -> None:
        """Close the incident."""
        incident = self._open_one()
        if incident is not None:
            from triage.incident import by_hand
            self._ask("close it: what changes in the runbook, or why nothing", "changed: ... or none: ...",
                      lambda _, by, now, typed: by_hand.close(typed, by, now), incident.id, "closed; w writes the "
                      "draft of the postmortem")

    def _open_one(self) -> Incident | None:
        """The incident, while it is open; else it is said that there is none."""
        incident = self._incident
        if incident is None or not incident.is_open:
            self._app.say("no incident is open: o opens one")
            return None
        return incident

    def _series(self, questions: Sequence[str], answers: list[str], finished: Callable[[Sequence[str]], None]) -> None:
        """One question after another; leaving one leaves all."""
        if len(answers) == len(questions):
            finished(answers)
            return
        place = f"hand-off {len(answers) + 1} of {len(questions)}: {questions[len(answers)]}"

        def taken(typed: str) -> None:
            if typed:
                self._series(questions, [*answers, typed], finished)
            else:
                self._app.say("the hand-off needs every field: - where there is nothing to say")
                self._series(questions, answers, finished)
        self._prompt(place, "in a few words", "", taken, "enter next  esc leaves it")

    def _ask(self, title: str, hint: str, entry: Typed, incident: str, done: str = "", text: str = "") -> None:
        """``incident`` is the id of the one that is asked about: what is typed goes there."""
        self._prompt(title, hint, text, lambda typed: self._write(entry, typed, incident, done), _KEYS)

    def _write(self, entry: Typed, typed: str, incident: str, done: str) -> None:
        self._link.write(lambda incident, by, now: [entry(incident, by, now, typed)], done, incident)

    def _prompt(self, title: str, hint: str, text: str, taken: Callable[[str], Any], keys: str) -> None:
        self._app.push_screen(self._dialog(title, hint, text, keys),
                              lambda typed: taken(typed) if typed is not None else None)

    def _dialog(self, title: str, hint: str, text: str, keys: str) -> Ask:
        return Ask(title, hint, text, self._view.look, self._app.palette, keys)


def entry_page(name: str, link: IncidentLink) -> Callable[[View, int], list[Line]]:
    """Everything that an entry holds."""
    def page(view: View, width: int) -> list[Line]:
        from triage.report.times import spoken
        board = link.board
        rows = board.incident.rows if board is not None and board.incident is not None else ()
        row = next((each for each in rows if each.entry.id == name), None)
        if row is None:
            return [line(("it is not there any more", Role.DIM))]
        entry = row.entry
        told = {"at": spoken(row.at), "written": spoken(entry.written_at), "by": entry.by,
                "from": str(entry.source), "state": entry.state, **entry.details}
        out = [line(text) for text in wrap(view.look.say(row.text), width)]
        out.append(line())
        for field, said in told.items():
            texts = wrap(view.look.say(said), max(10, width - 18)) if said else []
            out += [line((f"{field:<16}  " if not number else " " * 18, Role.DIM), text)
                    for number, text in enumerate(texts)]
        return out
    return page


def handoff_page(link: IncidentLink) -> Callable[[View, int], list[Line]]:
    """The document of the hand-off that waits."""
    def page(view: View, width: int) -> list[Line]:
        from triage.incident.update import handoff_text
        incident = link.board.incident if link.board is not None else None
        if incident is None or not incident.handoffs:
            return [line(("there is no hand-off", Role.DIM))]
        text = handoff_text(incident, incident.handoffs[-1])
        return [line(each) for paragraph in text.splitlines() for each in wrap(view.look.say(paragraph), width)]
    return page
