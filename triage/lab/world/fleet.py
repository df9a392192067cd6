"""The six models of the lab by name: their versions, inputs, subgroups and the names that the other systems use.

Nothing here moves. Scenarios are checked against it, and the cluster and the registry are furnished from it.

The names of the series are those that the three example notebooks and their presets ask for. The other three models
(labels in braces; each series of a model that has versions carries the label named first):

``image-moderation`` {model, version, deployment, namespace}; preset triton, version_label ``version``:
    nv_inference_request_success, nv_inference_request_failure {reason: CANCELED | BACKEND | REJECTED | OTHER},
    nv_inference_count, nv_inference_exec_count, nv_inference_request_duration_us, nv_inference_queue_duration_us,
    nv_inference_compute_input_duration_us, nv_inference_compute_infer_duration_us,
    nv_inference_compute_output_duration_us, nv_inference_pending_request_count;
    nv_gpu_utilization, nv_gpu_memory_total_bytes, nv_gpu_memory_used_bytes {gpu_uuid, pod, namespace} and DCGM's;
    moderation_request_duration_seconds (histogram at the gateway: 0.025 0.05 0.1 0.15 0.2 0.3 0.5 0.75 1 2.5 5),
    moderation_predictions_total {class: allowed | adult | violence | hate | spam}, moderation_confidence (histogram),
    moderation_feature_value {feature: brightness | width_px} (histogram), moderation_schema_violations_total {feature},
    moderation_invalid_scores_total {reason: nan | range}, moderation_rejected_ratio, moderation_labels_total,
    moderation_recall, moderation_precision {image_kind: photo | drawing | screenshot}.
``loan-approval`` {model, model_version, deployment, namespace}; about three requests a minute:
    loan_requests_total {code}, loan_request_duration_seconds (histogram: 0.1 0.25 0.5 1 2 3 5 10),
    loan_schema_violations_total {feature}, loan_feature_value {feature: income | debt_ratio} (histogram),
    loan_feature_category_total {feature: employment, category: salaried | self-employed | retired | student},
    loan_score (histogram), loan_decisions_total {age_group, decision: approve | refer | decline}, loan_approval_ratio,
    loan_labels_total, loan_auc, loan_default_recall, loan_error_ratio {age_group: 18-29 | 30-49 | 50-64 | 65+}.
``review-sentiment``: preset kserve (Knative), no rollout object; the registry's alias decides; Knative's Deployments
    (``<revision>-deployment``) follow the autoscaler and keep ``autoscaling.knative.dev/min-scale`` pods:
    kn_serving_invocation_duration_seconds (histogram) {kn_service_name: review-sentiment-predictor, kn_revision_name,
    http_response_status_code}, kn_serving_queue_depth {kn_service_name, kn_revision_name};
    with {model_name: review-sentiment, revision_name, namespace}: request_predict_seconds, request_preprocess_seconds,
    request_postprocess_seconds (histograms), review_invocations_total, review_cold_starts_total,
    review_cold_start_duration_seconds (histogram: 1 2 3 5 8 13 20 30), review_predictions_total {class: positive |
    neutral | negative}, review_score (histogram), review_feature_value {feature: review_length} (histogram),
    review_schema_violations_total {feature}, review_negative_ratio, review_labels_total, review_accuracy {language};
    autoscaler_desired_pods, autoscaler_actual_pods {configuration_name, revision_name}.
For all: model_build_info (1 while a version serves), secret_reads_total {secret, reader},
    feature_store_updated_timestamp_seconds {store, model} (models with feature views), and of Feast {project,
    feature_view}: feast_feature_freshness_seconds, feast_materialization_result_total {status: success | failure},
    feast_online_features_status_total {status: PRESENT | NOT_FOUND};
    container_memory_working_set_bytes, container_cpu_usage_seconds_total, container_cpu_cfs_periods_total,
    container_cpu_cfs_throttled_periods_total, kube_pod_container_resource_limits {resource: memory | cpu},
    kube_pod_container_status_restarts_total and kube_pod_container_status_last_terminated_reason {reason: OOMKilled}
    (all with namespace, pod, container, for models with workloads in the cluster); ``up`` {job, instance, namespace}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class Member:
    """One model as everybody else knows it."""

    name: str
    namespace: str
    versions: tuple[str, ...]
    """Oldest first. The last two are what releases are usually about."""
    stable: str
    """Version that has all the traffic unless a scenario says otherwise."""
    features: tuple[str, ...]
    """Inputs whose values or categories are exported."""
    subgroups: tuple[str, ...]
    """Groups of requests whose quality is told apart; () where it is not."""
    stores: tuple[str, ...]
    """Feature views that it reads online; () where requests carry everything."""
    rollout: Literal["argo", "deployments", "knative", "worker"]
    """What the cluster holds: one Rollout, one Deployment for each version, Deployments that Knative's autoscaler
    scales, or one Deployment that waits for its hour. Only a Rollout splits traffic."""
    image: str
    replicas: int
    steps: tuple[float, ...]
    """Weights of a canary in percent, as its manifest promises."""
    description: str
    gpu: bool = False
    memory_limit_bytes: float = 4 * 2.0**30
    cpu_limit: float = 2.0
    """Cores of one pod."""

    def number(self, version: str) -> str:
        """What the registry calls a version: its digits at the end, without leading zeros."""
        return str(int(version[len(version.rstrip("0123456789")):]))

    def by_number(self, number: str) -> str | None:
        """The version that the registry calls ``number``; None when there is none."""
        return next((version for version in self.versions if self.number(version) == number), None)


_MEMBERS = (
    Member("fraud-scorer", "ml", ("6", "7", "8"), "8", ("amount", "merchant_age_days", "country"),
           ("DE", "FR", "NL", "PL", "PT"), ("payments_profile",), "argo", "registry.example/ml/fraud-scorer", 6,
           (10, 25, 50), "Scores card payments for fraud risk."),
    Member("chat-assistant", "assist", ("chat-assistant-r29", "chat-assistant-r30", "chat-assistant-r31"),
           "chat-assistant-r31", ("prompt_tokens",), ("en", "de", "fr", "pl"), (), "deployments",
           "registry.example/ml/chat-assistant", 4, (25, 50), "Answers questions of customers in the web shop.",
           gpu=True, memory_limit_bytes=48 * 2.0**30, cpu_limit=8.0),
    Member("churn-ranker", "batch", ("12", "13"), "13", ("tenure_months", "support_tickets"),
           ("consumer", "small-business", "enterprise"), ("customers",), "worker",
           "registry.example/ml/churn-ranker", 1, (100,),
           "Ranks all customers every night by the risk that they leave.", memory_limit_bytes=32 * 2.0**30,
           cpu_limit=8.0),
    Member("image-moderation", "vision", ("3", "4", "5"), "5", ("brightness", "width_px"),
           ("photo", "drawing", "screenshot"), (), "argo", "registry.example/ml/image-moderation", 3,
           (5, 25, 50), "Hides pictures that break the rules of the market place.", gpu=True,
           memory_limit_bytes=16 * 2.0**30, cpu_limit=4.0),
    Member("loan-approval", "credit", ("1", "2", "3"), "3", ("income", "debt_ratio", "employment"),
           ("18-29", "30-49", "50-64", "65+"), ("credit_bureau",), "argo", "registry.example/ml/loan-approval", 2,
           (10, 50), "Decides on consumer loans, or refers them to a person.",
           memory_limit_bytes=2 * 2.0**30, cpu_limit=1.0),
    Member("review-sentiment", "reviews",
           ("review-sentiment-predictor-00010", "review-sentiment-predictor-00011", "review-sentiment-predictor-00012"),
           "review-sentiment-predictor-00012", ("review_length",), ("en", "de", "fr"), (), "knative",
           "registry.example/ml/review-sentiment", 3, (10, 50), "Sorts reviews into negative, neutral and positive.",
           memory_limit_bytes=2.0**30, cpu_limit=1.0),
)

FLEET: Mapping[str, Member] = MappingProxyType({member.name: member for member in _MEMBERS})
