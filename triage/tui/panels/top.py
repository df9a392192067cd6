"""The first lines: where am I, how old is this, and the verdict with its first reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from triage.signals import wording
from triage.signals.reading import Quality, Urgency, Verdict
from triage.tui.line import URGENCY_ROLES, VERDICT_ROLES, Line, Role, Span, fit, line, wrap
from triage.tui.view import Item, View, reason_key, window_of

if TYPE_CHECKING:
    # Only for types: the first frame does not wait for the modules of facts and meaning.
    from triage.facts.outcome import SourceHealth
    from triage.live.snapshot import Snapshot
    from triage.signals.model import ModelState, Versions, VersionState

_ENDLESS = 10_000
_LEAST_NAME = 12
"""Cells of a model's name that are kept whatever else there is to say."""
_OLD_AFTER = 60.0
"""Seconds from which the data age stands out."""
_USUAL_SECONDS = 300.0
"""Over what shares are counted unless it is said."""
_RETRY_STEP = 5.0
"""Seconds in which the time to the next try counts down: coarse, because every step is sent over the link."""


def header(view: View, width: int) -> Line:
    """Context, production, model and versions. The context and its marker are never cut off."""
    for wordy, arms, stand in ((True, True, 2), (True, True, 1), (False, True, 2), (False, True, 1), (False, True, 0),
                               (False, False, 0)):
        # With a colon where there is room for it: "8 8 %" could be read as one number.
        for after, over in ((": ", True), (": ", False), (" ", False)):
            made = _header(view, width, wordy and view.width_is_wide, arms, stand, after, over=over)
            if made.width <= width and not made.text.endswith(view.look.ellipsis):
                return made
    # Which versions serve says more than the end of a long name.
    whole = _header(view, _ENDLESS, wordy=False, arms=False, stand=0, after=" ", over=False)
    name = cell_len(_name(view)) - (whole.width - width)
    if name >= _LEAST_NAME:
        return _header(view, width, wordy=False, arms=False, stand=0, after=" ", over=False, most_name=name)
    return made.fitted(width, view.look.ellipsis)


def _name(view: View) -> str:
    return view.model.name if view.model is not None else view.wanted or ""


def marks(view: View) -> Line:
    """The marker of the context, and whether actions may change something; these are never cut off."""
    out = line((view.marker, Role.PRODUCTION), " ") if view.marker else Line()
    if view.write:
        return line(out, ("WRITE", Role.WARN), " ")
    return line(out, ("READ-ONLY", Role.DIM), " ") if view.held_back else out


def _header(view: View, width: int, wordy: bool, arms: bool, stand: int, after: str, *, over: bool,
            most_name: int = _ENDLESS) -> Line:
    """``stand``: how much is said of where the rollout stands; 2 all, 1 a word or two, 0 nothing. ``after``: between
    a version and its share where no arm stands there. ``over``: say the window of shares that are of a shorter one.
    ``most_name``: cells of the model's name."""
    snapshot = view.snapshot
    head = line(" ", ("triage  " if wordy or snapshot is None else "", Role.DIM))
    if snapshot is not None:
        head = line(head, (fit(snapshot.context, max(8, width // 4)), Role.STRONG), " ")
    head = line(head, marks(view))
    if name := _name(view):
        head = line(head, (" " + fit(name, most_name, view.look.ellipsis), Role.STRONG))
    if view.model is None:
        return head
    shown = [_version(v, wordy, arms, after) for v in view.model.versions.items if v.arm or v.share.value]
    for number, version in enumerate(shown):
        more = line(("  " + view.look.ellipsis, Role.DIM))
        if not wordy and head.width + version.width + (more.width if number < len(shown) - 1 else 0) > width:
            return line(head, more)
        head += version
    if over:
        head = line(head, (_over(view.model.versions), Role.DIM))
    return line(head, _rollout(view, whole=stand > 1)) if stand else head


def _over(versions: Versions) -> str:
    """`` in 1m``: over what the shares are, where that is less than the usual five minutes; else ""."""
    windows = {v.share.window_seconds for v in versions.items if v.share.value is not None and v.arm}
    [window] = windows if len(windows) == 1 else [None]
    return f" in {wording.window(window)}" if window is not None and window < _USUAL_SECONDS else ""


def _rollout(view: View, *, whole: bool) -> Line:
    """Where the rollout stands, after the version on trial; in brackets while its controller does not answer."""
    if view.snapshot is None or view.model is None or view.model.rollout is None:
        return Line()
    # Not at the top: the first frame does not wait for the modules of facts and meaning.
    from triage.facts.rollouts import RolloutFacts
    from triage.signals.deployed import stands
    found = view.model.rollout
    if not isinstance(found, RolloutFacts):
        return Line()
    words = stands(found, view.now)
    if not words:
        return Line()
    if not words.startswith("step"):
        words = f"rollout {words}"
    if not whole:
        words = "rollout aborted" if found.aborted else words.split(",")[0]
    if any(s.name in ("kubernetes", "haproxy") and s.state == "down" for s in view.snapshot.sources):
        return line((f", ({words})", Role.STALE))
    return line((f", {words}", Role.WARN if "aborted" in words or "degraded" in words else Role.PLAIN))


def _version(version: VersionState, wordy: bool, arms: bool, after: str) -> Line:
    stale = version.share.quality is Quality.STALE
    known = version.share.value is not None
    text = wording.share(version.share.value) if version.share.value is not None else "-"
    if known and stale:
        text = f"({text})"
    arm = version.arm if arms and (wordy or version.arm != "stable") else ""
    trial = version.arm not in ("stable", "")
    return line(
        "  ",
        (version.version, Role.ACCENT if trial else Role.STRONG),
        (f" {arm} " if arm else after, Role.DIM),
        (text, Role.STALE if stale or not known else Role.PLAIN),
    )


def badges(view: View) -> Line:
    """What is out of the ordinary about the picture, and the state of the sources."""
    parts: list[Line] = []
    if view.paused_at is not None:
        parts.append(line((f"PAUSED since {wording.clock_time(view.paused_at, view.now)}", Role.ACCENT)))
    if view.end is not None:
        parts.append(line((f"charts to {wording.clock_time(view.end, view.now)}, 0 live", Role.ACCENT)))
    if view.width_is_wide and view.board is not None and view.board.open is not None:
        parts.append(line((view.board.open.id, Role.ACCENT)))
    if view.snapshot is not None:
        parts.append(_sources(view.snapshot, "sources " if view.width_is_wide else ""))
    out = Line()
    for number, part in enumerate(parts):
        out += line("  " if number else "", part)
    return out


def _sources(snapshot: Snapshot, label: str) -> Line:
    used = [s for s in snapshot.sources if s.state != "off"]
    good = sum(s.state == "ok" for s in used)
    if used and all(s.state == "waiting" for s in used):
        return line((f"{label}asking", Role.DIM))
    text = f"{good}/{len(used)}"
    if good == len(used) and used:
        return line((label, Role.DIM), f"{text} ok")
    return line((label, Role.DIM), (f"{text} ok", Role.WARN))


def data_age(view: View) -> Line:
    """How old the oldest answer is that the verdict rests on. Its own cell, because it changes every second."""
    if view.model is None or view.model.data_at is None:
        return line(("no data yet", Role.DIM))
    seconds = max(0.0, view.now - view.model.data_at)
    fine = view.width_is_wide or seconds < _OLD_AFTER
    text = f"data {wording.stepped_age(seconds) if fine else wording.coarse_age(seconds)}"
    return line((text, Role.WARN)) if seconds >= _OLD_AFTER else line(text)


def verdict(view: View, width: int, rows: int) -> tuple[Line, ...]:
    """The verdict and its first reason in at most ``rows`` rows; then what became of the alert asked for."""
    if rows <= 0:
        return ()
    out = list(_verdict(view, width, rows))
    if view.alert_note is not None:
        state, text = view.alert_note
        out.append(line(" ", view.look.mark(state), text).fitted(width, view.look.ellipsis))
    return tuple(out)


def _verdict(view: View, width: int, rows: int) -> tuple[Line, ...]:
    state, urgency, text, tail = _said(view)
    role = VERDICT_ROLES[state] if urgency is not Urgency.TICKET or state is not Verdict.FAIL else Role.FAIL
    title = wording.headline(state, urgency) if state is not Verdict.PENDING else "WAITING"
    if view.is_silent and state is not Verdict.UNKNOWN:
        # As every figure that is no longer present.
        title, role = f"({title})", Role.STALE if role is Role.PASS else role
    head = line(" ", (view.look.glyph(state), role), " ",
                (title, Role.STRONG if role in (Role.PASS, Role.DIM) else role), "  ")
    indent = head.width if head.width <= width // 3 else 3
    text = view.look.say(text)
    first = max(1, width - head.width - 1)
    full = f"{text.rstrip('.')}. {tail}" if tail else text
    if rows == 1 or head.width + len(full) + 1 <= width:
        return (line(head, full).fitted(width, view.look.ellipsis),)
    # The first row is shorter than the others when the head is wide: wrapped at the narrower of the two.
    wrapped = wrap(full, max(1, min(first, width - indent - 1)))
    shown = [line(head, wrapped[0])]
    shown += [line(" " * indent, text_row) for text_row in wrapped[1:rows]]
    if len(wrapped) > rows:
        shown[-1] = line(
            " " * indent, fit(" ".join(wrapped[rows - 1 :]), max(1, width - indent - 1), view.look.ellipsis)
        )
    return tuple(row.fitted(width, view.look.ellipsis) for row in shown)


def _said(view: View) -> tuple[Verdict, Urgency, str, str]:
    if view.snapshot is None:
        about = f" about {view.wanted}" if view.wanted else ""
        text = f"the notebooks are being read, then Prometheus and Alertmanager are asked{about}"
        return Verdict.PENDING, Urgency.NONE, text, ""
    model = view.model
    if model is None:
        if view.broken is not None:
            errors = view.broken.errors
            more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
            first = errors[0] if errors else "no error was given"
            return Verdict.UNKNOWN, Urgency.NONE, f"its model notebook cannot be used: {first}{more}", ""
        if view.wanted:
            others = (*[m.name for m in view.snapshot.models], *view.snapshot.other_models)
            there = f"there are: {', '.join(others[:6])}" if others else "no notebook could be used"
            return (Verdict.UNKNOWN, Urgency.NONE, f"there is no model {view.wanted}; {there}", "")
        return (Verdict.UNKNOWN, Urgency.NONE, "no model notebook could be used", "")
    reason = model.reasons[0].text if model.reasons else "no reason was given"
    if model.data_at is None and all(s.state in ("waiting", "off") for s in view.snapshot.sources):
        return (Verdict.PENDING, Urgency.NONE, f"asking {_names(view.snapshot.sources)} about {model.name}", "")
    under_way = _asked(model)
    if under_way:
        return Verdict.PENDING, Urgency.NONE, under_way, ""
    if view.is_silent and model.verdict is not Verdict.UNKNOWN:
        when = "" if model.data_at is None else f", last known {wording.clock_time(model.data_at, view.now)}"
        reason = f"Prometheus is silent{when}: {reason}"
    return model.verdict, model.urgency, reason, _last(view, model)


def _asked(model: ModelState) -> str:
    """What is known already, where nothing but answers under way keeps the model from a verdict; else ""."""
    gating = [s for s in model.slos if s.verdict is Verdict.UNKNOWN and s.required]
    gating = gating or [s for s in model.slos if s.verdict is Verdict.UNKNOWN]
    others = any(r.verdict is Verdict.UNKNOWN and r.rule != "unknown" for r in model.reasons)
    if model.verdict is not Verdict.UNKNOWN or not gating or others or not all(s.is_asked for s in gating):
        return ""
    judged = [s for s in model.slos if s.objective is not None]
    met, bad = (sum(s.verdict is v for s in judged) for v in (Verdict.PASS, Verdict.WARN))
    said = f"{met} of {len(judged)} objectives met so far" + (f", {bad} warn" if bad else "")
    windows = sorted({w for s in gating if s.now.quality is not Quality.WAITING for w in s.asked})
    names = [s.name for s in gating if s.now.quality is Quality.WAITING]
    asked = f"the {_listed([wording.window(w) for w in windows])} window{'s' * (len(windows) > 1)}" if windows else ""
    asked = " and ".join(text for text in (_listed(names), asked) if text)
    return f"{said}; {asked} {'is' if len(windows) + len(names) == 1 else 'are'} asked"


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _names(sources: tuple[SourceHealth, ...]) -> str:
    names = [source_name(s) for s in sources if s.state != "off"]
    return " and ".join(names) or "the sources"


def _last(view: View, model: ModelState) -> str:
    if model.verdict is not Verdict.UNKNOWN or model.last_verdict is None:
        return ""
    urgency = "" if model.last_urgency is Urgency.NONE else f", {model.last_urgency}"
    when = "" if model.last_verdict_at is None else f" {wording.coarse_age(view.now - model.last_verdict_at)} ago"
    return f"Last verdict{when}: {wording.word(model.last_verdict)}{urgency}."


def source_name(source: SourceHealth) -> str:
    """As people write it."""
    return {"prometheus": "Prometheus", "alertmanager": "Alertmanager", "registry": "the registry",
            "kubernetes": "Kubernetes"}.get(source.name, source.name)


def source_lines(view: View, width: int) -> tuple[Line, ...]:
    """One line for every action that is under way, or whose end is not known, and for every source that does not
    answer in full: since when, and why."""
    if view.snapshot is None:
        return ()
    out = [_action(view, Verdict.PENDING, ("under way", Role.STRONG), text, keys, width)
           for text, keys in view.under_way]
    out += [_action(view, Verdict.UNKNOWN, ("unknown: verify", Role.UNKNOWN), text, "a v", width)
            for text in view.unknown]
    for source in view.snapshot.sources:
        if source.state in ("ok", "off", "waiting"):
            continue
        since = "" if source.since is None else f" since {wording.clock_time(source.since, view.now)}"
        word = "silent" if source.state == "down" else "answers in part"
        why = f": {source.error}" if source.error else ""
        last = ""
        if source.last_ok_at is not None and source.state == "down":
            last = f", last answer {wording.clock_time(source.last_ok_at, view.now)}"
        state = Verdict.UNKNOWN if source.state == "down" else Verdict.WARN
        out.append(line(" ", view.look.mark(state), (source_name(source), Role.STRONG), f" {word}{since}{why}{last}")
                   .fitted(width, view.look.ellipsis))
    return tuple(out)


def _action(view: View, verdict: Verdict, word: Span, text: str, keys: str, width: int) -> Line:
    """An action in one row; its keys are seen also where the sentence has to be cut."""
    head, tail = line(" ", view.look.mark(verdict), word, "  "), line("   " if keys else "", (keys, Role.ACCENT))
    said = fit(view.look.say(text), max(0, width - head.width - tail.width), view.look.ellipsis)
    return line(head, said, tail).fitted(width, view.look.ellipsis)


def retry(view: View) -> Line:
    """When silent sources are asked again, in coarse steps; blank while all answer. Its own cell."""
    if view.snapshot is None:
        return Line()
    due = [s.next_try_at for s in view.snapshot.sources if s.state == "down" and s.next_try_at is not None]
    if not due:
        return Line()
    seconds = max(0.0, min(due) - view.now)
    steps = int(seconds // _RETRY_STEP) + (1 if seconds % _RETRY_STEP else 0)
    text = "asking again now" if steps == 0 else f"next try in {int(steps * _RETRY_STEP)} s"
    return line((text, Role.DIM))


def reasons(view: View, width: int, rows: int) -> tuple[Line, ...]:
    """The further reasons, one per row, under a small heading; of a notebook that cannot be used, every error."""
    model = view.model
    if view.broken is not None:
        return errors(view, width)[:max(0, rows)]
    if model is None or rows <= 1 or len(model.reasons) < 2:
        return ()
    others = range(1, len(model.reasons))
    keys = [Item("reason", reason_key(n, model)) for n in others]
    chosen = view.chosen()
    shown = window_of(len(keys), keys.index(chosen) if chosen in keys else None, rows - 1)
    hidden = len(keys) - len(shown)
    count = f"  {shown.start + 1} to {shown.stop} of {len(keys)}" if hidden else ""
    out = [line(("   ALSO", Role.HEADING), (count, Role.DIM))]
    for index in shown:
        reason = model.reasons[index + 1]
        urgency = "" if reason.urgency is Urgency.NONE else str(reason.urgency)
        mark = line(cursor(view, keys[index]), view.look.mark(reason.verdict))
        out.append(line(mark, (urgency, URGENCY_ROLES[reason.urgency]), "  " if urgency else "", reason.text)
                   .fitted(width, view.look.ellipsis))
    return tuple(out)


def errors(view: View, width: int) -> tuple[Line, ...]:
    """Every error of the notebook that was asked for, and what to do; () when it can be used."""
    if view.broken is None or view.snapshot is None:
        return ()
    head = line("   ", ("NOTEBOOK", Role.HEADING), (f"  {view.broken.path}", Role.DIM))
    out = [head.fitted(width, view.look.ellipsis)]
    room = max(8, width - 6)
    for error in view.broken.errors:
        rows = wrap(view.look.say(error), room)
        out += [line("   " if number else line(" ", view.look.mark(Verdict.UNKNOWN)), text)
                for number, text in enumerate(rows)]
    others = (*[m.name for m in view.snapshot.models], *view.snapshot.other_models)
    can = f"  / opens another model: {', '.join(others[:6])}" if others else ""
    said = f"Nothing is asked about it. After a change: triage notebook lint, then start anew.{can}"
    out += [line(), *(line("   ", (text, Role.DIM)) for text in wrap(view.look.say(said), room))]
    return tuple(out)


def cursor(view: View, item: Item) -> Line:
    """One cell before a row: the focus mark where the row is selected."""
    return line((view.look.pick("▸", ">"), Role.ACCENT)) if view.chosen() == item else line(" ")


def rule(view: View, width: int) -> Line:
    """The one thin rule."""
    return line((view.look.pick("─", "-") * width, Role.RULE))
