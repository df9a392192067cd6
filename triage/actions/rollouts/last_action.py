"""The mark that a change leaves on the object itself, for whoever looks at it with other tools: what was done last with
triage, and who asked for it.

It is part of the patch that makes the change, so that it costs no request and says nothing that did not happen. A patch
of the status takes no metadata: what only changes that stands in the journal alone. When it was done, ``managedFields``
says.
"""

from __future__ import annotations

import json
from dataclasses import replace

from triage.actions.plan import Request
from triage.actions.rollouts.conditions import put, written
from triage.sources.kubernetes import Json
from triage.sources.rollouts.objects import inner
from triage.text import clean

LAST_ACTION = "triage.dev/last-action"
_LONGEST = 300


def marked(request: Request, item: Json, what: str) -> Request:
    """``request`` with the mark ``what`` (``rollback fraud-scorer to v7 by ana: v8 is slow``) for the object ``item``
    that it patches; as it is where it patches the status, or the object has no annotations yet, which every object
    that its controller has seen has: to begin with the first could take away what somebody else adds meanwhile."""
    if request.path.partition("?")[0].endswith("/status") or not inner(item, "metadata", "annotations"):
        return request
    mark = put(f"/metadata/annotations/{LAST_ACTION.replace('/', '~1')}", clean(what, limit=_LONGEST))
    return replace(request, body=written([*json.loads(request.body), mark]))
