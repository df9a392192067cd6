"""Numbers, ages and verdicts in words: one spelling for the screen, the reports and the sentences of reasons."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from triage.signals.reading import Quality, Reading, Urgency, Verdict

if TYPE_CHECKING:
    from triage.signals.model import SloState

GLYPHS = {Verdict.PASS: "✔", Verdict.WARN: "!", Verdict.FAIL: "✖", Verdict.UNKNOWN: "?", Verdict.PENDING: "…",
          Verdict.NOT_JUDGED: "·", Verdict.LOW_N: "≈"}
ASCII_GLYPHS = {Verdict.PASS: "+", Verdict.WARN: "!", Verdict.FAIL: "x", Verdict.UNKNOWN: "?", Verdict.PENDING: "~",
                Verdict.NOT_JUDGED: ".", Verdict.LOW_N: "="}
WORDS = {Verdict.NOT_JUDGED: "shown", Verdict.LOW_N: "too few"}
QUALITY_WORDS = {Quality.NO_TRAFFIC: "no traffic", Quality.NO_DATA: "no data", Quality.STALE: "stale",
                 Quality.PARTIAL: "partial", Quality.LOW_N: "too few", Quality.SUSPECT: "suspect",
                 Quality.ERROR: "error", Quality.PENDING: "not due yet", Quality.WAITING: "asking", Quality.OK: "ok"}


def word(verdict: Verdict) -> str:
    """The verdict as a word a person reads."""
    return WORDS.get(verdict, str(verdict))


def headline(verdict: Verdict, urgency: Urgency) -> str:
    """``FAIL, page``; the urgency only where there is one."""
    return word(verdict).upper() + (f", {urgency}" if urgency is not Urgency.NONE else "")


def age(seconds: float | None) -> str:
    """A past span, coarse on purpose: ``3 s``, ``4 m 12 s``, ``41 min``, ``3 h 20 m``, ``9 d``; ``-`` for None."""
    if seconds is None:
        return "-"
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        return f"{whole // 60} m {whole % 60:02d} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} m"
    return f"{whole // 86400} d" if whole >= 259200 else f"{whole // 86400} d {whole % 86400 // 3600} h"


@lru_cache(maxsize=1024)
def window(seconds: float) -> str:
    """A window's name: ``5m``, ``1h``, ``24h``, ``3d``, ``30d``."""
    whole = round(seconds)
    if whole >= 172800 and whole % 86400 == 0:
        return f"{whole // 86400}d"
    if whole >= 3600 and whole % 3600 == 0:
        return f"{whole // 3600}h"
    if whole >= 60 and whole % 60 == 0:
        return f"{whole // 60}m"
    return f"{whole}s"


def significant(value: float, digits: int = 3) -> str:
    """``value`` with at least ``digits`` significant digits, whole numbers grouped: ``0.0810``, ``37,800``."""
    if value == round(value) and abs(value) < 1e15:
        return f"{value:,.0f}"
    magnitude = math.floor(math.log10(abs(value)))
    decimals = max(0, digits - 1 - magnitude)
    rounded = round(value, decimals)
    return f"{rounded:,.{decimals}f}" if decimals < 10 else f"{value:.{digits - 1}e}"


def count(value: float | None) -> str:
    """A number of events: ``37,800``; fractions of small counts (extrapolation) rounded; ``-`` for None."""
    return "-" if value is None else f"{round(value):,}"


def allowance(value: float) -> str:
    """A number of allowed or left events, which is no whole one: ``1.5``, ``-0.5``, ``<0.1``; from 10 on rounded."""
    if abs(value) >= 9.95 or value == round(value):
        return f"{round(value):,}"
    if 0 < value < 0.05:
        return "<0.1"
    return "0" if abs(value) < 0.05 else f"{value:.1f}"


def percent(ratio: float, objective: float | None = None) -> str:
    """A share in percent, with one digit more than the objective has (else three significant digits of the bad part).

    Never rounds to 100 what is less, nor to 0 what is more: ``>99.99 %``, ``<0.01 %``.
    """
    decimals = _decimals(objective) + 1 if objective is not None else 2
    value = ratio * 100
    text = f"{value:.{decimals}f}"
    shown = float(text)
    if shown >= 100 > value:
        return f">{100 - 10 ** -decimals:.{decimals}f} %"
    if shown <= 0 < value:
        return f"<{10 ** -decimals:.{decimals}f} %"
    if value in (0.0, 100.0):
        return f"{value:.0f} %"
    return f"{text} %"


def objective_text(objective: float) -> str:
    """``99.9 %``; a whole percentage has one decimal so that columns line up, except 100."""
    return "100 %" if objective == 100 else f"{objective:.{max(1, _decimals(objective))}f} %"


@lru_cache(maxsize=1024)
def _decimals(number: float) -> int:
    text = f"{number:.6f}".rstrip("0")
    return len(text.partition(".")[2])


def duration(seconds: float) -> str:
    """A measured duration with its unit: ``440 ms``, ``1.25 s``, ``3.2 h``."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds == 0:
        return "0 s"
    if seconds < 1e-3:
        return f"{significant(seconds * 1e6)} µs"
    if seconds < 1:
        return f"{significant(seconds * 1e3)} ms"
    if seconds < 600:
        return f"{significant(seconds)} s"
    if seconds < 10800:
        return f"{significant(seconds / 60)} min"
    return f"{significant(seconds / 3600)} h" if seconds < 172800 else f"{significant(seconds / 86400)} d"


def events(item: Reading) -> str:
    """The events behind a reading; with the window where it is not the usual hour: ``31 in 7d``."""
    unusual = item.n is not None and item.window_seconds not in (None, 3600.0)
    return count(item.n) + (f" in {window(item.window_seconds or 0.0)}" if unusual else "")


def burn_rate(rate: float | None) -> str:
    """``14.4x``; one decimal, none from 100; ``-`` for None."""
    if rate is None:
        return "-"
    return f"{rate:,.0f}x" if abs(rate) >= 100 else f"{rate:.1f}x"


def value(value: float | None, unit: str, objective: float | None = None, *, at_least: bool = False) -> str:
    """A value with its unit, as :class:`Reading` names units; ``-`` for None, ``≥`` before a saturated one."""
    if value is None:
        return "-"
    prefix = "≥ " if at_least else ""
    if unit == "ratio":
        return prefix + percent(value, objective)
    if unit == "s":
        return prefix + duration(value)
    if unit == "x":
        return prefix + burn_rate(value)
    if unit == "events":
        return prefix + count(value)
    if unit.startswith("/"):
        return f"{prefix}{significant(value)} {unit}" if value else f"{prefix}0 {unit}"
    return f"{prefix}{significant(value)} {unit}".rstrip()


def reading(item: Reading, objective: float | None = None) -> str:
    """The reading's value in words: ``99.94 %``; what keeps it from being known where there is none: ``no data``."""
    if item.value is None:
        return QUALITY_WORDS[item.quality]
    return value(item.value, item.unit, objective, at_least=item.at_least)


def coarse_age(seconds: float) -> str:
    """A past span in whole minutes at the finest, for texts that should not change every second: ``<1 min``."""
    return "<1 min" if seconds < 60 else f"{int(seconds) // 60} min" if seconds < 3600 else age(seconds)


def stepped_age(seconds: float) -> str:
    """A past span that changes in seconds under a minute, in tens of seconds under ten minutes, then in minutes."""
    return age(seconds if seconds < 60 else seconds - seconds % 10)


def clock_time(at: float, now: float | None = None) -> str:
    """Time of day in the local zone, ``14:28``; with the date when it is not near ``now``: ``2 Dec 14:28``."""
    local = datetime.fromtimestamp(at, UTC).astimezone()
    near = now is None or abs(now - at) < 72000
    return f"{local:%H:%M}" if near else f"{local.day} {local:%b %H:%M}"


def span(seconds: float) -> str:
    """A time range: ``15 min``, ``1 h``, ``30 d``."""
    whole = round(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if whole % size == 0 and (whole >= size if unit != "d" else whole >= 2 * size):
            return f"{whole // size} {unit}"
    return f"{whole} s"


def share(ratio: float) -> str:
    """A share of traffic in whole percent: ``90 %``; never 0 for what is more, nor 100 for what is less."""
    if 0 < ratio <= 0.005:
        return "<1 %"
    if 0.995 <= ratio < 1:
        return ">99 %"
    return f"{ratio * 100:.0f} %"


def budget_left(remaining: float) -> str:
    """Budget left, 1 is all: ``58 %``; rounded to 0 or 100 only when it is; negative when overspent."""
    percentage = remaining * 100
    if 0 < percentage < 0.5:
        return "<1 %"
    if -0.5 < percentage < 0:
        return "<0 %"
    return ">99 %" if 99.5 <= percentage < 100 else f"{percentage:,.0f} %"


def slo_label(slo: SloState) -> str:
    """An objective's name with its threshold: ``latency <500ms``, ``freshness ≤6h``, ``queue ≤20``."""
    if slo.threshold is None or slo.objective is None:
        return slo.name
    sign = "≥" if slo.threshold_side == "at_least" else "<" if str(slo.kind) == "latency" else "≤"
    # Durations carry their unit; that of any other level stands with its value.
    unit = "s" if slo.now.unit in ("ratio", "s") else ""
    return f"{slo.name} {sign}{value(slo.threshold, unit).replace(' ', '')}"


def slo_promise(slo: SloState) -> str:
    """What an objective promises: ``99.9 %``, ``≥ 0.92``; ``-`` where nothing is."""
    if slo.objective is not None:
        return objective_text(slo.objective)
    if slo.threshold is not None:
        return f"{'≥' if slo.threshold_side == 'at_least' else '≤'} {value(slo.threshold, slo.now.unit)}"
    return "-"
