"""What serves, by the requests that are counted: how systems that only ask for a version see that it is taken up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from triage.actions.plan import shown_version
from triage.actions.system import Progress, Sighting
from triage.facts.outcome import SourceState
from triage.live.snapshot import Snapshot
from triage.signals.reading import READABLE
from triage.signals.spellings import spelt

COUNTED_SECONDS = 300.0
"""Shares are of the requests of so long: until then the old version still has some."""
_ALL_BUT = 0.01


@dataclass(frozen=True, slots=True)
class Served:
    """Shares of the model's requests (0 to 1) by version, as the metrics spell it; empty when nothing is known."""

    shares: Mapping[str, float]

    def share(self, version: str, model: str) -> float | None:
        """Of one version; 0 when only others serve, None when nothing is known."""
        if not self.shares:
            return None
        of = {label: share for label, share in self.shares.items()
              if version == label or spelt(label, model, (version,)) is not None}
        return sum(of.values())


NOTHING_SERVES = Served({})
"""Nothing is known of what serves."""


def served(snapshot: Snapshot | None, model: str) -> Served:
    """What the newest snapshot says; nothing while Prometheus is silent."""
    found = None if snapshot is None else snapshot.model(model)
    if snapshot is None or found is None or any(
            each.name == "prometheus" and each.state is SourceState.DOWN for each in snapshot.sources):
        return NOTHING_SERVES
    return Served({each.version: each.share.value for each in found.versions.items
                   if each.share.quality in READABLE and each.share.value is not None})


def taken_up(before: str, after: str, model: str, now: Served, asked: str) -> Sighting:
    """Whether ``after`` serves where ``before`` did; ``asked`` says what was changed for that, as a sentence."""
    new, old = now.share(after, model), now.share(before, model) or 0.0
    if new is None:
        return Sighting(Progress.CANNOT_TELL, f"{asked}; which version serves cannot be seen")
    if new > 0 and old < _ALL_BUT:
        return Sighting(Progress.REACHED, f"{asked}, and {shown_version(after)} serves {new:.0%} of the requests")
    return Sighting(Progress.UNDER_WAY, f"{asked}; {shown_version(before)} still serves {old:.0%} of the requests, "
                                        f"{shown_version(after)} {new:.0%}")
