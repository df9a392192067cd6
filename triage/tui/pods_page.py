"""The page behind one pod: what it uses of what, since when it runs what, and how it ended before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triage.signals import wording
from triage.signals.reading import Verdict
from triage.tui.line import BLANK, VERDICT_ROLES, Line, Role, line
from triage.tui.page_parts import bullet, fact, heading, moment, paragraph
from triage.tui.panels.pods import amount
from triage.tui.view import View

if TYPE_CHECKING:
    from triage.signals.model import ModelState
    from triage.signals.resources_model import PodState, Use


def pod_page(view: View, model: ModelState, name: str, width: int) -> list[Line]:
    """Everything behind the pod of this name; [] when it is gone."""
    reading = model.serving
    pod = None if reading is None else next((each for each in reading.pods if each.name == name), None)
    if reading is None or pod is None:
        return []
    stale = reading.is_stale(view.now)
    word = wording.word(pod.verdict).upper()
    role = Role.STALE if stale else VERDICT_ROLES[pod.verdict]
    out = [line(view.look.mark(pod.verdict), (f"({word})" if stale else word, role)),
           *[text for why in pod.why for text in bullet(why, width)], BLANK]
    out += fact("pod", pod.name, width) + fact("version", pod.version or "nothing tells", width)
    if pod.phase:
        out += fact("phase", f"{pod.phase}{', ready' if pod.ready else ', not ready'}", width)
    out += fact("node", pod.node, width) if pod.node else []
    out += fact("made", moment(pod.created_at, view.now), width) if pod.created_at is not None else []
    out += fact("image that runs", pod.image_digest or "nobody tells", width)
    out += heading("USE") + [text for label, use in _uses(pod) for text in fact(label, _use(use), width, _role(use))]
    out += heading("RESTARTS")
    hour = "" if pod.restarted is None else f", {pod.restarted} within 1 h"
    out += fact("restarts", f"{'not known' if pod.restarts is None else pod.restarts}{hour}", width)
    ended = f", {moment(pod.last_end_at, view.now)}" if pod.last_end_at is not None else ""
    out += fact("last end", f"{pod.last_end}{ended}" if pod.last_end else "none is known", width)
    out += heading("HOW IT IS KNOWN")
    sampled = "no sample within 1 h" if pod.sampled_at is None else moment(pod.sampled_at, view.now)
    out += fact("newest sample", sampled, width)
    return out + paragraph("CPU and throttling are means of five minutes. The last end stays known for ever and counts "
                           "for an hour. None of this decides the model's verdict.", width, Role.DIM)


def _uses(pod: PodState) -> tuple[tuple[str, Use], ...]:
    return (("CPU cores", pod.cpu), ("memory", pod.memory), ("throttled", pod.throttled), ("GPU", pod.gpu),
            ("GPU memory", pod.gpu_memory))


def _role(use: Use) -> Role:
    return VERDICT_ROLES[use.verdict] if use.verdict in (Verdict.WARN, Verdict.UNKNOWN) else Role.PLAIN


def _use(use: Use) -> str:
    """``1.3 of 2 (limit), 65 %``."""
    if use.used is None:
        return "not known" if use.verdict is Verdict.UNKNOWN else "-"
    if use.share is None:
        return f"{amount(use)}, and nothing says of how much"
    if use.whole == 1.0:
        periods = f" of n {wording.count(use.n)} periods of its CPU quota" if use.n is not None else ""
        return f"{wording.share(use.share)}{periods}"
    whole = amount(type(use)(use.whole, None, use.basis))
    basis = f" ({use.basis})" if use.basis else ""
    return f"{amount(use)} of {whole}{basis}, {wording.share(use.share)}"
