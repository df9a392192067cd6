"""The manifest of a model notebook (``manifest.yaml``), ``apiVersion: triage/v1alpha1``.

Terms follow the field: OpenSLO and the SRE workbook for objectives, MLflow for the registry, Evidently and Hopsworks
for drift, OpenLineage and Croissant for data references. One meaning per field; units stand in the description.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from triage.config_actions import Freeze
from triage.notebook.dependencies import Attributions, Dependencies
from triage.notebook.names import Date, LabelName, LabelSet, Name, Sha256, refuse_twice
from triage.notebook.quality import (
    Drift,
    DriftFeature,
    Feedback,
    PredictedClasses,
    Proxy,
    Quality,
    QualityMetric,
    Reference,
    Slice,
)
from triage.notebook.serving import BatchSize, PodSeries, QueueTime
from triage.notebook.slis import SelectorText, Sli, Strict
from triage.notebook.value import Value
from triage.quantities import Bytes, Duration, Percent, Points, Share

__all__ = ["Drift", "DriftFeature", "Feedback", "Manifest", "Proxy", "Quality", "QualityMetric", "Reference", "Slice",
           "Slo", "Spec"]


def _cpu(text: str) -> str:
    if not re.fullmatch(r"\d+(?:\.\d+)?|\d+m", text, re.ASCII):
        raise ValueError(f'is not an amount of CPU: "{text}"\nwrite cores as Kubernetes does, such as "2" or "500m"')
    return text


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f'is not a regular expression: "{text}"\n{error}; write it as Prometheus reads it (RE2), such '
                         'as "fraud-scorer-.+"') from None
    return text


Cpu = Annotated[str, AfterValidator(_cpu)]


def _environment_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*", text, re.ASCII):
        raise ValueError(f'is not the name of a variable: "{text}"\nletters, digits and _, not starting with a digit')
    return text


def _server_name(text: str) -> str:
    # What HAProxy takes for names; anything else could end a command of its runtime API.
    if not re.fullmatch(r"[\w.:-]+", text, re.ASCII):
        raise ValueError(f'is no name of a backend or server: "{text}"\nletters, digits, and - _ . :')
    return text


ServerName = Annotated[str, AfterValidator(_server_name)]
EnvironmentName = Annotated[str, AfterValidator(_environment_name)]
Pattern = Annotated[str, AfterValidator(_pattern)]


class Owner(Strict):
    """Someone answerable for the model."""

    name: str = Field(description="Team or person.")
    role: Literal["model-owner", "on-call", "escalation", "risk"] = Field(description="What they answer for.")
    contact: str = Field("", description="Where to reach them: channel, rota or address.")


class Metadata(Strict):
    """Who and what the model is."""

    name: Name = Field(description="Name of the model; commands and screens use it.")
    version: str = Field(description="Version that this notebook describes, as the registry and the metrics spell it.")
    owners: list[Owner] = Field(min_length=1, description="At least one owner.")
    criticality: Literal["revenue", "safety", "regulated", "internal", "experimental"] = Field(
        "internal", description="What is at stake when it fails.")
    description: str = Field("", description="One sentence for someone who has never seen the model.")
    labels: dict[str, str] = Field({}, description="Free labels, not interpreted.")


class NotebookFile(Strict):
    """The executable part."""

    path: str = Field("notebook.ipynb", description="Notebook file, relative to the manifest.")
    sha256: Sha256 | None = Field(None, description="Digest that the file is pinned to.")
    network: Literal["none", "open"] = Field("none", description="What its cells reach: nothing (Prometheus is asked "
                                             "through triage), or whatever this machine reaches.")
    memory: Bytes | None = Field(None, description="Memory of all processes of a run together; by default 2Gi.")
    environment: list[EnvironmentName] = Field([], description="Environment variables that cells get from triage's "
                                               "own, besides PATH, the language and the like; all others are withheld.")


class Environment(Strict):
    """What the model was built and is served with."""

    python: str = Field(description='Python version, such as "3.11".')
    requirements: str | None = Field(None, description="Requirements file, relative to the manifest.")
    image: str | None = Field(None, description="Container image, best with a digest.")


class DataReference(Strict):
    """A data set by immutable identity; never the data itself."""

    name: str = Field(description="Name used elsewhere in the manifest.")
    namespace: str = Field("", description="Warehouse, bucket or catalog (OpenLineage namespace).")
    version: str | None = Field(None, description="Immutable version: snapshot id, commit or partition.")
    uri: str | None = Field(None, description="Where it lies.")
    sha256: Sha256 | None = Field(None, description="Digest of the bytes, where it is one file.")


class ApprovalTags(Strict):
    """Registry tags that carry the approval."""

    status: str = Field("validation_status", description="Tag with the status.")
    by: str = Field("approved_by", description="Tag with the approver.")
    at: str = Field("approved_at", description="Tag with the time of the decision: a date, a date with time, or Unix "
                    "seconds or milliseconds. MLflow does not keep when a tag was set.")


class Registry(Strict):
    """Where versions and approvals are recorded."""

    kind: Literal["mlflow", "folder", "none"] = Field(description="Registry API; where it is, the context says.")
    name: str = Field(description="Registered model name.")
    stable_alias: str = Field("champion", description="Alias of the version taking the main traffic.")
    canary_alias: str = Field("challenger", description="Alias of the version under trial.")
    approval_tags: ApprovalTags = Field(ApprovalTags(), description="Tags with the approval.")


class LastSeen(Strict):
    """How it is known that a model still runs whose series outlive it: on devices, or behind a push gateway."""

    metric: SelectorText = Field(description="Gauge with the Unix time of the last word, such as push_time_seconds, "
                                 "one series per device or job.")
    within: Duration | None = Field(None, description="Longest silence that is usual; after a longer one of all of "
                                    "them the model is unknown.")


class Metrics(Strict):
    """How the model's time series are found."""

    preset: str = Field("custom", description="Inference server whose metric names apply (triage notebook lint lists "
                        "them), or custom.")
    selector: LabelSet = Field({}, description="Labels that every series of this model carries.")
    version_label: LabelName | None = Field(None, description="Label with the model version; by default the preset's, "
                                            "else model_version.")
    deployment_label: LabelName = Field("deployment", description="Label with the deployment, for grouping alerts.")
    requests: SelectorText | None = Field(None, description="Counter of requests that traffic shares are read from; by "
                                          "default the total of the first SLO with one.")
    version_info: SelectorText | None = Field(None, description="Series that exists while a version runs, such as "
                                              "model_build_info; by default the requests counter.")
    scrape_interval: Duration = Field(15.0, validate_default=False, description="How often the server is scraped.")
    also: list[SelectorText] | None = Field(None, description="Metrics that the runbooks look at and that nothing else "
                                            "here names; given, even empty, any other metric in a runbook is an "
                                            "error.")
    last_seen: LastSeen | None = Field(None, description="Last word of devices, or of what pushes; by default the "
                                       "newest sample is when a model was last seen.")


class InputField(Strict):
    """One field of the model's input."""

    name: str = Field(description="Field name.")
    type: Literal["float", "integer", "string", "boolean", "timestamp", "array"] = Field(description="Type.")
    required: bool = Field(True, description="Whether a request without it is invalid.")
    min: float | None = Field(None, description="Smallest valid value.")
    max: float | None = Field(None, description="Largest valid value.")
    categories: list[str] | None = Field(None, description="Valid values of a categorical field.")

    @model_validator(mode="after")
    def _range_holds_something(self) -> InputField:
        if self.min is not None and self.max is not None and self.max < self.min:
            raise ValueError("has a max below its min")
        return self


class Recorded(Strict):
    """Recording rules of Sloth or Pyrra for this objective."""

    service: str | None = Field(None, description="sloth_service; by default the model's name. Given, only Sloth's "
                                "series are used.")
    slo: str = Field(description="sloth_slo, or Pyrra's slo label; Pyrra's series must carry the labels that the "
                     "indicator is selected by.")


class Slo(Strict):
    """A service level objective."""

    name: Name = Field(description="Name, unique in the manifest.")
    sli: Sli = Field(description="What is measured.")
    objective: Percent | None = Field(None, description="Percent of events (for levels: of time) that must be good. "
                                      "100 means zero tolerance. Without it the indicator is shown but not judged.")
    window: Duration = Field(2592000.0, validate_default=False, description="Rolling window of the error budget.")
    reading_window: Duration = Field(3600.0, validate_default=False, description="Window of the value shown; "
                                     "longer than 1h for models that run in batches.")
    required: bool = Field(False, description="Whether the model is unknown when this cannot be read.")
    by: LabelName | None = Field(None, description="Label that bad events are broken down by, such as feature.")
    min_events: int | None = Field(None, ge=1, description="Events a window needs before its burn rate may page; by "
                                   "default as many that one bad event cannot reach the paging rate.")
    sustained: Duration = Field(600.0, validate_default=False, description="How long a level must be bad before it "
                                "counts as more than transient.")
    due: Literal["always", "with-labels"] = Field("always", description="with-labels: absent until feedback arrives, "
                                                  "which is expected and does not gate.")
    recorded: Recorded | None = Field(None, description="Recording rules to use for windows of a day and more; by "
                                      "default those of the model's and the objective's names.")
    description: str = Field("", description="Why this matters, for the engineer at night.")


class MaxDelta(Strict):
    """How much worse the canary may be than stable."""

    metric: str = Field(description="SLO, proxy or quality metric; score_mean (of drift.prediction's histogram); "
                        "classes (the share of each predicted class).")
    absolute: Points | None = Field(None, description="In percentage points (0.5pt) or the metric's unit.")
    relative: Share | None = Field(None, description="As a share of stable's value (5%).")

    @model_validator(mode="after")
    def _one_margin(self) -> MaxDelta:
        if (self.absolute is None) == (self.relative is None):
            raise ValueError("needs exactly one of absolute and relative")
        return self


class Canary(Strict):
    """How a new version is tried."""

    steps: list[Percent] = Field([10, 25, 50], validate_default=False, description="Traffic shares in percent, "
                                 "ascending.")
    bake: Duration = Field(86400.0, validate_default=False, description="Time at the last step before promotion.")
    min_events: int = Field(200, ge=1, description="Events of the canary before it is judged.")
    sustained: Duration = Field(600.0, validate_default=False, description="How long a deviation must last to count.")
    max_delta: list[MaxDelta] = Field([], description="Margins, one per metric.")
    classes: PredictedClasses | None = Field(None, description="Predicted classes whose shares are compared; by "
                                             "default the categories of drift.prediction.")
    arm: Literal["canary", "shadow", "experiment"] = Field("canary", description="What a second version is. A shadow "
                                                           "never pages: its answers reach nobody.")

    @model_validator(mode="after")
    def _steps_ascend(self) -> Canary:
        if any(b <= a for a, b in zip(self.steps, self.steps[1:], strict=False)):
            raise ValueError("has steps that do not ascend")
        refuse_twice("metric", (delta.metric for delta in self.max_delta))
        return self


class RolloutRule(Strict):
    """When a rollout must halt: burn rate of the canary's own requests."""

    burn_rate: float = Field(5.0, gt=0, description="Times the rate that would use the budget exactly in its window.")
    window: Duration = Field(86400.0, validate_default=False, description="Window, or the canary's age if that is "
                             "shorter; between 24h and 72h.")
    min_events: int = Field(200, ge=1, description="Requests of the canary before the rule may halt.")

    @model_validator(mode="after")
    def _window_in_range(self) -> RolloutRule:
        if not 86400 <= self.window <= 259200:
            raise ValueError("has a window outside 24h to 72h\nthe rule reads the budget of one to three days")
        return self


Trigger = Literal["rollout_rule", "canary_fail", "slo_breach"]


class Rollback(Strict):
    """When and to what."""

    policy: Literal["manual", "auto"] = Field("manual", description="Whether a person decides.")
    when: list[Trigger] = Field(["rollout_rule", "canary_fail"], description="What makes it due.")
    last_known_good: str | None = Field(None, description="Version to go back to. Of haproxy, which has weights and no "
                                        "roles, also the stable one while it shares the traffic with another.")


class Promote(Strict):
    """How a canary becomes stable."""

    policy: Literal["manual", "auto"] = Field("manual", description="Whether a person decides.")
    approvals: int = Field(1, ge=0, le=5, description="Second persons needed.")
    spent_budget: Literal["block", "acknowledge"] = Field("block", description="What an error budget that is spent "
                                                          "does to promotions: they are blocked, or it has to be "
                                                          "acknowledged.")


class EvidenceItem(Strict):
    """Something that was done, and where its report is."""

    at: Date = Field(description="When.")
    report: str | None = Field(None, description="Where the report is.")


class Evidence(Strict):
    """What was shown before production."""

    load_test: EvidenceItem | None = Field(None, description="Load test.")
    drill: EvidenceItem | None = Field(None, description="Rollback drill or game day.")
    bias_test: EvidenceItem | None = Field(None, description="Fairness review.")
    shadow_run: EvidenceItem | None = Field(None, description="Run on historical or mirrored traffic.")


class Rollout(Strict):
    """Who moves traffic between versions."""

    kind: Literal["argo", "flagger", "kserve", "deployment", "istio", "gateway", "haproxy", "seldon", "mlflow",
                  "webhook", "none"] = Field(description="Controller. mlflow: servers or jobs that follow an alias of "
                                             "the registry; webhook: a pipeline, by its calls in triage.yaml.")
    namespace: str = Field("default", description="Namespace.")
    name: str = Field(description="Object name; of haproxy the backend, of mlflow the alias, of webhook the entry of "
                      "webhooks in triage.yaml.")
    version_label: str | None = Field(None, min_length=1, description="Label or annotation of the pod template with "
                                      "the model's version; by default the label app.kubernetes.io/version, else the "
                                      "image tag.")
    servers: dict[str, list[ServerName]] = Field({}, description="Of haproxy: servers of the backend by the version "
                                                 "that they serve.")
    reload: Duration = Field(600.0, validate_default=False, description="Of mlflow and webhook: longest time until "
                             "what serves has followed.")

    @model_validator(mode="after")
    def _servers_of_haproxy(self) -> Rollout:
        if self.kind != "haproxy":
            if self.servers:
                raise ValueError(f"has servers, which a rollout of kind {self.kind} does not know\ndrop them")
            return self
        if not self.servers or not all(self.servers.values()):
            raise ValueError("does not say which servers serve which version\nadd servers: {\"7\": [m7a, m7b], "
                             "\"8\": [m8]}")
        refuse_twice("server", (server for servers in self.servers.values() for server in servers))
        _server_name(self.name)
        return self


class Variant(Strict):
    """Another way to serve the same model."""

    name: str = Field(description="Name, such as int8.")
    cpu: Cpu | None = Field(None, description="CPU request, as Kubernetes writes it.")
    memory: Bytes | None = Field(None, description="Memory.")
    gpu: int = Field(0, ge=0, description="GPUs.")
    batch: int | None = Field(None, ge=1, description="Batch size.")
    price_per_hour: float | None = Field(None, ge=0, description="Price of one replica-hour.")


class ReplicaBounds(Strict):
    """How many replicas triage may ask for when it scales."""

    min: int = Field(ge=0, description="Fewest.")
    max: int = Field(ge=1, description="Most.")

    @model_validator(mode="after")
    def _ascends(self) -> ReplicaBounds:
        if self.min > self.max:
            raise ValueError("has a min above its max")
        return self


class Resources(Strict):
    """What one replica needs and costs."""

    cpu: Cpu | None = Field(None, description='CPU request, as Kubernetes writes it ("2", "500m").')
    memory: Bytes | None = Field(None, description="Memory.")
    gpu: int = Field(0, ge=0, description="GPUs.")
    batch: int | None = Field(None, ge=1, description="Batch size.")
    price_per_hour: float | None = Field(None, ge=0, description="Price of one replica-hour.")
    variants: list[Variant] = Field([], description="Other ways to serve it.")
    replicas: ReplicaBounds | None = Field(None, description="Replicas that triage may scale it to; without it, it "
                                           "does not.")
    pods: LabelSet = Field({}, description="Labels of the series about its pods; by default the rollout's namespace.")
    pod_names: Pattern | None = Field(None, description="Regular expression for the names of its pods; by default the "
                                      "rollout's name (else the model's), a hyphen and more.")
    series: dict[PodSeries, SelectorText] = Field({}, description="Series about its pods that have other names than "
                                                  "those of cAdvisor, kube-state-metrics and DCGM.")
    queue_time: QueueTime | None = Field(None, description="Time that requests wait; by default the preset's.")
    batch_size: BatchSize | None = Field(None, description="Inferences computed at once; by default the preset's.")


class Alerts(Strict):
    """Which alerts are this model's, and how urgent they are."""

    labels: LabelSet = Field({}, description="Labels that all of them carry; by default metrics.selector.")
    page: list[str] = Field([], description="alertname of those that page; severity=critical or page does too.")
    ticket: list[str] = Field([], description="alertname of those that open a ticket; severity=warning or ticket does "
                              "too.")


class RetrainTrigger(Strict):
    """What makes retraining due."""

    drift: Literal["warning", "critical"] | None = Field(None, description="Drift of any feature at this level.")
    quality: str | None = Field(None, description="A quality metric below its limit.")
    sustained: Duration = Field(21600.0, validate_default=False, description="How long it must last.")


class Retrain(Strict):
    """When the model is trained again."""

    when: list[RetrainTrigger] = Field([], description="Triggers.")
    approval: Literal["required", "none"] = Field("required", description="Whether a person decides.")
    webhook: str | None = Field(None, min_length=1, description="Entry of webhooks in triage.yaml whose call retrain "
                                "starts it.")


class Approval(Strict):
    """A recorded decision."""

    role: str = Field(description="On whose behalf.")
    by: str = Field(description="Who decided.")
    at: Date = Field(description="When.")
    status: Literal["approved", "rejected", "pending"] = Field(description="Decision.")
    evidence: str | None = Field(None, description="Where it is recorded.")


class Spec(Strict):
    """Everything that triage needs to know about the model."""

    notebook: NotebookFile = Field(NotebookFile(), description="The executable part.")
    environment: Environment | None = Field(None, description="What it was built with.")
    data: list[DataReference] = Field([], description="Data references.")
    registry: Registry | None = Field(None, description="Model registry.")
    metrics: Metrics = Field(Metrics(), description="How its time series are found.")
    inputs: list[InputField] = Field([], description="Input schema.")
    slos: list[Slo] = Field([], description="Objectives; with a preset, its other indicators are shown too.")
    quality: Quality | None = Field(None, description="Labels, proxies and subgroups.")
    drift: Drift | None = Field(None, description="Drift references.")
    attributions: Attributions | None = Field(None, description="What the features are worth, where it is exported.")
    dependencies: Dependencies | None = Field(None, description="What the model needs of others.")
    canary: Canary = Field(Canary(), description="Canary policy.")
    rollout_rule: RolloutRule = Field(RolloutRule(), description="When a rollout must halt.")
    rollback: Rollback = Field(Rollback(), description="Rollback policy.")
    promote: Promote = Field(Promote(), description="Promotion policy.")
    evidence: Evidence | None = Field(None, description="What was shown before production.")
    rollout: Rollout | None = Field(None, description="Who moves traffic.")
    resources: Resources | None = Field(None, description="What one replica needs.")
    alerts: Alerts = Field(Alerts(), description="Alerts of this model.")
    runbook: str | None = Field(None, description="Runbook file, or a folder of them, relative to the manifest.")
    retrain: Retrain | None = Field(None, description="When the model is trained again.")
    value: Value | None = Field(None, description="What its answers are worth, shown against their quality.")
    approvals: list[Approval] = Field([], description="Recorded decisions.")
    freezes: list[Freeze] = Field([], description="Announced times in which the model is not to be changed, besides "
                                  "those of the configuration.")

    @model_validator(mode="after")
    def _names_unique(self) -> Spec:
        refuse_twice("SLO", (slo.name for slo in self.slos))
        refuse_twice("data set", (reference.name for reference in self.data))
        refuse_twice("input", (field.name for field in self.inputs))
        if self.value is not None and self.value.quality is not None and self.value.quality not in self._figures():
            raise ValueError(f"has a value that is set against {self.value.quality}, which nothing here measures\n"
                             "name an SLO, or one of quality.metrics, quality.counted and quality.proxies")
        if not self.slos and self.metrics.preset == "custom":
            raise ValueError("promises nothing: no slos and no preset\nadd spec.slos, or spec.metrics.preset")
        return self

    def _figures(self) -> set[str]:
        """Names of everything that measures how good the answers are."""
        quality = self.quality
        names = [slo.name for slo in self.slos]
        if quality is not None:
            names += [item.name for item in quality.metrics] + [item.name for item in quality.counted]
            names += [item.name for item in quality.proxies]
        return set(names)


class Manifest(Strict):
    """A model notebook's manifest."""

    apiVersion: Literal["triage/v1alpha1"] = Field(description="Version of this format.")
    kind: Literal["ModelNotebook"] = Field(description="What the document is.")
    metadata: Metadata = Field(description="Who and what the model is.")
    spec: Spec = Field(description="Everything that triage needs to know about it.")
