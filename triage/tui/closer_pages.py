"""The pages behind figures, subgroups, labels, feature views, triggers and attributions."""

from __future__ import annotations

from rich.cells import cell_len

from triage.signals import wording
from triage.signals.estimated import NotEstimated
from triage.signals.quality_reading import VersionEstimate, VersionFigure
from triage.signals.reading import Verdict
from triage.tui.line import BLANK, VERDICT_ROLES, Column, Line, Role, fit, line, pad, row, titles
from triage.tui.page_parts import bullet, fact, heading, moment, paragraph
from triage.tui.panels import closer, promises, quality, slices
from triage.tui.panels.heads import shown_as
from triage.tui.view import View

GONE = "it is no longer among what the notebook asks for, or nothing is known of it any more"


def quality_page(view: View, key: str, width: int) -> list[Line]:
    """One figure, or one estimate with its assumptions."""
    item = next((each for each in quality.rows_of(view) if each.key == key), None)
    reading = quality.reading(view)
    if item is None or reading is None:
        return paragraph(GONE, width, Role.UNKNOWN)
    out = _estimate(item.item, view, width) if isinstance(item.item, VersionEstimate) else \
        _figure(item.item, item.verdict, view, width)
    if reading.answered_at is not None:
        out += fact("answered", moment(reading.answered_at, view.now), width)
    if reading.failure is not None:
        out += fact("not renewed", reading.failure.sentence(), width, Role.UNKNOWN)
    return out


def _figure(item: VersionFigure, verdict: Verdict, view: View, width: int) -> list[Line]:
    judged = item.judged
    figure = judged.figure
    out = _verdict(verdict, judged.sentence, view, width)
    out += fact("version", item.version or "the series do not say", width)
    out += fact("value", wording.value(figure.value, figure.unit), width)
    if figure.low is not None and figure.high is not None:
        out += fact("95 %", f"{wording.value(figure.low, figure.unit)} to {wording.value(figure.high, figure.unit)}",
                    width)
    out += fact("n", "not known" if figure.n is None else
                f"{wording.count(figure.n)}, {judged.expected.min_labels:,} needed", width)
    out += fact("expected", quality.expectation(judged.expected, figure.unit), width)
    if judged.expected.baseline is not None:
        out += fact("baseline", wording.value(judged.expected.baseline, figure.unit), width)
    out += fact("method", figure.method, width)
    if figure.window_seconds is not None:
        out += fact("window", wording.span(figure.window_seconds), width)
    if figure.sampled_at is not None:
        out += fact("sampled", moment(figure.sampled_at, view.now), width)
    if item.is_proxy:
        out += fact("stand-in", "it moves for many reasons, and only one of them is the quality of the answers", width)
    return out


def _estimate(item: VersionEstimate, view: View, width: int) -> list[Line]:
    found = item.estimated
    if isinstance(found, NotEstimated):
        return [line((wording.word(Verdict.NOT_JUDGED), Role.DIM)), *paragraph(found.reason, width)]
    out = [*paragraph(found.sentence, width)]
    out += fact("version", item.version or "the series do not say", width)
    out += fact("n", f"{wording.count(found.n)} scores in {wording.span(item.window_seconds)}, {found.bins} bins",
                width)
    out += fact("positive above", wording.significant(found.threshold), width)
    out += fact("chance alone", f"the realised accuracy of as many would scatter by ±"
                                f"{wording.percent(found.sampling_half_width)}", width)
    out += fact("method", found.method, width)
    out += heading("FIGURES: where each lies, whatever the scores inside their buckets are")
    columns = [Column("", 14, gap=0), Column("estimated", 10, "right"), Column("least", 9, "right"),
               Column("most", 9, "right")]
    out.append(titles(columns, view.look.say))
    out += [row(columns, [(figure.name, Role.DIM), wording.percent(figure.value), wording.percent(figure.low),
                          wording.percent(figure.high)], view.look.say) for figure in found.figures]
    out += heading("IT ASSUMES")
    return out + [text for said in (*found.assumptions, *found.notes) for text in bullet(said, width)]


def slice_page(view: View, key: str, width: int) -> list[Line]:
    """One comparison: the rate of every subgroup with its interval and n."""
    item = next((each for each in slices.rows_of(view) if each.key == key), None)
    if item is None:
        return paragraph(GONE, width, Role.UNKNOWN)
    found = item.item.disparity
    out = _verdict(item.verdict, found.sentence, view, width)
    out += fact("version", item.item.version or "the series do not say", width)
    out += fact("compared", f"{slices.definition_words(found.definition)} by {item.item.label}", width)
    out += fact("apart", "-" if found.difference is None else wording.percent(found.difference), width)
    if found.low is not None and found.high is not None:
        out += fact("95 %", f"{wording.percent(found.low)} to {wording.percent(found.high)}, all pairs together", width)
    out += fact("allowed", "nothing is said" if found.limit is None else wording.percent(found.limit), width)
    if found.ratio is not None:
        out += fact("ratio", f"{found.ratio:.2f}, the smallest over the largest", width)
    out += heading("BY SUBGROUP")
    label = min(24, max(cell_len(view.look.say(rate.group)) for rate in found.rates))
    several = len({rate.of for rate in found.rates}) > 1
    cells = max(6, min(30, width - label - 50 - (16 if several else 0)))
    for rate in found.rates:
        value = rate.value
        name = pad(fit(view.look.say(rate.group), label, view.look.ellipsis), label)
        of = f"  {rate.of:<14}" if several else ""
        around = "" if rate.low is None or rate.high is None else \
            f"{wording.percent(rate.low)} … {wording.percent(rate.high)}"
        told = "no events" if value is None else wording.percent(value)
        out.append(line(name, (of, Role.DIM), f"  {told:>9}  ", view.look.bar(value or 0.0, cells),
                        (view.look.say(f"  {around:<18}  n {wording.count(rate.n) if rate.n else '-'}"), Role.DIM))
                   .fitted(width, view.look.ellipsis))
    return out


def labels_page(view: View, width: int) -> list[Line]:
    """Every cohort, every week, and how labels were matched."""
    found = closer.reading(view)
    known = found.labels.answer if found is not None else None
    if found is None or known is None:
        return paragraph(GONE, width, Role.UNKNOWN)
    out = paragraph(known.coverage.sentence, width)
    waiting = known.waiting
    out += fact("cohorts", f"of {wording.span(known.cohort_seconds)}; labels after "
                           f"{wording.span(waiting.expected_delay_seconds)}, comparable from "
                           f"{wording.percent(waiting.maturity)} of them", width)
    out += fact("stand", f"{len(known.coverage.mature)} mature, {known.coverage.pending} pending, "
                         f"{known.coverage.overdue} overdue", width)
    for item in known.figures:
        figure = item.figure
        if figure.value is not None and figure.low is not None and figure.high is not None:
            out += fact(figure.name, f"{wording.percent(figure.value)} ({wording.percent(figure.low)} to "
                        f"{wording.percent(figure.high)}), n {wording.count(figure.n)}", width)
    for note in (*known.coverage.notes, *known.notes):
        out += bullet(note, width)
    out += _weeks(view, width)
    out += [BLANK, *closer.cohorts(known, view, width)]
    if found.labels.answered_at is not None:
        out += fact("answered", moment(found.labels.answered_at, view.now), width)
    if found.labels.failure is not None:
        out += fact("not renewed", found.labels.failure.sentence(), width, Role.UNKNOWN)
    return out


def _weeks(view: View, width: int) -> list[Line]:
    found = closer.reading(view)
    known = found.labels.answer if found is not None else None
    gap = known.gap if known is not None else None
    if known is None or gap is None or not gap.weeks:
        return []
    out = [*heading(f"PREDICTED ({known.predicted_by}) AGAINST OBSERVED, by week"), *paragraph(gap.sentence, width)]
    columns = [Column("", 16, gap=0), Column("predicted", 10, "right"), Column("observed", 10, "right"),
               Column("95 %", 20, "right"), Column("n", 12, "right"), Column("weight", 7, "right")]
    out.append(titles(columns, view.look.say).fitted(width, view.look.ellipsis))
    return out + [row(columns, [
        (wording.clock_time(week.start, view.now), Role.DIM), wording.percent(week.predicted),
        wording.percent(week.observed),
        (f"{wording.percent(week.observed_low)} … {wording.percent(week.observed_high)}", Role.DIM),
        wording.count(week.n), f"{week.weight:.2f}"], view.look.say, view.look.ellipsis).fitted(
            width, view.look.ellipsis) for week in reversed(gap.weeks)]


def view_page(view: View, key: str, width: int) -> list[Line]:
    """One feature view."""
    item = next((each for each in promises.views(view) if each.view == key), None)
    if item is None:
        return paragraph(GONE, width, Role.UNKNOWN)
    out = _verdict(shown_as(item.verdict), item.sentence, view, width)
    out += fact("fresh up to", wording.reading(item.freshness), width)
    if item.freshness.sampled_at is not None:
        out += fact("newest sample", moment(item.freshness.sampled_at, view.now), width)
    if item.missing.value is not None:
        out += fact("lookups", f"{wording.percent(item.missing.value)} of {wording.count(item.missing.n)} found a "
                    "value", width)
    for note in item.notes:
        out += fact("note", note, width)
    return [*out, *heading("WHAT IT MEANS"), *paragraph(
        "The age is the time since the end of the last materialised interval, not since the newest event. Feast's "
        "gauge keeps its last value when its updater fails: one that does not change is frozen, not fresh.", width)]


def trigger_page(view: View, key: str, width: int) -> list[Line]:
    """One retrain trigger."""
    item = next((each for each in promises.triggers(view) if each.condition == key), None)
    if item is None:
        return paragraph(GONE, width, Role.UNKNOWN)
    out = _verdict(promises.STATE_VERDICTS[item.state], item.sentence, view, width, word=str(item.state))
    out += fact("must last", wording.span(item.sustained_seconds), width)
    if item.since is not None:
        out += fact("holds since", moment(item.since, view.now), width)
    if item.subjects:
        out += fact("on", ", ".join(item.subjects), width)
    out += fact("approval", item.approval or "nobody's", width)
    return [*out, *heading("WHAT IT MEANS"), *paragraph(
        "Judged by past verdicts on an even grid, so that the first look and an hour of looking say the same. triage "
        "says that training is due and starts nothing.", width)]


def attributions_page(view: View, width: int) -> list[Line]:
    """Every feature's worth, beside what is usual."""
    found = closer.reading(view)
    every = found.attributions.answer if found is not None else None
    if found is None or not every:
        return paragraph(GONE, width, Role.UNKNOWN)
    label = min(30, max(cell_len(view.look.say(item.feature)) for item in every))
    columns = [Column("", label, gap=0), Column("share", 9, "right"), Column("usual", 9, "right"),
               Column("change", 10, "right"), Column("mean absolute", 14, "right")]
    out = [titles(columns, view.look.say).fitted(width, view.look.ellipsis)]
    for item in every:
        change = item.change
        out.append(row(columns, [
            item.feature, wording.percent(item.share),
            "-" if item.usual_share is None else wording.percent(item.usual_share),
            "-" if change is None else f"{'+' if change > 0 else ''}{change * 100:.2f} pt",
            (wording.significant(item.value), Role.DIM)], view.look.say, view.look.ellipsis).fitted(
                width, view.look.ellipsis))
    if found.attributions.answered_at is not None:
        out += fact("answered", moment(found.attributions.answered_at, view.now), width)
    return [*out, *heading("WHAT IT MEANS"), *paragraph(
        "How much each feature moves the scores, as somebody else computed it; told as shares, because its unit "
        "changes with every training. A share that moved says what the model now listens to, not whether it is "
        "right.", width)]


def _verdict(verdict: Verdict, sentence: str, view: View, width: int, word: str = "") -> list[Line]:
    said = (word or wording.word(verdict)).upper()
    return [line(view.look.mark(verdict), (said, VERDICT_ROLES[verdict])), *paragraph(sentence, width), line()]
