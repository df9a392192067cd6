"""The page behind one watched feature: both distributions bin by bin, and the numbers the verdict rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from triage.signals import drift_words as words
from triage.signals import wording
from triage.signals.distances import METHOD_WORDS
from triage.signals.drift import p_text
from triage.signals.drift_model import BinShare, FeatureDrift, bin_shares
from triage.signals.drift_reading import moved
from triage.signals.drift_verdicts import DriftVerdict
from triage.tui.line import BLANK, VERDICT_ROLES, Column, Line, Role, fit, line, pad, row, titles
from triage.tui.page_parts import bullet, fact, heading, moment, paragraph
from triage.tui.view import View, drift_key

if TYPE_CHECKING:
    from triage.signals.drift_reading import DriftReading, Moved
    from triage.signals.model import ModelState

MOST_BINS = 40


def drift_page(view: View, model: ModelState, key: str, width: int) -> list[Line]:
    """Everything behind the feature of this key; [] when it is no longer watched."""
    reading = model.drift
    item = None if reading is None else next((m for m in moved(reading, model.versions) if drift_key(m) == key), None)
    if reading is None or item is None:
        return []
    feature, stale = item.worst, reading.is_stale(view.now)
    stands = words.STANDS_AS[item.verdict]
    word = str(item.verdict).upper()
    out = [line(view.look.mark(stands), (f"({word})" if stale else word, Role.STALE if stale else
                                         VERDICT_ROLES[stands])),
           *paragraph(feature.sentence, width), BLANK]
    if item.where:
        out += fact("moved" if item.verdict in (DriftVerdict.DRIFT, DriftVerdict.WATCH) else "arms", item.where, width)
    out += _numbers(view, feature, width)
    if feature.lines:
        out += heading("BESIDE THE SCORE")
        out += [text for beside in feature.lines
                for text in bullet(f"{beside.sentence}: {beside.verdict or 'shown, not judged'}", width)]
    out += _arms(view, item)
    out += _distributions(view, feature, width)
    return out + _answer(view, reading, width)


def _numbers(view: View, feature: FeatureDrift, width: int) -> list[Line]:
    limits = "under" if feature.low_is_drift else "from"
    method = METHOD_WORDS.get(feature.method, "computed elsewhere")
    out = fact("score", words.score(feature) if feature.score is None else
               f"{wording.significant(feature.score)} ({method})", width)
    out += fact("limits", f"watched {limits} {wording.significant(feature.warning)}, drift {limits} "
                          f"{wording.significant(feature.critical)}", width)
    if feature.by_chance is not None:
        out += fact("by chance alone", f"a PSI of about {wording.significant(feature.by_chance)}", width)
    if feature.p_adjusted is not None and feature.p_value is not None:
        out += fact("significance", f"{p_text(feature.p_adjusted)} ({feature.test}); {p_text(feature.p_value)} before "
                                    "it was adjusted for the features tested together", width)
    out += fact("n", f"{wording.count(feature.n_current)} in {wording.span(feature.window_seconds)}, reference "
                     f"{wording.count(feature.n_reference)}, needed {wording.count(feature.n_needed)}", width)
    if feature.reference_from:
        out += fact("reference", feature.reference_from, width)
    if feature.bins is not None:
        filled = f", empty ones filled as {feature.smoothing} does" if feature.smoothing else ""
        out += fact("bins", f"{feature.bins}{filled}", width)
    if feature.design_effect > 1:
        out += fact("design effect", f"{wording.significant(feature.design_effect)} events stand for one", width)
    if feature.mean is not None:
        usual = "" if feature.reference_mean is None else f", reference {wording.significant(feature.reference_mean)}"
        out += fact("mean", f"{wording.significant(feature.mean)}{usual}", width)
    if feature.sampled_at is not None:
        out += fact("newest sample", moment(feature.sampled_at, view.now), width)
    return out + [text for note in feature.notes for text in fact("note", note, width)]


def _arms(view: View, item: Moved) -> list[Line]:
    if not item.arms:
        return []
    columns = [Column("", 10, gap=0), Column("version", 20), Column("score", 12, "right"), Column("n", 11, "right"),
               Column("verdict", 16)]
    out = [*heading("BY ARM"), titles(columns, view.look.say)]
    each = [*((arm.arm, arm.version, arm.feature) for arm in item.arms), ("all", "together", item.feature)]
    return out + [row(columns, [(arm, Role.DIM), (version, Role.STRONG), words.score(feature),
                                wording.count(feature.n_current),
                                (str(feature.verdict), VERDICT_ROLES[words.STANDS_AS[feature.verdict]])],
                      view.look.say) for arm, version, feature in each]


def _distributions(view: View, feature: FeatureDrift, width: int) -> list[Line]:
    """Two bars for each bin, on one scale: the reference above, the present below."""
    bins = bin_shares(feature)
    if not bins:
        return []
    label = min(20, max(cell_len(view.look.say(b.label)) for b in bins))
    cells = max(6, min(40, width - label - 22))
    largest = max(max(b.reference, b.current) for b in bins)
    out = heading("DISTRIBUTIONS: share of the events in each bin, reference above, present below")
    for one in bins[:MOST_BINS]:
        out += _bin(view, one, label, cells, largest, width)
    if len(bins) > MOST_BINS:
        out.append(line((f"and {len(bins) - MOST_BINS} bins more", Role.DIM)))
    return out


def _bin(view: View, one: BinShare, label: int, cells: int, largest: float, width: int) -> list[Line]:
    name = pad(fit(view.look.say(one.label), label, view.look.ellipsis), label)

    def bar(share: float) -> str:
        full = round(share / largest * cells)
        return view.look.pick("▇", "#") * (max(1, full) if share > 0 else 0)

    part = f"  {words.number(one.psi_part)} of the PSI" if one.psi_part >= 0.01 else ""
    return [line(name, ("  ref ", Role.DIM), f"{wording.share(one.reference):>6}  ", (bar(one.reference), Role.DIM))
            .fitted(width, view.look.ellipsis),
            line(" " * label, ("  now ", Role.DIM), f"{wording.share(one.current):>6}  ",
                 (bar(one.current), Role.ACCENT), (part, Role.DIM)).fitted(width, view.look.ellipsis)]


def _answer(view: View, reading: DriftReading, width: int) -> list[Line]:
    out = heading("THE ANSWER")
    if reading.answered_at is not None:
        out += fact("answered", moment(reading.answered_at, view.now), width)
    if reading.state is not None:
        out += fact("false discoveries", f"at most {wording.percent(reading.state.false_discovery_rate)} of what is "
                                         f"found among {reading.state.tested} features tested together", width)
    if reading.failure is not None:
        out += fact("not renewed", reading.failure.sentence(), width, Role.UNKNOWN)
    return out + [text for warning in reading.warnings for text in fact("partial", warning, width, Role.UNKNOWN)]
