"""The pods of the model shown, worst first, and their work: what they use, what it costs, why their number changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

from triage.signals import wording
from triage.signals.reading import Quality, Reading, Verdict
from triage.signals.resources_model import Basis, PodState, ServingReading, Use
from triage.signals.resources_reading import size
from triage.tui.line import VERDICT_ROLES, Cell, Column, Line, Role, line, row, titles, wrap
from triage.tui.panels.features import second_of_day
from triage.tui.panels.logs import ending
from triage.tui.view import View, window_of

if TYPE_CHECKING:
    from triage.signals.resources_model import Scaling, VariantState

_WIDE = 110
"""Cells from which shares are drawn, too."""
_BLOCKS = "▁▂▃▄▅▆▇█"
_LEAST_NAME, _MOST_NAME = 12, 44
_VERSION, _RESTARTS = 9, 8
_STATES = ((Verdict.FAIL, "failing"), (Verdict.WARN, "to watch"), (Verdict.UNKNOWN, "unknown"),
           (Verdict.PENDING, "new"), (Verdict.PASS, "well"))
_OF = {Basis.LIMIT: "limit", Basis.REQUEST: "request", Basis.MANIFEST: "manifest's figure"}


def reading_of(view: View) -> ServingReading | None:
    """What is known of the pods; None until somebody has asked."""
    return view.model.serving if view.model is not None else None


def found_pods(view: View) -> tuple[PodState, ...]:
    """The pods to show, worst first. Their names are their keys."""
    reading = reading_of(view)
    return reading.pods if reading is not None else ()


def pods(view: View, chosen: str | None, width: int, rows: int) -> list[Line]:
    """A heading, what is wrong, and a row for each pod; ``chosen`` is the name of the one under the cursor."""
    if rows <= 0 or view.model is None:
        return []
    reading = reading_of(view)
    if reading is None or not reading.pods:
        return _nothing(view, reading, width)[:rows]
    stale = reading.is_stale(view.now)
    columns = _columns(reading.pods, width)
    out = [_heading(view, reading, width), *_above(view, reading, width)]
    if rows > len(out) + 1:
        out.append(line(" ", titles(columns, view.look.say)).fitted(width, view.look.ellipsis))
    names = [pod.name for pod in reading.pods]
    shown = window_of(len(names), names.index(chosen) if chosen in names else None, rows - len(out))
    out += [_row(view, reading.pods[n], columns, width, chosen=names[n] == chosen, stale=stale) for n in shown]
    return out[:rows]


def _heading(view: View, reading: ServingReading, width: int) -> Line:
    counts = [(sum(pod.verdict is verdict for pod in reading.pods), verdict, word) for verdict, word in _STATES]
    said: list[Line | tuple[str, Role]] = []
    for count, verdict, word in counts:
        if count:
            role = VERDICT_ROLES[verdict] if verdict is not Verdict.PASS else Role.DIM
            said.append((f"  {view.look.glyph(verdict)} {count} {word}", role))
    bases = dict.fromkeys(_OF[use.basis] for pod in reading.pods for use in (pod.cpu, pod.memory) if use.basis in _OF)
    whole = f", 100 % is the {' or the '.join(bases)}" if bases else ""
    more = ", and more of them" if reading.truncated else ""
    return line((f" PODS {len(reading.pods)}{more}", Role.HEADING), *said,
                (f"  {_as_of(reading, view.now)}{whole}", Role.DIM)).fitted(width, view.look.ellipsis)


def _as_of(reading: ServingReading, now: float) -> str:
    if reading.answered_at is None:
        return "asked, no answer yet" if reading.failure is None else "not answered"
    old = f", {wording.coarse_age(now - reading.answered_at)} old" if reading.is_stale(now) else ""
    return f"as of {second_of_day(reading.answered_at, now)}{old}"


def _above(view: View, reading: ServingReading, width: int) -> list[Line]:
    said: list[tuple[Verdict, str]] = [(finding.verdict, f"{finding.text}; {finding.hint}" if finding.hint else
                                        finding.text) for finding in reading.findings]
    if reading.failure is not None:
        said.append((Verdict.UNKNOWN, f"not renewed: {reading.failure.sentence()}"))
    if reading.list_failure is not None:
        said.append((Verdict.UNKNOWN, f"Kubernetes does not list them: {reading.list_failure.sentence()}"))
    said += [(Verdict.UNKNOWN, f"partial: {warning}") for warning in reading.warnings[:1]]
    return [line(" ", view.look.mark(verdict), (view.look.say(text), Role.PLAIN)).fitted(width, view.look.ellipsis)
            for verdict, text in said]


def _nothing(view: View, reading: ServingReading | None, width: int) -> list[Line]:
    head = line((" PODS", Role.HEADING))
    role = Role.DIM
    if reading is None or (reading.answered_at is None and reading.failure is None):
        said = "asked, no answer yet"
    elif reading.failure is not None:
        hint = f"; {reading.failure.hint}" if reading.failure.hint else ""
        said, role = f"? not answered: {reading.failure.sentence()}{hint}", Role.UNKNOWN
    elif reading.listed_by == "kubernetes":
        said = "- the rollout has no pods"
    else:
        said, role = ("? no series tell of its pods: in the manifest spec.resources.pods and pod_names say how they "
                      "are found"), Role.UNKNOWN
    return [head, *(line("   ", (text, role)) for text in wrap(view.look.say(said), max(8, width - 4)))]


def _columns(found: Sequence[PodState], width: int) -> list[Column]:
    wide = width >= _WIDE
    share = 8 if wide else 7
    gpus = any(pod.gpu.used is not None or pod.gpu.verdict is Verdict.UNKNOWN for pod in found)
    columns = [Column("", 1, gap=0), Column("pod", 0, gap=1)]
    if any(pod.version for pod in found) and (wide or not gpus):
        columns.append(Column("version", _VERSION, gap=1))
    columns += [Column("CPU", share, "right", gap=1), Column("memory", share, "right", gap=1),
                Column("throttled", 9, "right", gap=1) if wide else Column("thrott.", share, "right", gap=1)]
    if gpus:
        columns.append(Column("GPU", share, "right", gap=1))
    if gpus and (wide or any(pod.gpu_memory.verdict is Verdict.WARN for pod in found)):
        columns.append(Column("GPU mem", share, "right", gap=1))
    columns.append(Column("restarts", _RESTARTS, "right", gap=1))
    taken = sum(column.width + column.gap for column in columns) + 1
    longest = max(cell_len(pod.name) for pod in found)
    room = width - taken - (34 if wide else 18)
    columns[1] = Column("pod", min(longest, max(_LEAST_NAME, min(_MOST_NAME, room))), gap=1)
    return [*columns, Column("state", 14)]


def _row(view: View, pod: PodState, columns: Sequence[Column], width: int, *, chosen: bool, stale: bool) -> Line:
    wide = width >= _WIDE
    role = Role.STALE if stale else VERDICT_ROLES[pod.verdict]
    cells: dict[str, Cell] = {
        "": (view.look.glyph(pod.verdict), role),
        "pod": (ending(view.look.say(pod.name), columns[1].width, view.look.ellipsis),
                Role.STRONG if chosen else Role.PLAIN),
        "version": (ending(view.look.say(pod.version), _VERSION, view.look.ellipsis), Role.DIM),
        "CPU": _share(view, pod.cpu, drawn=wide, stale=stale),
        "memory": _share(view, pod.memory, drawn=wide, stale=stale),
        "throttled" if wide else "thrott.": _share(view, pod.throttled, drawn=wide, stale=stale),
        "GPU": _share(view, pod.gpu, drawn=wide, stale=stale),
        "GPU mem": _share(view, pod.gpu_memory, drawn=wide, stale=stale), "restarts": _restarts(pod, stale=stale)}
    # Well is what needs no words, but a glyph alone says too little.
    said = "; ".join(pod.why) or ("not known any more" if stale else wording.word(Verdict.PASS))
    mark = line((view.look.pick("▸", ">"), Role.ACCENT)) if chosen else line(" ")
    head = row(columns[:-1], [cells[column.title] for column in columns[:-1]], view.look.say, view.look.ellipsis)
    dim = role if pod.why else Role.DIM
    return line(mark, head, "  ", (view.look.say(f"({said})" if stale else said), dim)).fitted(width,
                                                                                             view.look.ellipsis)


def _share(view: View, use: Use, *, drawn: bool, stale: bool) -> Cell:
    """A share of the whole; what is used where nothing says how much there is; ``?`` for what should be known."""
    if use.used is None:
        return ("?", Role.UNKNOWN) if use.verdict is Verdict.UNKNOWN else ("-", Role.DIM)
    if use.share is None:
        return amount(use), Role.STALE if stale else Role.PLAIN
    text = wording.share(use.share)
    if stale:
        return f"({text})", Role.STALE
    if use.verdict is Verdict.WARN:
        return f"! {text}", Role.WARN
    if drawn and not view.look.ascii:
        block = _BLOCKS[min(len(_BLOCKS) - 1, int(use.share * len(_BLOCKS)))]
        return line((f"{block} ", Role.DIM), f"{text:>5}")
    return text


def amount(use: Use) -> str:
    """What is used, with its unit: cores under a thousand, bytes above; ``-`` when it is not known."""
    if use.used is None:
        return "-"
    return size(use.used) if use.used >= 1024 else wording.significant(use.used, 2)


def _restarts(pod: PodState, *, stale: bool) -> Cell:
    if pod.restarts is None:
        return "?", Role.UNKNOWN
    if not pod.restarted:
        return str(pod.restarts), Role.STALE if stale else Role.PLAIN
    return f"! {pod.restarts}" if not stale else f"({pod.restarts})", Role.STALE if stale else Role.WARN


def work(view: View, width: int, rows: int) -> list[Line]:
    """Throughput, queue, batches; use and cost per inference and how they are computed; other ways to serve it."""
    reading = reading_of(view)
    if rows <= 0 or reading is None:
        return []
    stale = reading.is_stale(view.now)
    known = [f"{label} {value}" for label, each, value, _ in _facts(reading) if each.value is not None]
    # In one row the figures stand in the heading.
    said = f"  {', '.join(known[:3])}" if rows == 1 and known else ""
    shown: Cell = (f"  ({said.strip()})", Role.STALE) if stale and said else said
    out = [line((" WORK", Role.HEADING), shown, (f"  {_as_of(reading, view.now)}", Role.DIM))]
    out += [_fact(view, *each, stale=stale) for each in _facts(reading)]
    if len(reading.variants) > 1:
        out += _variants(view, reading.variants, width)
    return [each.fitted(width, view.look.ellipsis) for each in out[:rows]]


def _facts(reading: ServingReading) -> Iterator[tuple[str, Reading, str, str]]:
    """(label, reading, value, how it came about)."""
    rate, queue, batch, cost = reading.throughput, reading.queue, reading.batch, reading.cost
    yield "throughput", rate, wording.reading(rate), f"n {wording.count(rate.n)} in 5 min"
    yield "queue time", queue, wording.reading(queue), f"mean of n {wording.count(queue.n)} in 5 min"
    computed = ""
    if cost.spent is not None and cost.price_per_hour is not None and cost.pod_hours is not None:
        seen = "" if cost.covered is None or cost.covered >= 1 else f", pods seen {wording.share(cost.covered)} of it"
        computed = (f"{cost.price_per_hour:g} an hour x {wording.significant(cost.pod_hours)} pod hours / n "
                    f"{wording.count(cost.inferences)} in 1 h{seen}")
    price = "-" if cost.per_1000.value is None else wording.significant(cost.per_1000.value)
    yield "cost of 1,000", cost.per_1000, price, computed
    promised = f", the manifest says {reading.batch_promised}" if reading.batch_promised is not None else ""
    counted = f"mean of n {wording.count(batch.n)} batches in 5 min" if batch.n is not None else "mean of the pods"
    yield "batch size", batch, wording.reading(batch), f"{counted}{promised}"
    for label, each, what in (("CPU for one", cost.cpu_seconds, "CPU"), ("GPU for one", cost.gpu_seconds, "GPU")):
        # Most models have no GPU.
        if each.value is not None or what == "CPU":
            yield label, each, wording.reading(each), f"{what} time of all pods / n {wording.count(each.n)} in 1 h"


def _fact(view: View, label: str, reading: Reading, value: str, how: str, *, stale: bool) -> Line:
    if reading.value is None:
        unknown = reading.quality in (Quality.ERROR, Quality.WAITING)
        said = reading.note or wording.QUALITY_WORDS[reading.quality]
        return line(f"   {label:<14}", ("? " if unknown else "- ", Role.UNKNOWN if unknown else Role.DIM),
                    (view.look.say(said), Role.DIM))
    doubt = reading.note if reading.quality in (Quality.PARTIAL, Quality.LOW_N) else ""
    shown: Cell = (f"({value})", Role.STALE) if stale else value
    mark = view.look.mark(Verdict.UNKNOWN) if doubt and not stale else line("")
    width = max(0, 11 - cell_len(f"({value})" if stale else value) - mark.width)
    return line(f"   {label:<14}", mark, shown, " " * width, (view.look.say(f"  {how}"), Role.DIM),
                (view.look.say(f"; {doubt}") if doubt else "", Role.UNKNOWN))


def _variants(view: View, found: Sequence[VariantState], width: int) -> list[Line]:
    columns = [Column("variant", 16, gap=3), Column("CPU", 6, "right"), Column("memory", 8, "right"),
               Column("GPU", 3, "right"), Column("batch", 5, "right"), Column("price an hour", 13, "right"),
               Column("", 12)]
    out = [row(columns, [(column.title, Role.DIM) for column in columns], view.look.say)]
    for each in found:
        share = "" if each.price_share is None or not each.name else f"{wording.share(each.price_share)} of it"
        memory = "-" if each.memory_bytes is None else size(each.memory_bytes)
        price = "-" if each.price_per_hour is None else f"{each.price_per_hour:g}"
        out.append(row(columns, [each.name or "as served", each.cpu or "-", memory, str(each.gpu),
                                 "-" if each.batch is None else str(each.batch), price, (share, Role.DIM)],
                       view.look.say, view.look.ellipsis))
    return [each.fitted(width, view.look.ellipsis) for each in out]


def scaling(view: View, width: int, rows: int) -> list[Line]:
    """Changes of the number of pods, newest first, and the words of whoever changed it."""
    reading = reading_of(view)
    if rows <= 0 or reading is None:
        return []
    found = reading.scaling
    about = f"{len(found) or 'none'} in {wording.span(view.range_seconds)}" if found or not reading.scaling_note else ""
    out = [line((" SCALING", Role.HEADING), (f"  {about}" if about else "", Role.DIM),
                (view.look.say(f"  {reading.scaling_note}") if reading.scaling_note else "", Role.DIM))]
    out += [_change(view, change, 16 if width >= _WIDE else 9) for change in found]
    return [each.fitted(width, view.look.ellipsis) for each in out[:rows]]


def _change(view: View, change: Scaling, cells: int) -> Line:
    counts = ""
    if change.before is not None and change.after is not None:
        arrow = view.look.pick("→", "->")
        counts = f"{change.before} {arrow} {change.after}"
    version = ending(view.look.say(change.version), cells, view.look.ellipsis)
    said = change.why or "nobody says why"
    return line(f"   {second_of_day(change.at, view.now)}  {counts:<8}", (f"{version:<{cells}}  ", Role.PLAIN),
                (view.look.say(said), Role.DIM if change.why else Role.UNKNOWN))
