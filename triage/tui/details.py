"""What ``enter`` opens: everything that stands behind one row, as a page."""

from __future__ import annotations

from collections.abc import Iterable

from triage.signals import wording
from triage.signals.canary_words import known_from
from triage.signals.model import AlertGroup, Budget, ModelState, SloState, Tier
from triage.signals.reading import Quality, Reading, Urgency
from triage.tui import deployed_page
from triage.tui.canary_page import canary_page
from triage.tui.drift_page import drift_page
from triage.tui.line import BLANK, URGENCY_ROLES, VERDICT_ROLES, Column, Line, Role, line, row, titles
from triage.tui.page_parts import bullet, fact, heading, moment, paragraph
from triage.tui.panels import slos, top
from triage.tui.panels.alerts import role_of
from triage.tui.panels.charts import quantile_text
from triage.tui.view import Item, View, alert_key, reason_key


def title(item: Item) -> str:
    """Heading of the page about ``item``."""
    name = item.key.split("\n")[0]
    return {"verdict": "WHY THE VERDICT", "slo": f"SLO {name}", "reason": "REASON", "canary": f"CANARY {name}",
            "drift": f"DRIFT of {name}",
            "alert": f"ALERT {name}", "broken": "NOTEBOOK THAT CANNOT BE USED"}[item.kind]


def page(item: Item, view: View, width: int) -> list[Line]:
    """The page about ``item`` as of this view."""
    model = view.model
    if item.kind == "verdict" and view.broken is not None:
        item = Item("broken", view.broken.path)
    if item.kind == "broken" and view.snapshot is not None:
        found = next((b for b in view.snapshot.broken if b.path == item.key), None)
        if found is not None:
            return [*fact("model", found.name, width), *fact("file", found.path, width), BLANK,
                    *[text for error in found.errors for text in bullet(error, width)], BLANK,
                    *paragraph(f"triage notebook lint {found.path} checks it after a change.", width, Role.DIM)]
    elif model is not None and item.kind == "verdict":
        return _verdict(view, model, width)
    elif model is not None and item.kind == "slo":
        slo = next((s for s in model.slos if s.name == item.key), None)
        if slo is not None:
            return _slo(view, slo, width)
    elif model is not None and item.kind == "reason":
        for number, reason in enumerate(model.reasons):
            if reason_key(number, model) == item.key:
                return [line(view.look.mark(reason.verdict), (wording.headline(reason.verdict, reason.urgency),
                                                              VERDICT_ROLES[reason.verdict])), BLANK,
                        *paragraph(reason.text, width), BLANK, *fact("rule", reason.rule, width),
                        *fact("about", reason.subject, width), *deployed_page.about(view, model, reason, width)]
    elif model is not None and item.kind == "canary":
        found_page = canary_page(view, model, item.key, width)
        if found_page:
            return found_page
    elif model is not None and item.kind == "drift":
        found_page = drift_page(view, model, item.key, width)
        if found_page:
            return found_page
    elif model is not None and item.kind == "alert":
        group = next((g for g in model.alerts if alert_key(g) == item.key), None)
        if group is not None:
            return _alert(view, group, width)
    return [line(("No longer there: it has gone since this page was opened.", Role.DIM))]


def _reading(reading: Reading, objective: float | None = None) -> str:
    text = wording.reading(reading, objective)
    if reading.value is not None and reading.quality is not Quality.OK:
        text += f", {wording.QUALITY_WORDS[reading.quality]}"
    return text + (f" ({reading.note})" if reading.note else "")


def _verdict(view: View, model: ModelState, width: int) -> list[Line]:
    out = [
        line(
            view.look.mark(model.verdict),
            (wording.headline(model.verdict, model.urgency), VERDICT_ROLES[model.verdict]),
        ),
        BLANK,
    ]
    for reason in model.reasons:
        urgency = "" if reason.urgency is Urgency.NONE else f", {reason.urgency}"
        out.append(line(view.look.mark(reason.verdict), (f"{wording.word(reason.verdict)}{urgency}",
                                                         VERDICT_ROLES[reason.verdict]),
                        (f"  by {reason.rule}, {reason.subject}", Role.DIM)))
        out += [line("  ", text) for text in paragraph(reason.text, max(1, width - 2))]
    if model.last_verdict is not None:
        urgency = "" if model.last_urgency is Urgency.NONE else f", {model.last_urgency}"
        when = "" if model.last_verdict_at is None else f", {moment(model.last_verdict_at, view.now)}"
        out += [BLANK, *fact("last complete verdict", f"{wording.word(model.last_verdict)}{urgency}{when}", width)]
    if model.urgency_rule:
        out += [BLANK, *fact("urgency made by", model.urgency_rule, width)]
    out += _versions(view, model, width)
    out += deployed_page.rollout_part(view, model, width) + deployed_page.registry_part(view, model, width)
    out += heading("SOURCES")
    for source in view.snapshot.sources if view.snapshot is not None else ():
        said = str(source.state)
        said += "" if source.error == "" else f": {source.error}"
        said += "" if source.last_ok_at is None else f", last answer {moment(source.last_ok_at, view.now)}"
        said += (
            "" if source.latency_seconds is None else f", slowest request {wording.duration(source.latency_seconds)}"
        )
        out += fact(top.source_name(source), said, width)
    out += heading("MODEL NOTEBOOK")
    out += fact("version", model.notebook_version, width) + fact("owners", ", ".join(model.owners) or "-", width)
    out += fact("criticality", model.criticality or "-", width) + fact("runbook", model.runbook or "none named", width)
    out += [text for note in model.notes for text in fact("note", note, width)]
    return out


def _versions(view: View, model: ModelState, width: int) -> list[Line]:
    windows = {v.share.window_seconds for v in model.versions.items if v.share.window_seconds is not None}
    over = f", shares of {wording.window(min(windows))}" if windows else ""
    out = heading(f"VERSIONS, {known_from(model.versions.known_from)}{over}")
    columns = [Column("", min(20, max(6, width // 4)), gap=0), Column("", 10), Column("", 7, "right"),
               Column("", 24), Column("", 24)]
    if not model.versions.items:
        out.append(line(("none seen in the data looked at", Role.DIM)))
    for version in model.versions.items:
        first = "before the data looked at" if version.first_seen is None else \
            f"since {wording.clock_time(version.first_seen, view.now)}"
        last = "-" if version.last_seen is None else f"last {wording.clock_time(version.last_seen, view.now)}"
        share = "-" if version.share.value is None else wording.share(version.share.value)
        out.append(
            row(
                columns,
                [(version.version, Role.STRONG), version.arm or ("no arm", Role.DIM), share, first, (last, Role.DIM)],
                view.look.say,
            ).fitted(width)
        )
    return out


def _slo(view: View, slo: SloState, width: int) -> list[Line]:
    out = [line(view.look.mark(slo.verdict), (wording.headline(slo.verdict, slo.urgency), VERDICT_ROLES[slo.verdict])),
           *paragraph(slo.sentence, width), BLANK]
    if slo.description:
        out += [*paragraph(slo.description, width, Role.DIM), BLANK]
    out += fact("objective", wording.slo_promise(slo) + ("" if slo.required else ", not required"), width)
    if slo.threshold is not None and slo.objective is not None:
        out += fact("threshold", wording.slo_label(slo).removeprefix(slo.name).strip(), width)
    out += fact("now", _reading(slo.now, slo.objective), width)
    out += fact(
        "behind it",
        f"n {wording.count(slo.now.n)}"
        + ("" if slo.now.window_seconds is None else f" in {wording.span(slo.now.window_seconds)}")
        + (
            f", newest sample {wording.clock_time(slo.now.sampled_at, view.now)}"
            if slo.now.sampled_at is not None
            else ""
        )
        + f", origin {slo.now.origin}",
        width,
    )
    if slo.budget is not None:
        out += _budget(slo, slo.budget, width)
    elif slo.objective == 100:
        out += [
            BLANK,
            *paragraph(
                "An objective of 100 % allows nothing: there is no budget and no burn rate, every bad "
                "event is a finding.",
                width,
                Role.DIM,
            ),
        ]
    if slo.burns:
        out += heading(
            "BURN RATE: error ratio over what the objective allows; 1x uses the budget exactly in its window"
        )
        columns = [Column("window", 8, gap=0), Column("burn", 8, "right"), Column("n", 11, "right"), Column("", 30)]
        out.append(titles(columns))
        for burn in slo.burns:
            word = "" if burn.quality is Quality.OK else wording.QUALITY_WORDS[burn.quality]
            said = f"{word}: {burn.note}" if word and burn.note else word or burn.note
            out.append(row(columns, [wording.window(burn.window_seconds), (wording.burn_rate(burn.rate),
                                                                           slos.burn_role(slo, burn.window_seconds)),
                                     wording.count(burn.n), (said, Role.DIM)], view.look.say).fitted(width))
    if slo.tiers:
        out += heading("CONDITIONS: a page or ticket when both windows burn faster than the limit")
        out += [text for tier in slo.tiers for text in _tier(tier, width)]
    if slo.quantiles:
        out += _quantiles(view, slo, width)
    if slo.by_label:
        out += heading(f"BAD EVENTS by {slo.by_label}, 1 h")
        columns = [Column("", min(40, max(8, width - 30)), gap=0), Column("", 10, "right"), Column("", 14, "right")]
        out += [row(columns, [g.group, (wording.count(g.bad), Role.WARN if g.bad > 0 else Role.DIM),
                              ("" if g.total is None else f"of {wording.count(g.total)}", Role.DIM)],
                    view.look.say).fitted(width) for g in slo.by_group] or [line(("none counted", Role.DIM))]
    if slo.findings:
        out += heading("FINDINGS about the objective itself")
        out += [text for finding in slo.findings for text in bullet(finding, width)]
    return out


def _budget(slo: SloState, budget: Budget, width: int) -> list[Line]:
    judged = budget.quality is not Quality.LOW_N
    percent = wording.budget_left(budget.remaining)
    out = heading(f"WHY THE BUDGET IS {percent}" if judged else "WHY THE BUDGET CANNOT BE JUDGED YET")
    allowed = "" if slo.objective is None else f" ({wording.significant(round(100 - slo.objective, 9))} % of all)"
    out += fact(
        "window",
        wording.span(budget.window_seconds)
        + ("" if budget.covered_seconds is None else f", all events in the last {wording.age(budget.covered_seconds)}"),
        width,
    )
    out += fact("all events", wording.count(budget.total), width)
    out += fact("bad events allowed", wording.allowance(budget.allowed) + allowed, width)
    out += fact("bad events", wording.count(budget.bad), width)
    left = f"{wording.allowance(budget.left)} bad events"
    out += fact("left", f"{left}, {percent}" if judged else f"{left} so far", width, slos.budget_role(budget))
    if not judged:
        forecast = "cannot be told yet"
    elif budget.exhausted_in_seconds is None:
        forecast = "not used up at the present burn rate"
    elif budget.exhausted_in_seconds <= 0:
        forecast = "spent"
    else:
        forecast = f"nothing left in {wording.age(budget.exhausted_in_seconds)} at the present burn rate"
    out += fact("forecast", forecast, width)
    if budget.quality is not Quality.OK or budget.note:
        out += fact("quality", ": ".join(t for t in (wording.QUALITY_WORDS[budget.quality], budget.note) if t), width,
                    Role.UNKNOWN if budget.quality is not Quality.OK else Role.DIM)
    return out


def _tier(tier: Tier, width: int) -> list[Line]:
    over, under = wording.window(tier.long_seconds), wording.window(tier.short_seconds)
    windows = f"{over} and {under} above {wording.burn_rate(tier.threshold)}"
    if tier.firing:
        state, role = "firing", URGENCY_ROLES[tier.urgency]
    elif not tier.reachable:
        state, role = "can never fire: the objective does not leave room for such a rate", Role.DIM
    elif tier.blocked:
        state, role = f"held back: {tier.blocked}", Role.UNKNOWN
    else:
        state, role = "quiet", Role.DIM
    return fact(str(tier.urgency), f"{windows:<28}  {state}", width, role)


def _quantiles(view: View, slo: SloState, width: int) -> list[Line]:
    out = heading("PERCENTILES")
    columns = [Column("version", min(20, max(7, width // 4)), gap=0),
               *[Column(n, 10, "right") for n in ("p50", "p95", "p99", "n")]]
    out.append(titles(columns))
    out += [row(columns, [(q.version or "all versions", Role.STRONG), quantile_text(q.p50), quantile_text(q.p95),
                          quantile_text(q.p99), (wording.count(q.p95.n), Role.DIM)], view.look.say).fitted(width)
            for q in slo.quantiles]
    return out


def _alert(view: View, group: AlertGroup, width: int) -> list[Line]:
    out: list[Line] = []
    for number, alert in enumerate(group.alerts):
        if number:
            out += [BLANK, line(("─" * min(20, width), Role.RULE)), BLANK]
        urgency = "" if group.urgency is Urgency.NONE else f", {group.urgency}"
        out.append(line((f"{alert.state}{urgency}", role_of(group))))
        out += fact("since", moment(alert.started_at, view.now), width)
        if alert.fingerprint:
            out += fact("fingerprint", alert.fingerprint, width)
        if alert.value is not None:
            out += fact("value", wording.significant(alert.value), width)
        out += _many("silenced by", alert.silenced_by, width)
        if alert.silenced_until is not None:
            left = wording.coarse_age(max(0.0, alert.silenced_until - view.now))
            out += fact("silenced until", f"{wording.clock_time(alert.silenced_until, view.now)}, {left} left", width)
        out += _many("inhibited by", alert.inhibited_by, width)
        out += heading("ANNOTATIONS") + _pairs(alert.annotations.items(), width)
        out += heading("LABELS") + _pairs(alert.labels.items(), width)
        if alert.generator_url:
            out += [BLANK, *fact("rule", alert.generator_url, width)]
    return out


def _many(label: str, values: tuple[str, ...], width: int) -> list[Line]:
    return fact(label, ", ".join(values), width) if values else []


def _pairs(pairs: Iterable[tuple[str, str]], width: int) -> list[Line]:
    return [text for name, value in sorted(pairs) for text in fact(name, value, width)] or [line(("none", Role.DIM))]
