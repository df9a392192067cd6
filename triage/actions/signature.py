"""Whether a version takes the inputs that are sent today, by the manifests that were registered with the versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from triage import strict_yaml
from triage.actions.plan import shown_version
from triage.errors import InvalidDocument
from triage.facts.outcome import Failure
from triage.facts.versions import DocumentKind
from triage.notebook.manifest import InputField, Manifest
from triage.signals.spellings import registered_as
from triage.sources.registry.face import Registry

_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Signature:
    """The comparison."""

    fits: bool | None
    """None when one of the two is not known."""
    sentence: str
    described: str = ""
    """The version that the notebook registered with it describes; "" when none was read."""


def compare(goal: Sequence[InputField], present: Sequence[InputField], version: str) -> Signature:
    """Whether requests of the ``present`` schema are valid for ``goal``, the inputs of ``version``.

    They are not when a field that it requires is not sent, or is of another type, or when a category that is sent is
    not among those it knows. A range that is narrower shows in its schema checks and does not break it.
    """
    if not goal or not present:
        return Signature(None, f"whether {shown_version(version)} takes today's inputs is not known: no manifest "
                               "names its inputs" if not goal else "the manifest names no inputs to compare")
    sent = {field.name: field for field in present}
    breaks = []
    for field in goal:
        there = sent.get(field.name)
        if there is None:
            if field.required:
                breaks.append(f"{field.name} is not sent any more")
        elif there.type != field.type:
            breaks.append(f"{field.name} was {field.type} and is {there.type}")
        elif field.categories is not None and (new := set(there.categories or ()) - set(field.categories)):
            breaks.append(f"{field.name} has values that it does not know: {', '.join(sorted(new)[:_MOST_NAMED])}")
    if breaks:
        more = len(breaks) - _MOST_NAMED
        told = "; ".join(breaks[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
        return Signature(False, f"does not take today's inputs: {told}")
    return Signature(True, f"takes today's {len(present)} inputs")


async def registered_signature(registry: Registry | None, manifest: Manifest, version: str) -> Signature:
    """The same from the manifest that the registry holds of ``version``, as rollouts and series spell it."""
    promised = manifest.spec.registry
    if registry is None or promised is None:
        return Signature(None, "there is no registry to ask for its inputs")
    found = (await registry.models([promised.name])).get(promised.name)
    if found is None or isinstance(found, Failure):
        why = found.sentence() if isinstance(found, Failure) else "it does not answer"
        return Signature(None, f"its inputs are not known: registry: {why}")
    registered = found.version(registered_as(version, found) or version)
    if registered is None:
        return Signature(None, f"its inputs are not known: the registry has no version {version}")
    document = await registry.document(promised.name, registered, DocumentKind.MANIFEST)
    if document is None or isinstance(document, Failure):
        why = document.sentence() if isinstance(document, Failure) else "no manifest was registered with it"
        return Signature(None, f"its inputs are not known: {why}")
    try:
        text = document.content.decode("utf-8-sig")
        theirs = strict_yaml.validate(strict_yaml.parse(text, document.where), Manifest)
    except (InvalidDocument, UnicodeDecodeError):
        return Signature(None, "its inputs are not known: the manifest registered with it cannot be used")
    return replace(compare(theirs.spec.inputs, manifest.spec.inputs, version), described=theirs.metadata.version)
