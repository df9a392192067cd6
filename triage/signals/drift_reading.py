"""``DriftReading``: what was scored when drift was last answered, where it moved, and how old that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from triage.signals.drift_verdicts import JUDGED, SEVERITY, DriftVerdict

if TYPE_CHECKING:
    # Only for types: the first frame does not wait for the arithmetic.
    from triage.facts.outcome import Failure
    from triage.signals.drift_model import DriftState, FeatureDrift
    from triage.signals.model import Versions, VersionState

ON_TRIAL = ("canary", "experiment", "shadow")
_MOVED = frozenset({DriftVerdict.DRIFT, DriftVerdict.WATCH})


@dataclass(frozen=True, slots=True)
class DriftReading:
    """What is known of drift; that something is asked again does not undo what was answered before."""

    state: DriftState | None
    """All versions together; None until a first answer has come."""
    by_version: tuple[tuple[str, DriftState], ...]
    """Each version by itself, most events first, with the features whose series say which; () where there is only one,
    or no series says which."""
    answered_at: float | None
    """Unix seconds at which the server evaluated it; None without an answer."""
    stale_after: float
    """Seconds after ``answered_at`` from which it no longer describes the present."""
    failure: Failure | None = None
    """Why the last question was not answered; None when it was."""
    warnings: tuple[str, ...] = ()
    """What the server said about an answer that is partial."""
    named: tuple[str, ...] = ()
    """The versions that series speak of, also where there is only one, or more than are scored by themselves."""
    absent: DriftState | None = None
    """How a version stands that no series speaks of; None where none says which version it is about."""

    def is_stale(self, now: float) -> bool:
        """Whether it is too old at ``now`` to speak of the present."""
        return self.answered_at is not None and now - self.answered_at > self.stale_after

    def of_version(self, version: str) -> DriftState | None:
        """What was scored for one version; None when it was not scored by itself."""
        if self.named == (version,):
            return self.state
        return next((state for name, state in self.by_version if name == version), None)


@dataclass(frozen=True, slots=True)
class ArmDrift:
    """One feature in one arm of a trial."""

    arm: str
    version: str
    feature: FeatureDrift


@dataclass(frozen=True, slots=True)
class Moved:
    """One feature, all versions together, and by arm while a version is on trial."""

    feature: FeatureDrift
    arms: tuple[ArmDrift, ...]
    """Stable first; () without a trial, or where a version was not scored by itself."""

    @property
    def apart(self) -> ArmDrift | None:
        """The arm that stands worse than all versions together, or is less known; None where none does: what is wrong
        with a tenth of the traffic hides in the rest."""
        worst = min(self.arms, key=lambda arm: SEVERITY[arm.feature.verdict], default=None)
        return worst if worst is not None and SEVERITY[worst.feature.verdict] < SEVERITY[self.feature.verdict] else None

    @property
    def worst(self) -> FeatureDrift:
        """All versions together, or the arm that stands worse by itself."""
        apart = self.apart
        return self.feature if apart is None else apart.feature

    @property
    def verdict(self) -> DriftVerdict:
        return self.worst.verdict

    @property
    def both(self) -> bool:
        """Whether it moved in both arms."""
        return len(self.arms) > 1 and all(arm.feature.verdict in _MOVED for arm in self.arms)

    @property
    def where(self) -> str:
        """In which arms it moved, or which cannot be told, in words; "" without a trial, or when it did not move."""
        if len(self.arms) < 2:
            return ""
        if not any(arm.feature.verdict in _MOVED for arm in self.arms):
            dark = [arm for arm in self.arms if arm.feature.verdict not in JUDGED] if self.apart is not None else []
            said = [f"{arm.arm} {arm.version} cannot be told: {arm.feature.verdict}" for arm in dark]
            return "; ".join([*said, f"all together {self.feature.verdict}"] if said else [])
        if self.both:
            return f"on {' and '.join(arm.version for arm in self.arms)} alike: rolling back would not help"
        mine = next(arm for arm in self.arms if arm.feature.verdict in _MOVED)
        other = next(arm for arm in self.arms if arm is not mine)
        if other.feature.verdict is DriftVerdict.OK:
            return f"only on {mine.arm} {mine.version}, not on {other.version}"
        return f"on {mine.arm} {mine.version}; {other.version} cannot be told: {other.feature.verdict}"


def moved(reading: DriftReading, versions: Versions) -> tuple[Moved, ...]:
    """Every watched feature, worst first: among equals the prediction, then by consequence."""
    return tuple(sorted(_by_arm(reading, versions), key=lambda m: SEVERITY[m.verdict]))


def verdicts(reading: DriftReading, versions: Versions) -> list[DriftVerdict]:
    """How each of :func:`moved` stands, in no order."""
    if reading.state is not None and not _arms(reading, versions):
        return [feature.verdict for feature in reading.state.features]
    return [m.verdict for m in _by_arm(reading, versions)]


def drifting(reading: DriftReading, versions: Versions) -> tuple[Moved, ...]:
    """The features that drift, all together or in an arm."""
    if DriftVerdict.DRIFT not in verdicts(reading, versions):
        return ()
    return tuple([m for m in _by_arm(reading, versions) if m.verdict is DriftVerdict.DRIFT])


def _by_arm(reading: DriftReading, versions: Versions) -> list[Moved]:
    """Every watched feature, in the order in which they were scored."""
    if reading.state is None:
        return []
    arms = [(v, {(f.feature, f.is_prediction): f for f in state.features}) for v, state in _arms(reading, versions)]
    found = []
    for feature in reading.state.features:
        key = feature.feature, feature.is_prediction
        # Of what does not say which version it is about there are no arms.
        own = tuple(ArmDrift(v.arm, v.version, by_key[key]) for v, by_key in arms if key in by_key)
        found.append(Moved(feature, own if len(own) == len(arms) else ()))
    return found


def _arms(reading: DriftReading, versions: Versions) -> tuple[tuple[VersionState, DriftState], ...]:
    """Stable and the version on trial, when both were scored by themselves, or one was and nothing tells of the other
    although it serves."""
    if len(versions.items) < 2:
        return ()
    stable = versions.arm("stable")
    trial = next((v for v in versions.items if v.arm in ON_TRIAL), None)
    if stable is None or trial is None:
        return ()
    pair = (stable, trial)
    known = any(v.version in reading.named for v in pair)
    scored = [(v, reading.absent if known and v.version not in reading.named and v.share.value
               else reading.of_version(v.version)) for v in pair]
    return tuple((v, state) for v, state in scored if state is not None) if all(s for _, s in scored) else ()
