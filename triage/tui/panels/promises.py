"""Feature views and retrain triggers on the debug screen: what the manifest asks of the data, and of training."""

from __future__ import annotations

from rich.cells import cell_len

from triage.signals.feature_freshness import ViewState
from triage.signals.reading import Verdict
from triage.signals.retrain import Trigger, TriggerState
from triage.tui.line import VERDICT_ROLES, Line, Role, fit, line, pad
from triage.tui.panels.heads import as_of, failed, head, loudest, mark, shown_as, unanswered
from triage.tui.view import View, window_of

STATE_VERDICTS = {TriggerState.ASKED: Verdict.WARN, TriggerState.BUILDING: Verdict.LOW_N,
                  TriggerState.QUIET: Verdict.PASS, TriggerState.UNKNOWN: Verdict.UNKNOWN}


def views(view: View) -> tuple[ViewState, ...]:
    """The feature views that the model reads."""
    reading = view.model.feature_store if view.model is not None else None
    return () if reading is None else reading.views


def feature_store(view: View, chosen: str | None, width: int, rows: int) -> list[Line]:
    """A heading that says how many views are fresh and which is not, and a row for each; () where none is named."""
    reading = view.model.feature_store if view.model is not None else None
    if reading is None or rows <= 0:
        return []
    stale = view.is_silent or reading.is_stale(view.now)
    fine = sum(item.verdict is Verdict.PASS for item in reading.views)
    loud = loudest(reading.views, lambda item: shown_as(item.verdict))
    about = ", ".join(part for part in (f"{fine} of {len(reading.views)} views fresh" if reading.views else "",
                                        as_of(reading.answered_at, view, stale=stale)) if part)
    worst = None if loud is None else (shown_as(loud.verdict), f"{loud.view}: {loud.sentence}" if rows == 1 else
                                       loud.view)
    if reading.answered_at is None:
        return [head("FEATURE STORE", *unanswered(reading.failure, view), view, width)]
    out = [head("FEATURE STORE", worst, about, view, width, stale=stale), *failed(reading.failure, view, width)]
    names = [item.view for item in reading.views]
    cells = min(30, max((cell_len(name) for name in names), default=0))
    shown = window_of(len(names), names.index(chosen) if chosen in names else None, rows - len(out))
    for index in shown:
        item, here = reading.views[index], names[index] == chosen
        notes = "".join(f"; {note}" for note in item.notes if note not in item.sentence)
        out.append(_told(view, item.view, cells, shown_as(item.verdict), item.sentence + notes, width, chosen=here,
                         stale=stale))
    return out[:rows]


def triggers(view: View) -> tuple[Trigger, ...]:
    """The manifest's retrain triggers, evaluated."""
    return view.model.retrain if view.model is not None else ()


def retrain(view: View, chosen: str | None, width: int, rows: int) -> list[Line]:
    """A heading that says what is asked, and a row for each trigger; () without any."""
    found = triggers(view)
    if not found or rows <= 0:
        return []
    loud = loudest(found, lambda item: STATE_VERDICTS[item.state])
    asked = sum(item.state is TriggerState.ASKED for item in found)
    worst = None if loud is None else (STATE_VERDICTS[loud.state], loud.sentence if rows == 1 else str(loud.state))
    about = f"{asked} of {len(found)} triggers ask for it, nothing starts by itself"
    out = [head("RETRAIN", worst, about, view, width, stale=view.is_silent)]
    names = [item.condition for item in found]
    cells = min(30, max(cell_len(name) for name in names))
    shown = window_of(len(found), names.index(chosen) if chosen in names else None, rows - len(out))
    for index in shown:
        item = found[index]
        said = item.sentence.removeprefix(item.condition).removeprefix(":").strip()
        out.append(_told(view, item.condition, cells, STATE_VERDICTS[item.state], said, width,
                         chosen=names[index] == chosen, stale=view.is_silent))
    return out[:rows]


def _told(view: View, name: str, cells: int, verdict: Verdict, said: str, width: int, *, chosen: bool,
          stale: bool) -> Line:
    role = Role.STALE if stale else VERDICT_ROLES[verdict]
    label = pad(fit(view.look.say(name), cells, view.look.ellipsis), cells)
    text = view.look.say(f"({said})" if stale else said)
    return line(mark(view, chosen=chosen), (view.look.glyph(verdict), role), " ",
                (label, Role.STRONG if chosen else Role.PLAIN), "  ",
                (text, Role.STALE if stale else Role.PLAIN if verdict is not Verdict.PASS else Role.DIM)).fitted(
        width, view.look.ellipsis)
