"""Which registered version a version label of the metrics stands for: registries and servers spell them differently."""

from __future__ import annotations

import re
from collections.abc import Iterable

from triage.facts.versions import RegisteredModel

SERVES_AS_TAG = "triage.serves_as"
"""Tag of a version with the label under which it serves, where no rule can know."""
_REVISION = re.compile(r"(?:[-_.][a-z]+)*[-_.](?:r|v|rev|version)?0*(?P<number>\d+)")


def registered_as(label: str, model: RegisteredModel) -> str | None:
    """The registered version behind ``label``; None when there is none.

    In this order: the version that says so itself (:data:`SERVES_AS_TAG`), the same spelling, the same but for a ``v``
    before a number, and the number at the end of a revision that begins with the model's name
    (``chat-assistant-r31`` and ``review-sentiment-predictor-00004`` are 31 and 4). Digests and the random ends of pods
    are never taken for numbers.
    """
    told = next((v.version for v in model.versions if v.tags.get(SERVES_AS_TAG) == label), None)
    if told is not None:
        return told
    return spelt(label, model.name, (v.version for v in model.versions))


def spelt(label: str, model: str, versions: Iterable[str]) -> str | None:
    """The one of ``versions`` that ``label`` spells; None when there is none."""
    known = tuple(versions)
    if label in known:
        return label
    bare = {_bare(version): version for version in reversed(known)}
    if _bare(label) in bare:
        return bare[_bare(label)]
    if label.startswith(model):
        revision = _REVISION.fullmatch(label[len(model):])
        if revision is not None:
            return bare.get(revision["number"])
    return None


def _bare(version: str) -> str:
    return version[1:] if re.match(r"[vV]\d", version) else version
