"""The lab's alert rules, read and evaluated by Prometheus' own tool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

import triage.lab
from tests.real.conftest import Promtool

RULES = Path(triage.lab.__file__).parent / "rules"


@dataclass(frozen=True, slots=True)
class Case:
    """Series at one-minute steps in promtool's notation, and what fires at ``at``: (alert, labels, summary)."""

    name: str
    model: str
    series: Mapping[str, str]
    at: str
    alert: str
    fires: Sequence[tuple[Mapping[str, str], str]] = field(default=())
    evaluated_every: str = "1m"
    """Less often where a day must pass: each evaluation of each rule of the file takes its time."""


_FRAUD = 'model="fraud-scorer",deployment="fraud-scorer"'
_LOAN = 'model="loan-approval",model_version="3",deployment="loan-approval"'
_CHAT = 'model_name="chat-assistant",deployment="chat-assistant-r31"'
_REVIEW = 'model_name="review-sentiment",revision_name="review-sentiment-predictor-00012"'
_MODERATION = 'model="image-moderation",deployment="image-moderation"'
_LONG_AGO = 'churn_table_updated_timestamp_seconds{model="churn-ranker",deployment="churn-ranker"}'
_RATINGS = {f'chat_helpful_ratio{{{_CHAT},language="{language}"}}': f"{value}x60"
            for language, value in (("en", 0.84), ("de", 0.82), ("fr", 0.81), ("pl", 0.52))}

CASES = (
    Case("a canary that fails pages, and stable does not", "fraud-scorer",
         {f'fraud_requests_total{{{_FRAUD},model_version="7",code="200"}}': "0+2160x30",
          f'fraud_requests_total{{{_FRAUD},model_version="7",code="500"}}': "0+1x30",
          f'fraud_requests_total{{{_FRAUD},model_version="8",code="200"}}': "0+228x30",
          f'fraud_requests_total{{{_FRAUD},model_version="8",code="500"}}': "0+12x30"},
         "25m", "FraudCanaryErrors",
         [({"severity": "page", "model": "fraud-scorer", "model_version": "8", "deployment": "fraud-scorer"},
           "fraud-scorer 8 fails 5% of payments")]),
    Case("five minutes of failures are not long enough", "fraud-scorer",
         {f'fraud_requests_total{{{_FRAUD},model_version="8",code="200"}}': "0+240x20 5028+228x4",
          f'fraud_requests_total{{{_FRAUD},model_version="8",code="500"}}': "0x20 12+12x4"},
         "23m", "FraudCanaryErrors"),
    Case("every violation of a feature is named", "fraud-scorer",
         {f'fraud_schema_violations_total{{{_FRAUD},model_version="7",feature="country"}}': "0+4x30",
          f'fraud_schema_violations_total{{{_FRAUD},model_version="7",feature="amount"}}': "0+0x30"},
         "20m", "FraudSchemaViolations",
         [({"severity": "ticket", "model": "fraud-scorer", "model_version": "7", "deployment": "fraud-scorer",
            "feature": "country"}, "fraud-scorer 7: 60 payments with an invalid country in 15 minutes")]),
    Case("a shifted feature is told by its share", "fraud-scorer",
         {f'fraud_feature_value_bucket{{{_FRAUD},model_version="8",feature="amount",le="80"}}': "0+10x120",
          f'fraud_feature_value_count{{{_FRAUD},model_version="8",feature="amount"}}': "0+100x120"},
         "90m", "FraudFeatureDrift",
         [({"severity": "ticket", "model": "fraud-scorer", "model_version": "8", "deployment": "fraud-scorer",
            "feature": "amount"}, "fraud-scorer 8: amounts up to 80 euros are 63 points away from their usual share")]),
    Case("two failures in three dozen applications page nobody", "loan-approval",
         {f'loan_requests_total{{{_LOAN},code="200"}}': "0+0.6x120",
          f'loan_requests_total{{{_LOAN},code="500"}}': "0x30 1x20 2x90"},
         "100m", "LoanErrors"),
    Case("failures in a usual hour of applications do", "loan-approval",
         {f'loan_requests_total{{{_LOAN},code="200"}}': "0+2.7x120",
          f'loan_requests_total{{{_LOAN},code="500"}}': "0+0.3x120"},
         "100m", "LoanErrors",
         [({"severity": "page", "slo": "success", "model": "loan-approval", "deployment": "loan-approval"},
           "loan-approval failed 10% of applications in the last hour")]),
    Case("a subgroup under the average is named with its distance", "loan-approval",
         {f'loan_decisions_total{{{_LOAN},age_group="18-29",decision="approve"}}': "0+0.3x1600",
          f'loan_decisions_total{{{_LOAN},age_group="18-29",decision="decline"}}': "0+0.7x1600",
          f'loan_decisions_total{{{_LOAN},age_group="30-49",decision="approve"}}': "0+0.7x1600",
          f'loan_decisions_total{{{_LOAN},age_group="30-49",decision="decline"}}': "0+0.3x1600"},
         "1580m", "LoanSubgroupApproval",
         [({"severity": "ticket", "model": "loan-approval", "deployment": "loan-approval", "age_group": "18-29"},
           "loan-approval approves 18-29 20 points less often than all applicants")], evaluated_every="10m"),
    Case("a table that is 28 hours old is stale", "churn-ranker", {_LONG_AGO: "0x1800"}, "1680m", "ChurnTableStale",
         [({"severity": "ticket", "model": "churn-ranker", "deployment": "churn-ranker"},
           "churn-ranker: the ranked table is 1d 4h 0m 0s old")], evaluated_every="10m"),
    Case("a server that knows no yesterday misses no rows", "churn-ranker",
         {'churn_rows_scored_total{model="churn-ranker",model_version="13",deployment="churn-ranker"}': "5000x400"},
         "390m", "ChurnRowsMissing"),
    Case("one language that falls behind is named, the average is not", "chat-assistant",
         _RATINGS, "50m", "ChatSubgroupRating",
         [({"severity": "ticket", "model": "chat-assistant", "model_name": "chat-assistant",
            "deployment": "chat-assistant-r31", "model_version": "chat-assistant-r31", "language": "pl"},
           "chat-assistant-r31: answers in pl are rated 32 points worse than in the best language")]),
    Case("the median of the languages hides one of them", "chat-assistant",
         _RATINGS, "50m", "ChatRatingLow"),
    Case("a whole second is a bucket in either spelling", "chat-assistant",
         {f'vllm:time_to_first_token_seconds_bucket{{{_CHAT},le="1.0"}}': "0+60x60",
          f'vllm:time_to_first_token_seconds_count{{{_CHAT}}}': "0+100x60"},
         "30m", "ChatFirstTokenSlow",
         [({"severity": "page", "model": "chat-assistant", "model_name": "chat-assistant",
            "deployment": "chat-assistant-r31", "model_version": "chat-assistant-r31"},
           "chat-assistant-r31: 40% of questions wait over a second for the first token")]),
    Case("scores that are no numbers page by version", "image-moderation",
         {f'moderation_invalid_scores_total{{{_MODERATION},version="5",reason="nan"}}': "0+2x40",
          f'moderation_invalid_scores_total{{{_MODERATION},version="5",reason="inf"}}': "0x40",
          f'moderation_invalid_scores_total{{{_MODERATION},version="4",reason="nan"}}': "0x40"},
         "20m", "ModerationInvalidScores",
         [({"severity": "page", "model": "image-moderation", "deployment": "image-moderation", "version": "5",
            "model_version": "5", "reason": "nan"},
           "image-moderation 5 gave 20 scores that are nan in 10 minutes")]),
    Case("cancelled requests are no errors", "image-moderation",
         {f'nv_inference_request_success{{{_MODERATION},version="5"}}': "0+100x40",
          f'nv_inference_request_failure{{{_MODERATION},version="5",reason="CANCELED"}}': "0+50x40",
          f'nv_inference_request_failure{{{_MODERATION},version="5",reason="BACKEND"}}': "0x40"},
         "30m", "ModerationErrors"),
    Case("the queue is an average in seconds", "image-moderation",
         {f'nv_inference_queue_duration_us{{{_MODERATION},version="5"}}': "0+9000000x60",
          f'nv_inference_request_success{{{_MODERATION},version="5"}}': "0+100x60"},
         "40m", "ModerationQueueLong",
         [({"severity": "ticket", "model": "image-moderation", "deployment": "image-moderation", "version": "5",
            "model_version": "5"}, "image-moderation 5: pictures wait 90ms on average")]),
    Case("cold starts are counted where there is traffic", "review-sentiment",
         {f"review_cold_starts_total{{{_REVIEW}}}": "0+0.5x120", f"review_invocations_total{{{_REVIEW}}}": "0+10x120"},
         "100m", "SentimentColdStarts",
         [({"severity": "ticket", "model": "review-sentiment", "model_name": "review-sentiment",
            "deployment": "review-sentiment", "revision_name": "review-sentiment-predictor-00012",
            "model_version": "review-sentiment-predictor-00012"},
           "review-sentiment-predictor-00012: 5% of reviews met a cold pod in the last hour")]),
    Case("a night without reviews is no alert", "review-sentiment",
         {f"review_cold_starts_total{{{_REVIEW}}}": "7x120", f"review_invocations_total{{{_REVIEW}}}": "4000x120"},
         "100m", "SentimentColdStarts"),
)


def _rule(case: Case, fires: str) -> Mapping[str, object]:
    """The rule of a case's alert; of several rules of one name, the one whose labels say the same feature."""
    groups = yaml.safe_load((RULES / f"{case.model}.yaml").read_text("utf-8"))["groups"]
    found = [rule for group in groups for rule in group["rules"] if rule["alert"] == case.alert]
    assert found, case.alert
    return next((rule for rule in found if rule["labels"].get("feature") == fires), found[0])


def _document(case: Case) -> dict[str, object]:
    expected = []
    for labels, summary in case.fires:
        rule = _rule(case, labels.get("feature", ""))
        expected.append({"exp_labels": dict(labels), "exp_annotations": {**rule["annotations"], "summary": summary}})  # type: ignore[dict-item]
    return {"rule_files": [str(RULES / f"{case.model}.yaml")], "evaluation_interval": case.evaluated_every,
            "tests": [{"interval": "1m",
                       "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
                       "alert_rule_test": [{"eval_time": case.at, "alertname": case.alert, "exp_alerts": expected}]}]}


@pytest.mark.parametrize("model", sorted(path.stem for path in RULES.glob("*.yaml")))
def test_promtool_accepts_the_rules(promtool: Promtool, model: str) -> None:
    checked = promtool("check", "rules", str(RULES / f"{model}.yaml"))
    assert checked.returncode == 0, checked.stderr
    assert "SUCCESS" in checked.stdout


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_alert_fires_when_it_should(promtool: Promtool, tmp_path: Path, case: Case) -> None:
    file = tmp_path / "case.yaml"
    file.write_text(yaml.safe_dump(_document(case), sort_keys=False), "utf-8")
    ran = promtool("test", "rules", str(file))
    assert ran.returncode == 0, ran.stdout + ran.stderr
