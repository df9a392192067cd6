"""The sample data of the example notebooks, made from seeds: ``python -m tests.notebook.example_data`` writes it.

Each sample tells a story that its notebook's diagnostic cells find: fraud-scorer 8 takes some amounts in cents and
waits for a fallback store; churn-ranker 13 meets a join that doubles the support tickets of one segment, and two slow
shards; chat-assistant r31 batches long prompts badly.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import triage.notebook

EXAMPLES = Path(triage.notebook.__file__).parent / "examples"
AMOUNT_EDGES = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1280.0)
AGE_EDGES = (7.0, 30.0, 90.0, 180.0, 365.0, 730.0, 1460.0)
SCORE_EDGES = (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3)
TENURE_EDGES = (3.0, 6.0, 12.0, 24.0, 36.0, 60.0, 84.0)
TICKET_EDGES = (0.5, 1.5, 2.5, 4.5, 7.5)
CHURN_EDGES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8)
COUNTRIES = {"DE": 42, "FR": 27, "NL": 14, "PL": 11, "PT": 6}
Row = Mapping[str, object]


def table(rows: Iterable[Row]) -> str:
    found = list(rows)
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(found[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return out.getvalue()


def histogram(values: Sequence[float], edges: Sequence[float]) -> list[int]:
    """Events per bucket; a bucket holds values at or under its edge, the last one those above all."""
    counts = [0] * (len(edges) + 1)
    for value in values:
        counts[sum(value > edge for edge in edges)] += 1
    return counts


def _fraud_features(dice: random.Random) -> tuple[str, float, float, float]:
    country = dice.choices(list(COUNTRIES), weights=list(COUNTRIES.values()))[0]
    amount = round(dice.lognormvariate(3.7, 1.1), 2)
    age = round(dice.expovariate(1 / 420), 1)
    risk = -3.6 + 0.35 * (amount > 300) + 1.2 * (age < 30) + dice.gauss(0, 0.9)
    return country, amount, age, 1 / (1 + 2.718281828 ** -risk)


def fraud_reference() -> str:
    """Counts per bucket of 20,000 training rows: what the manifest's drift block holds."""
    dice = random.Random(20261102)
    rows = [_fraud_features(dice) for _ in range(20_000)]
    series = {"amount": (AMOUNT_EDGES, [r[1] for r in rows]), "merchant_age_days": (AGE_EDGES, [r[2] for r in rows]),
              "score": (SCORE_EDGES, [r[3] for r in rows])}
    return table({"feature": name, "upper": edge, "count": count} for name, (edges, values) in series.items()
                  for edge, count in zip((*edges, "inf"), histogram(values, edges), strict=True))


def fraud_sample() -> str:
    """Requests of an hour in which version 8 takes a tenth of the traffic (over-sampled here)."""
    dice = random.Random(8)
    rows: list[Row] = []
    for index in range(700):
        version = "7" if index % 7 < 4 else "8"
        country, amount, age, score = _fraud_features(dice)
        source = dice.choices(["cache", "store"], weights=[82, 18])[0]
        if version == "8":
            if country == "PL" and dice.random() < 0.9:
                amount = round(amount * 100, 2)
            source = dice.choices(["cache", "store", "fallback"], weights=[48, 22, 30])[0]
        latency = dice.lognormvariate(-2.3, 0.45) + {"cache": 0.0, "store": 0.06, "fallback": 0.42}[source]
        fraud = dice.random() < score * (0.8 if country != "PT" else 1.3)
        # Chargebacks take two weeks: of these requests only those reviewed by hand have a label.
        label = int(fraud) if dice.random() < (0.9 if version == "7" else 0.15) else ""
        rows.append({"request": f"r{index:04d}", "version": version, "region": country, "amount": f"{amount:.2f}",
                     "country": country, "merchant_age_days": age, "feature_source": source, "score": f"{score:.4f}",
                     "label": label, "latency_ms": round(latency * 1000)})
    return table(rows)


def _customer(dice: random.Random) -> tuple[float, int, float]:
    tenure = round(dice.expovariate(1 / 30), 1)
    tickets = min(int(dice.expovariate(1 / 1.4)), 14)
    logit = -1.1 - 0.03 * tenure + 0.38 * tickets + dice.gauss(0, 0.6)
    return tenure, tickets, 1 / (1 + 2.718281828 ** -logit)


def churn_reference() -> str:
    """Counts per bucket of 20,000 training rows."""
    dice = random.Random(20260914)
    rows = [_customer(dice) for _ in range(20_000)]
    series = {"tenure_months": (TENURE_EDGES, [r[0] for r in rows]),
              "support_tickets": (TICKET_EDGES, [float(r[1]) for r in rows]),
              "score": (CHURN_EDGES, [r[2] for r in rows])}
    return table({"feature": name, "upper": edge, "count": count} for name, (edges, values) in series.items()
                  for edge, count in zip((*edges, "inf"), histogram(values, edges), strict=True))


def churn_sample() -> str:
    """Two weekly runs: version 12 on labelled customers of September, version 13 on those of last night."""
    dice = random.Random(13)
    rows: list[Row] = []
    for index in range(640):
        version, run = ("12", "2026-09-21") if index % 2 == 0 else ("13", "2026-11-23")
        segment = dice.choices(["consumer", "small-business", "enterprise"], weights=[70, 24, 6])[0]
        tenure, tickets, score = _customer(dice)
        if version == "13" and segment == "small-business":
            tickets = min(tickets * 2 + 2, 20)
            score = min(score * 1.9, 0.98)
        left = dice.random() < score * (0.55 if segment == "enterprise" else 0.95)
        label = int(left) if version == "12" else ""
        shard = index // 2 % 16
        seconds = 310 + 25 * (shard % 5) + dice.gauss(0, 6) + (900 if version == "13" and shard in (3, 11) else 0)
        rows.append({"customer": f"c{index:05d}", "run": run, "version": version, "segment": segment,
                     "tenure_months": tenure, "support_tickets": tickets, "score": f"{score:.4f}", "label": label,
                     "shard": shard, "shard_seconds": round(seconds, 1)})
    return table(rows)


def chat_sample() -> str:
    """Requests of half an hour in which r31 takes a quarter of the traffic (over-sampled here)."""
    dice = random.Random(31)
    rows: list[Row] = []
    for index in range(560):
        version = "chat-assistant-r30" if index % 2 == 0 else "chat-assistant-r31"
        language = dice.choices(["en", "de", "fr", "pl"], weights=[58, 22, 12, 8])[0]
        prompt = min(int(dice.lognormvariate(6.2, 0.9)), 16000)
        output = min(int(dice.lognormvariate(4.9, 0.7)), 2048)
        first = 0.09 + prompt * 0.00009 + dice.expovariate(1 / 0.04)
        between = 0.021 + dice.expovariate(1 / 0.004)
        if version.endswith("r31") and prompt > 1500:
            first += 1.3 + dice.expovariate(1 / 0.5)
        reason = dice.choices(["stop", "length", "abort"], weights=[93, 6, 1 if version.endswith("r30") else 3])[0]
        quality = max(0.0, min(1.0, dice.gauss(0.82 if language != "pl" else 0.68, 0.12)))
        rated = dice.random() < 0.12
        rows.append({"request": f"q{index:04d}", "version": version, "language": language, "prompt_tokens": prompt,
                     "output_tokens": output, "ttft_ms": round(first * 1000),
                     "inter_token_ms": round(between * 1000, 1),
                     "latency_ms": round((first + between * output) * 1000), "finish_reason": reason,
                     "score": f"{quality:.3f}", "label": int(dice.random() < quality) if rated else ""})
    return table(rows)


FILES: Mapping[str, str] = {
    "fraud-scorer/data/sample.csv": fraud_sample(),
    "fraud-scorer/data/reference.csv": fraud_reference(),
    "churn-ranker/data/sample.csv": churn_sample(),
    "churn-ranker/data/reference.csv": churn_reference(),
    "chat-assistant/data/sample.csv": chat_sample(),
}
"""Every generated file of the examples, by its path in ``examples/``."""

if __name__ == "__main__":
    for name, text in FILES.items():
        (EXAMPLES / name).write_text(text, "utf-8")
