"""A small runbook with every kind of step, and what stands around it."""

from __future__ import annotations

from pathlib import Path

from triage.notebook.load import Notebook, load_notebook
from triage.runbook.document import parse_runbook
from triage.runbook.steps import Runbook

FRONT = """---
id: slow
title: It is slow
owner: team
reviewed: 2026-11-01
alerts: [Slow]
est_minutes: 20
---
"""
STEPS = """
# It is slow

## Meaning

It is **slow**, see [the page](https://wiki.example/slow).

## Impact

People wait.

## Diagnosis

### Is it the canary only?

Stable is well then.

```triage
id: stable-well
kind: assert
signal: slo/latency
version: stable
expect: ">= 99"
on_fail: upstream
```

### Is the queue short?

```triage
id: queue
kind: assert
expr: sum(queue)
expect: "<= 20"
unit: requests
```

### How much is asked?

```triage
id: traffic
kind: query
expr: sum by (pod) (rate(requests_total[5m]))
unit: requests/s
```

- Has a feature moved?

  Look at the amounts.

  ```triage
  id: moved
  kind: cell
  cell: compare-feature
  params: {FEATURE: amount}
  ```

### What now?

```triage
id: decide
kind: branch
choices:
  - {when: moved failed, goto: freeze}
  - {when: queue failed, goto: capacity}
```

## Mitigation

### Freeze the canary

```triage
id: freeze
kind: action
action: pause
budget: 5m
```

### Roll back

```triage
id: roll-back
kind: action
action: rollback
to: "7"
when: moved failed and queue passed
```

### Capacity

```triage
id: capacity
kind: approve
role: on-call
```

### Upstream

```triage
id: upstream
kind: ask
question: Is the feature store down?
choices: ["yes", "no"]
```

## Verify

### Give it time

```triage
id: settle
kind: wait
for: 10m
```

### Fast again

```triage
id: fast
kind: assert
signal: slo/latency
expect: pass
for: 10m
```

## Escalate

### Tell them

```triage
id: tell
kind: message
to: "#payments"
text: "{model} is {verdict}: {reason} ({stable}, {canary}, {time})"
```

### Sleep

```triage
id: sleep
kind: note
when: upstream answered no
```
"""
TEXT = FRONT + STEPS
ALL_IDS = ("stable-well", "queue", "traffic", "moved", "decide", "freeze", "roll-back", "capacity", "upstream",
           "settle", "fast", "tell", "sleep")


def runbook(text: str = TEXT) -> Runbook:
    return parse_runbook(text, "runbook.md")


def only(*blocks: str) -> str:
    """A runbook of these blocks, each with a heading."""
    body = "".join(f"\n### Step {n}\n\n```triage\n{block}\n```\n" for n, block in enumerate(blocks, 1))
    return f"{FRONT}\n## Diagnosis\n{body}"


MANIFEST = """\
apiVersion: triage/v1alpha1
kind: ModelNotebook
metadata: {name: fraud-scorer, version: "8", owners: [{name: team, role: on-call}]}
spec:
  metrics: {selector: {model: fraud-scorer}}
  slos:
    - {name: latency, sli: {histogram: request_duration_seconds, threshold: 500ms}, objective: 99}
  alerts: {page: [Slow]}
  rollback: {last_known_good: "7"}
"""


def notebook(folder: Path, runbook_text: str | None = TEXT, manifest: str = MANIFEST) -> Notebook:
    """A notebook in ``folder``, with a runbook unless it is None."""
    folder.mkdir(parents=True, exist_ok=True)
    if runbook_text is not None:
        (folder / "runbook.md").write_text(runbook_text, encoding="utf-8")
        manifest += "  runbook: runbook.md\n"
    (folder / "manifest.yaml").write_text(manifest, encoding="utf-8")
    return load_notebook(folder)
