"""chat-assistant as in the example notebook: vLLM's metric names, a change of version six days ago, a GPU beside it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tests.real.fraud import trailing_ratio
from tests.real.truth import (
    DAY,
    FOREVER,
    LONG_AGO,
    MINUTE,
    RECENTLY,
    Array,
    Flow,
    Line,
    Target,
    Wave,
    counted,
    counter,
    gauge,
    histogram,
    lognormal,
)

PER_SECOND = 6.0
ERROR_RATIO = 0.0008
TOKENS_PER_ANSWER = 180.0
CHANGED = -6 * DAY
OLD, NEW = "chat-assistant-r30", "chat-assistant-r31"

_DAILY = Wave(0.5, DAY, 2.0)
_WAVES = (_DAILY, Wave(0.1, 23 * MINUTE), Wave(0.05, 4 * MINUTE, 1.0))
_ALL = Flow(((LONG_AGO, PER_SECOND),), _WAVES)
_BAD = Flow(((LONG_AGO, PER_SECOND * ERROR_RATIO),), (_DAILY, Wave(0.4, 41 * MINUTE)))
# Buckets as vLLM sets them (vllm/v1/metrics/loggers.py).
FIRST_TOKEN = lognormal((0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0), 0.28, 0.6)
TOKEN_PACE = lognormal((0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5), 0.028, 0.45)
ANSWER = lognormal((0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0), 5.2, 0.62)
QUEUE = lognormal((0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0), 0.05, 0.9)
_PROMPT = ((100, 200, 500, 1000, 2000, 5000, 10000), (1210, 2140, 8020, 4880, 2510, 1130, 98, 12))
_HTTP = {"handler": "/v1/chat/completions", "method": "POST"}


def _lines(version: str, begin: float, end: float) -> list[Line]:
    own = {"model_name": "chat-assistant", "deployment": version, "namespace": "assist"}
    engine = {**own, "engine": "0"}
    # Counters of a new pod start at zero.
    start = max(begin, LONG_AGO)
    every, bad = (Flow(((start, flow.pieces[0][1]),), flow.waves) for flow in (_ALL, _BAD))
    tokens = every.scaled(TOKENS_PER_ANSWER)
    recently = max(begin, RECENTLY)

    def load(at: Array) -> Array:
        return 1.0 + 0.5 * np.sin(2 * math.pi / DAY * at + 2.0) + 0.1 * np.sin(2 * math.pi / (23 * MINUTE) * at)

    def running(at: Array) -> Array:
        return np.floor(32 * load(at))

    def waiting(at: Array) -> Array:
        return np.floor(np.maximum(load(at) * 6 - 7, 0.0))

    lines = [
        # The API server's own counters know no model: the label comes from the scrape target, by relabelling.
        counter("http_requests_total", {**own, **_HTTP, "status": "2xx"}, every.scaled(1 - ERROR_RATIO - 0.004)),
        counter("http_requests_total", {**own, **_HTTP, "status": "4xx"}, every.scaled(0.004)),
        counter("http_requests_total", {**own, **_HTTP, "status": "5xx"}, bad),
        counter("vllm:generation_tokens_total", engine, tokens),
        counter("vllm:prompt_tokens_total", engine, every.scaled(640.0)),
        counter("vllm:num_preemptions_total", engine, every.scaled(0.0003)),
        counter("vllm:request_success_total", {**engine, "finished_reason": "stop"}, every.scaled(0.96)),
        counter("vllm:request_success_total", {**engine, "finished_reason": "length"}, every.scaled(0.035)),
        counter("vllm:request_success_total", {**engine, "finished_reason": "abort"}, every.scaled(0.0)),
        gauge("vllm:num_requests_running", engine, running),
        gauge("vllm:num_requests_waiting", engine, waiting),
        gauge("vllm:kv_cache_usage_perc", engine, lambda at: 0.42 * load(at)),
        counter("chat_ratings_total", own, every.scaled(1 / 8)),
        gauge("chat_answer_tokens_mean", own, TOKENS_PER_ANSWER),
        gauge("chat_refusal_ratio", own, 0.031),
        *(gauge("chat_helpful_ratio", {**own, "language": language}, value)
          for language, value in (("en", 0.84), ("de", 0.82), ("fr", 0.81), ("pl", 0.79))),
    ]
    lines += histogram("vllm:time_to_first_token_seconds", engine, [(every, FIRST_TOKEN)])
    lines += histogram("vllm:inter_token_latency_seconds", engine, [(tokens, TOKEN_PACE)])
    lines += histogram("vllm:e2e_request_latency_seconds", engine, [(every, ANSWER)])
    lines += histogram("vllm:request_queue_time_seconds", engine, [(every, QUEUE)], begin=recently)
    lines += histogram("vllm:request_prompt_tokens", engine, [(every, counted(*_PROMPT))], begin=recently)
    return [replace(line, begin=max(begin, line.begin), end=end) for line in lines]


def _gpu() -> list[Line]:
    labels = {"gpu": "0", "UUID": "GPU-6d7a", "modelName": "NVIDIA L40S", "pod": f"{NEW}-7c9d8b", "namespace": "assist"}

    def used(at: Array) -> Array:
        swings: Array = 14 * np.sin(2 * math.pi / DAY * at + 2.0) + 3 * np.sin(2 * math.pi / (9 * MINUTE) * at)
        return 78 + swings

    return [gauge("DCGM_FI_DEV_GPU_UTIL", labels, used), gauge("DCGM_FI_DEV_FB_FREE", labels, 3890.0),
            gauge("DCGM_FI_DEV_FB_USED", labels, 42_178.0), gauge("DCGM_FI_DEV_XID_ERRORS", labels, 0.0)]


def recorded() -> list[Line]:
    """What Pyrra's rules have recorded in the last two days; ``burnrate`` is its word for the error ratio."""
    labels = {"model_name": "chat-assistant", "slo": "success"}
    return [Line(f"http_requests:burnrate{name}", labels, trailing_ratio([_BAD], [_ALL], window), "", begin=RECENTLY)
            for name, window in (("1d", DAY), ("4d", 4 * DAY))]


def targets() -> tuple[Target, ...]:
    """vLLM and the exporter of its GPU, as things to scrape."""
    lines = [*_lines(OLD, -FOREVER, CHANGED), *_lines(NEW, CHANGED, FOREVER)]
    return (Target("chat-assistant", tuple(lines)), Target("dcgm", tuple(_gpu())))
