"""chat-assistant: a language model on vLLM. Metric names and buckets are vLLM's; one answer in eight is rated."""

from __future__ import annotations

import numpy as np

from triage.lab.world.behaviour import Run
from triage.lab.world.curves import Curve
from triage.lab.world.draws import Source
from triage.lab.world.effects import Effects
from triage.lab.world.exported_inputs import InputSeries
from triage.lab.world.gpu import GpuSeries
from triage.lab.world.grid import Floats
from triage.lab.world.inputs import Inputs, Numeric
from triage.lab.world.labels import Feedback, LabelJob, Measure
from triage.lab.world.online import Online, Traits
from triage.lab.world.plan import Plan
from triage.lab.world.rows import Sheet, counter, gauge, histogram

_LANGUAGES = {"en": 0.46, "de": 0.3, "fr": 0.16, "pl": 0.08}
_TOKENS_PER_ANSWER = 180.0
# vllm/v1/metrics/loggers.py; the widest buckets are left out, as nothing waits that long here.
_FIRST_TOKEN_BOUNDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0,
                       40.0, 80.0)
_PACE_BOUNDS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0)
_ANSWER_BOUNDS = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0)
_QUEUE_BOUNDS = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0)
_FIRST_TOKEN = Curve.lognormal(0.28, 0.6)
_PACE = Curve.lognormal(0.028, 0.45)
_ANSWER = Curve.lognormal(5.2, 0.62)
_QUEUE = Curve.lognormal(0.05, 0.9)
_PROMPT = Numeric("prompt_tokens", (100, 200, 500, 1000, 2000, 5000, 10000),
                  (1210, 2140, 8020, 4880, 2510, 1130, 98, 12), weight=0.1, pull=0.0)
_FEEDBACK = Feedback(
    delay=600.0, period=300.0, labelled=1 / 8, counter="chat_ratings_total", subgroups=_LANGUAGES,
    subgroup_label="language",
    measures=(Measure("chat_helpful_ratio", "Share of ratings that say the answer helped.", 0.82, -0.95, 0.008,
                      by_subgroup=True),))


def _own(version: str) -> dict[str, str]:
    return {"model_name": "chat-assistant", "deployment": version, "namespace": "assist"}


class _Version:
    """The series of one version, which vLLM does not know: its Deployment's name is put there by relabelling."""

    def __init__(self, version: str, inputs: Inputs) -> None:
        own = {**_own(version), "job": "chat-assistant", "instance": f"{version}:8000"}
        engine = {**own, "engine": "0"}
        http = {**own, "handler": "/v1/chat/completions", "method": "POST"}
        self.http = counter("http_requests_total", "Requests by handler, status and method.", http,
                            [{"status": status} for status in ("2xx", "4xx", "5xx")])
        self.first_token = histogram("vllm:time_to_first_token_seconds", "Time to the first token.", engine,
                                     _FIRST_TOKEN_BOUNDS)
        self.pace = histogram("vllm:inter_token_latency_seconds", "Time between two tokens.", engine, _PACE_BOUNDS)
        self.answer = histogram("vllm:e2e_request_latency_seconds", "Time of the whole answer.", engine, _ANSWER_BOUNDS)
        self.queue = histogram("vllm:request_queue_time_seconds", "Time in the queue.", engine, _QUEUE_BOUNDS)
        self.inputs = InputSeries("chat", engine, inputs, version, violations=False,
                                  value_metric="vllm:request_prompt_tokens")
        self.generated = counter("vllm:generation_tokens_total", "Tokens generated.", engine)
        self.prompted = counter("vllm:prompt_tokens_total", "Tokens of prompts.", engine)
        self.preempted = counter("vllm:num_preemptions_total", "Requests that had to be computed again.", engine)
        self.finished = counter("vllm:request_success_total", "Answers by the reason for their end.", engine,
                                [{"finished_reason": reason} for reason in ("stop", "length", "abort")])
        self.running = gauge("vllm:num_requests_running", "Requests under way.", engine)
        self.waiting = gauge("vllm:num_requests_waiting", "Requests in the queue.", engine)
        self.cache = gauge("vllm:kv_cache_usage_perc", "Share of the KV cache in use, 1 is full.", engine)
        self.length = gauge("chat_answer_tokens_mean", "Mean length of an answer, last 15 minutes.", own)
        self.refused = gauge("chat_refusal_ratio", "Share of answers that refuse, last 15 minutes.", own)


class ChatAssistant(Online):
    """Six conversations a second at noon more than half again; beyond what its GPUs bear, they queue."""

    traits = Traits(per_second=6.0, amplitude=0.5, peak_hour=12.0, per_replica=3.7, median_seconds=0.28,
                    failing=0.0008, rejected=0.004, queue_seconds=25.0)

    def __init__(self, plan: Plan, effects: Effects, seed: int) -> None:
        inputs = Inputs(effects, (_PROMPT,))
        super().__init__(plan, effects, inputs, seed)
        self._rows = {version: _Version(version, inputs) for version in plan.member.versions}
        self.label_job = LabelJob(plan, inputs, _FEEDBACK, seed, _own)
        self.gpu = GpuSeries(plan.member, effects, memory_mib=46_068.0, used_share=0.915)

    def show(self, run: Run, source: Source) -> Sheet:
        rows, times, name = self._rows[run.version], run.window.times, f"chat/{run.version}"
        sheet = Sheet(run.window)
        outcomes = source.split(f"{name}/codes", run.requests, self.outcomes(run))
        answered = outcomes[:, 0]
        sheet.count(rows.http, np.stack([answered, outcomes[:, 1], outcomes[:, 2] + outcomes[:, 3]], axis=1))
        tokens = answered * np.rint(_TOKENS_PER_ANSWER * (1 + self.swing(times, 0.01, run.version)))
        wait = run.wait_seconds
        sheet.observe(rows.first_token, source.split(f"{name}/first", answered, _FIRST_TOKEN.shares(
            rows.first_token.bounds, run.slowdown + wait / 0.28)))
        pace = np.maximum(run.slowdown ** 0.5, 0.05)
        sheet.observe(rows.pace, source.split(f"{name}/pace", tokens, _PACE.shares(rows.pace.bounds, pace)))
        sheet.observe(rows.answer, source.split(f"{name}/answer", answered, _ANSWER.shares(
            rows.answer.bounds, pace + wait / 5.2)))
        sheet.observe(rows.queue, source.split(f"{name}/queue", answered, _QUEUE.shares(
            rows.queue.bounds, 1 + wait / 0.05)))
        rows.inputs.show(sheet, run.requests, source)
        self._show_engine(run, rows, sheet, answered, tokens, pace, source)
        sheet.level(rows.length, _TOKENS_PER_ANSWER * (1 + self.swing(times, 0.02, run.version)))
        wrong = self.inputs.wrong(times - 450.0, run.version)
        sheet.level(rows.refused, np.clip(0.031 + 0.25 * wrong, 0, 1) * (1 + self.swing(times, 0.04, run.version)))
        return sheet

    def _show_engine(self, run: Run, rows: _Version, sheet: Sheet, answered: Floats, tokens: Floats, pace: Floats,
                     source: Source) -> None:
        rate = run.requests / run.window.step
        busy = np.clip(run.use, 0, 1.2)
        running = np.minimum(np.rint(rate * 5.6 * pace), 64 * run.replicas)
        sheet.level(rows.running, running)
        sheet.level(rows.waiting, np.floor(rate * run.wait_seconds + np.maximum(busy - 0.75, 0) * 20))
        sheet.level(rows.cache, np.clip(0.62 * busy + 0.4 * np.maximum(busy - 0.9, 0) * 3, 0.02, 1.0))
        sheet.count(rows.generated, tokens)
        sheet.count(rows.prompted, run.requests * 640.0)
        sheet.count(rows.preempted, source.events(f"chat/{run.version}/preempted", rate * run.window.step * (
            0.0003 + 0.2 * np.maximum(busy - 0.95, 0))))
        sheet.count(rows.finished, source.split(f"chat/{run.version}/finished", answered,
                                                np.array([0.965, 0.035, 0.0])))
