"""What a feature is compared with, and where that comes from: the manifest, or the version in the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from triage.facts.outcome import Failure

if TYPE_CHECKING:
    from triage.notebook.quality import DriftFeature, Reference
    from triage.notebook.references import References


@dataclass(frozen=True, slots=True)
class Registered:
    """The references of one registered version."""

    version: str
    """As the registry spells it."""
    references: References | None
    """None: it keeps none."""


def reference_of(feature: DriftFeature, registered: Registered | Failure | None, *,
                 is_prediction: bool) -> tuple[Reference | None, str]:
    """What a feature is compared with, and where that comes from, in words; None: why there is nothing, in words.

    ``registered`` is what the registry said; None: it has not answered.
    """
    here = feature.reference
    if here is None or not here.registered:
        return here, _written(here) if here is not None else ""
    why = "the registry has given none yet"
    if isinstance(registered, Failure):
        why = f"the registered one cannot be read: {registered.sentence()}"
    elif registered is not None:
        kept = registered.references
        found = None if kept is None else kept.prediction if is_prediction else kept.features.get(feature.name)
        if found is not None and (found.edges if feature.histogram is not None else found.categories):
            return found, f"version {registered.version} in the registry{_taken(found)}"
        why = f"version {registered.version} in the registry keeps none of it"
    if here.edges or here.categories:
        return here, f"{_written(here)}; {why}"
    return None, why


def _written(reference: Reference) -> str:
    return f"the manifest{_taken(reference)}"


def _taken(reference: Reference) -> str:
    parts = [part for part in (f"from {reference.data}" if reference.data else "",
                               f"taken {reference.at}" if reference.at else "") if part]
    return f", {', '.join(parts)}" if parts else ""
