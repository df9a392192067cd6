"""The sample data of the lab's notebooks, made from seeds: ``python -m tests.lab.notebook_data`` writes it.

Each sample tells a story that its notebook's diagnostic cells find: image-moderation 5 divides by the contrast of flat
pictures and waits for full batches; loan-approval 3 divides the monthly income of a new payroll service by 12, and
refers the youngest more often; review-sentiment 00012 is cold after every pause, and an app cuts its reviews short.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from pathlib import Path

import triage.lab
from tests.notebook.example_data import Row, histogram, table

NOTEBOOKS = Path(triage.lab.__file__).parent / "notebooks"
BRIGHTNESS_EDGES = (20.0, 40.0, 70.0, 100.0, 130.0, 160.0, 190.0, 220.0)
WIDTH_EDGES = (240.0, 480.0, 720.0, 1080.0, 1440.0, 2160.0, 3240.0)
MODERATION_EDGES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 0.95)
IMAGE_KINDS = {"photo": 74, "drawing": 8, "screenshot": 18}
INCOME_EDGES = (1000.0, 1500.0, 2000.0, 2500.0, 3000.0, 4000.0, 6000.0, 10000.0)
DEBT_EDGES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
LOAN_SCORE_EDGES = (0.01, 0.02, 0.04, 0.07, 0.12, 0.25)
EMPLOYMENT = {"salaried": 73, "self-employed": 14, "retired": 9, "student": 4}
AGE_GROUPS = {"18-29": 24, "30-49": 44, "50-64": 22, "65+": 10}
LENGTH_EDGES = (20.0, 60.0, 140.0, 280.0, 500.0, 900.0, 1500.0)
SENTIMENT_EDGES = (0.05, 0.15, 0.3, 0.5, 0.7, 0.85, 0.95)
LANGUAGES = {"en": 58, "de": 26, "fr": 16}
TRAINING_ROWS = 20_000
Series = Mapping[str, tuple[tuple[float, ...], list[float]]]


def _pick(dice: random.Random, weights: Mapping[str, int]) -> str:
    return dice.choices(list(weights), weights=list(weights.values()))[0]


def _logistic(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def _counts(series: Series) -> str:
    return table({"feature": name, "upper": edge, "count": count} for name, (edges, values) in series.items()
                 for edge, count in zip((*edges, "inf"), histogram(values, edges), strict=True))


def _picture(dice: random.Random) -> tuple[float, float, int, float]:
    """Brightness (0 to 255), contrast (standard deviation of it), width in pixels, score."""
    brightness = round(min(max(dice.gauss(118, 44), 0), 255), 1)
    # One picture in 80 is flat: a colour, a scan of nothing, a black frame.
    contrast = 0.0 if dice.random() < 0.0125 else round(max(dice.gauss(46, 17), 0.4), 1)
    width = round(dice.lognormvariate(6.9, 0.6))
    logit = -5.2 + 0.9 * (brightness < 60) + dice.gauss(0, 1.35) + (7 if dice.random() < 0.019 else 0)
    return brightness, contrast, width, _logistic(logit)


def moderation_reference() -> str:
    """Counts per bucket of the training rows: what the manifest's drift block holds."""
    dice = random.Random(20261019)
    rows = [_picture(dice) for _ in range(TRAINING_ROWS)]
    return _counts({"brightness": (BRIGHTNESS_EDGES, [r[0] for r in rows]),
                    "width_px": (WIDTH_EDGES, [float(r[2]) for r in rows]),
                    "score": (MODERATION_EDGES, [r[3] for r in rows])})


def moderation_sample() -> str:
    """Requests of a quarter of an hour in which both versions run (version 5 is over-sampled)."""
    dice = random.Random(5)
    rows: list[Row] = []
    for index in range(640):
        version = "4" if index % 2 == 0 else "5"
        kind = _pick(dice, IMAGE_KINDS)
        brightness, contrast, width, score = _picture(dice)
        if dice.random() < 0.03:
            contrast = 0.0
        batch = dice.choice([1, 2, 4, 8]) if version == "4" else dice.choice([8, 8, 16, 16])
        queue = dice.expovariate(1 / (4.0 if version == "4" else 22.0)) + (38 if version == "5" and batch == 16 else 0)
        latency = queue + 31 + 1.9 * batch + width * 0.004 + dice.expovariate(1 / 9)
        flagged = score >= 0.5
        right = dice.random() < (0.95 if kind != "screenshot" else 0.88)
        # Reviewers look at all flagged pictures and at one in seven of the others, within two days.
        reviewed = flagged or dice.random() < 0.15
        label = int(flagged == right) if reviewed else ""
        nothing = version == "5" and contrast == 0.0
        rows.append({"request": f"p{index:04d}", "version": version, "image_kind": kind, "brightness": brightness,
                     "contrast": contrast, "width_px": width, "batch": batch,
                     "score": "nan" if nothing else f"{score:.4f}", "label": "" if nothing else label,
                     "queue_ms": round(queue, 1), "latency_ms": round(latency, 1)})
    return table(rows)


def _applicant(dice: random.Random) -> tuple[float, float, float, float]:
    """Monthly income and amount in euros, debts as a share of income, probability of default."""
    income = round(dice.lognormvariate(7.85, 0.48), 0)
    amount = round(dice.lognormvariate(8.7, 0.8), 0)
    debt = round(min(dice.expovariate(1 / 0.16), 0.9), 3)
    logit = -3.9 - 0.00018 * (income - 2500) + 0.000012 * amount + 3.2 * debt + dice.gauss(0, 0.55)
    return income, amount, debt, _logistic(logit)


def loan_reference() -> str:
    """Counts per bucket of the training rows."""
    dice = random.Random(20260831)
    rows = [_applicant(dice) for _ in range(TRAINING_ROWS)]
    return _counts({"income": (INCOME_EDGES, [r[0] for r in rows]),
                    "debt_ratio": (DEBT_EDGES, [r[2] for r in rows]),
                    "score": (LOAN_SCORE_EDGES, [r[3] for r in rows])})


def loan_sample() -> str:
    """A labelled cohort of October on version 2, and two days of version 3 without labels."""
    dice = random.Random(3)
    rows: list[Row] = []
    for index in range(600):
        version, day = ("2", "2026-10-12") if index % 2 == 0 else ("3", "2026-11-22")
        group, employment = _pick(dice, AGE_GROUPS), _pick(dice, EMPLOYMENT)
        income, amount, debt, score = _applicant(dice)
        channel = _pick(dice, {"branch": 30, "web": 70})
        if version == "3" and channel == "web" and dice.random() < 0.35:
            # The new payroll service reports income per month already; version 3 divides it by 12.
            channel, income, score = "payroll", round(income / 12), min(score * 2.4, 0.97)
        limit = 0.028 if version == "3" and group == "18-29" else 0.04
        decision = "approve" if score < limit else "refer" if score < 0.12 else "decline"
        repaid = dice.random() >= score
        # Whether a loan is repaid is known after 30 days at the earliest, and only for those that were paid out.
        label = int(repaid) if version == "2" and decision == "approve" else ""
        latency = dice.lognormvariate(-1.2, 0.5) + (0.9 if channel == "payroll" else 0)
        rows.append({"application": f"a{index:04d}", "day": day, "version": version, "channel": channel,
                     "age_group": group, "employment": employment, "income": f"{income:.0f}", "amount": f"{amount:.0f}",
                     "debt_ratio": debt, "score": f"{score:.4f}", "decision": decision, "label": label,
                     "latency_ms": round(latency * 1000)})
    return table(rows)


def _review(dice: random.Random) -> tuple[int, int, float]:
    """Length in characters, stars, probability that the review is positive."""
    length = max(3, round(dice.lognormvariate(5.1, 0.95)))
    stars = dice.choices([1, 2, 3, 4, 5], weights=[9, 7, 13, 27, 44])[0]
    return length, stars, _logistic((stars - 2.9) * 1.5 + dice.gauss(0, 1.1))


def sentiment_reference() -> str:
    """Counts per bucket of the training rows."""
    dice = random.Random(20260928)
    rows = [_review(dice) for _ in range(TRAINING_ROWS)]
    return _counts({"review_length": (LENGTH_EDGES, [float(r[0]) for r in rows]),
                    "score": (SENTIMENT_EDGES, [r[2] for r in rows])})


def sentiment_sample() -> str:
    """The first hour of a morning: each revision wakes up from nothing, revision 00012 with less memory."""
    dice = random.Random(12)
    rows: list[Row] = []
    for index in range(600):
        revision = "review-sentiment-predictor-000" + ("11" if index % 2 == 0 else "12")
        minute = index * 60 // 600
        language = _pick(dice, LANGUAGES)
        length, stars, score = _review(dice)
        client = _pick(dice, {"web": 60, "app": 40})
        if client == "app":
            # The form of app 7.3 stops at 140 characters.
            length = min(length, 140)
        new = revision.endswith("12")
        cold = dice.random() < (0.02 + 0.30 * (minute < 10) * (1 if new else 0.25))
        start = (dice.lognormvariate(1.95, 0.25) if new else dice.lognormvariate(0.9, 0.25)) if cold else 0.0
        latency = start + dice.lognormvariate(-2.6, 0.4) + length * 0.00004
        agreed = dice.random() < (0.93 if length > 60 else 0.81)
        labelled = dice.random() < 0.35
        positive = int((score >= 0.5) == agreed)
        rows.append({"request": f"s{index:04d}", "minute": minute, "version": revision, "language": language,
                     "client": client, "review_length": length, "stars": stars, "score": f"{score:.4f}",
                     "label": positive if labelled else "", "cold": int(cold), "start_ms": round(start * 1000),
                     "latency_ms": round(latency * 1000)})
    return table(rows)


FILES: Mapping[str, str] = {
    "image-moderation/data/sample.csv": moderation_sample(),
    "image-moderation/data/reference.csv": moderation_reference(),
    "loan-approval/data/sample.csv": loan_sample(),
    "loan-approval/data/reference.csv": loan_reference(),
    "review-sentiment/data/sample.csv": sentiment_sample(),
    "review-sentiment/data/reference.csv": sentiment_reference(),
}
"""Every generated file of the lab's notebooks, by its path in ``notebooks/``."""

if __name__ == "__main__":
    for name, text in FILES.items():
        (NOTEBOOKS / name).parent.mkdir(parents=True, exist_ok=True)
        (NOTEBOOKS / name).write_text(text, "utf-8")
