"""How a manifest names its pods' series, its queue and its batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from triage import strict_yaml
from triage.errors import InvalidDocument
from triage.notebook.manifest import Manifest
from triage.notebook.presets import preset, preset_names
from triage.notebook.resolve import batch_sizes, queue_times

HEAD = """\
apiVersion: triage/v1alpha1
kind: ModelNotebook
metadata: {name: m, version: "8", owners: [{name: team, role: on-call}]}
spec:
"""


def manifest(resources: str = "{}", metrics: str = "{selector: {model: m}}") -> Manifest:
    text = (f"{HEAD}  metrics: {metrics}\n  resources: {resources}\n"
            "  slos: [{name: success, sli: {good: a_total, total: b_total}}]\n")
    return strict_yaml.validate(strict_yaml.parse(text, "manifest.yaml"), Manifest)


@pytest.mark.parametrize(("resources", "message"), [
    ("{batch_size: {items: a_total}}", "needs items and batches, or a gauge"),
    ("{batch_size: {items: a_total, batches: b_total, gauge: c}}", "needs items and batches, or a gauge"),
    ("{batch_size: {}}", "needs items and batches, or a gauge"),
    ("{queue_time: {gauge: waiting}}", "is no time in the queue"),
    ('{pod_names: "scorer-("}', "is not a regular expression"),
    ("{series: {cpu: a_total}}", "series"),
    ('{series: {cpu_seconds: "rate(a[5m])"}}', "is not a vector selector")])
def test_what_cannot_be_meant_is_refused(resources: str, message: str) -> None:
    with pytest.raises(InvalidDocument) as refused:
        manifest(resources)
    assert message in str(refused.value)


def test_the_manifests_own_queue_and_batches_come_before_those_of_the_preset() -> None:
    triton = "{preset: triton, selector: {job: m}}"
    [wait] = queue_times(manifest(metrics=triton))
    assert wait.labels == {"job": "m", "model": "m"}
    [(size, labels)] = batch_sizes(manifest(metrics=triton))
    assert (size.items, labels) == ("nv_inference_count", {"job": "m", "model": "m"})
    own = manifest("{queue_time: {histogram: wait_seconds}, batch_size: {gauge: batch_items}}", triton)
    [wait] = queue_times(own)
    assert wait.sli.model_dump()["histogram"] == "wait_seconds"
    [(size, labels)] = batch_sizes(own)
    assert (size.gauge, labels) == ("batch_items", {"job": "m"})


def test_an_objective_and_its_preset_do_not_name_the_same_queue_twice() -> None:
    text = (f"{HEAD}  metrics: {{preset: triton, selector: {{job: m}}}}\n"
            "  slos: [{name: queue, sli: {preset: average_queue_time, threshold: 100ms}, objective: 99}]\n")
    assert len(queue_times(strict_yaml.validate(strict_yaml.parse(text, "manifest.yaml"), Manifest))) == 1


def test_without_either_there_is_none() -> None:
    assert (queue_times(manifest()), batch_sizes(manifest())) == ((), ())


def test_the_presets_that_know_the_size_of_batches_name_it() -> None:
    known: Mapping[str, Any] = {name: preset(name).batch_size for name in preset_names()}
    assert {name for name, sizes in known.items() if sizes} == {"tgi", "triton", "triton-trtllm"}
