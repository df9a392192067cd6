"""``Circumstances``: everything that the guards of one plan look at, gathered before any of them is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from triage.actions.approvals import ApprovalRequest
from triage.actions.freeze import WriteMode
from triage.actions.history import Deed, History
from triage.actions.leading_back import leading_back
from triage.actions.lease import Busy, Free, NoLease
from triage.actions.plan import Action, Plan, Target
from triage.actions.proven import NOT_ASKED, Proven
from triage.actions.signature import Signature
from triage.actions.system import NOBODY, Authority, Granted, Observed, Rehearsal
from triage.config_actions import ActionSettings, Freeze
from triage.facts.outcome import Failure
from triage.facts.rollouts import RolloutFacts
from triage.live.snapshot import Snapshot
from triage.notebook.manifest import Manifest
from triage.signals.model import ModelState
from triage.signals.spellings import spelt

RISKY = frozenset({Action.PROMOTE, Action.PROMOTE_FULL, Action.RESUME, Action.RETRY})
"""More traffic for what is on trial."""
_STOPS = frozenset({Action.PAUSE, Action.ABORT})


@dataclass(frozen=True, slots=True)
class Policy:
    """What the manifest and the configuration ask of actions on one model."""

    approvals: int = 1
    """Other persons needed to bring more traffic to what is on trial."""
    retrain_approvals: int = 1
    last_known_good: str = ""
    """Version that the manifest names; "" when it names none."""
    proven_seconds: float = 86400.0
    """How long a version must have served to be known as good: the manifest's ``canary.bake``."""
    proven_share: float = 0.5
    """At which share of the traffic, 0 to 1: the last of ``canary.steps``."""
    spent_budget: Literal["block", "acknowledge"] = "block"
    registered: bool = False
    """Whether the manifest names a registry, so that versions have to be approved there."""
    needs_owners: bool = False
    """Whether a second person counts only when the owners of the shared files prove that there were two."""
    cool_down_seconds: float = 600.0
    cool_down_actions: int = 3
    freezes: tuple[Freeze, ...] = ()
    interval_seconds: float = 5.0
    """Between refreshes of the snapshot."""

    def approvals_for(self, action: Action) -> int:
        """Persons needed besides whoever asks."""
        if action is Action.RETRAIN:
            return self.retrain_approvals
        return self.approvals if action in RISKY else 0


def policy_of(manifest: Manifest, settings: ActionSettings, interval_seconds: float) -> Policy:
    """The policy of one model."""
    spec = manifest.spec
    retrain = 0 if spec.retrain is not None and spec.retrain.approval == "none" else 1
    return Policy(
        spec.promote.approvals, retrain, spec.rollback.last_known_good or "", spec.canary.bake,
        spec.canary.steps[-1] / 100 if spec.canary.steps else 0.5, spec.promote.spent_budget,
        spec.registry is not None and spec.registry.kind != "none", settings.two_persons == "os-users",
        settings.cool_down, settings.cool_down_actions,
        (*settings.freezes, *spec.freezes), interval_seconds)


@dataclass(frozen=True, slots=True)
class JournalLook:
    """Whether the journal takes a record now."""

    trouble: str
    """Why not, as a sentence; "" when it does."""
    warning: str = ""
    """What is wrong with it although it takes records; "" when nothing is."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """All of it at one time."""

    plan: Plan
    now: float
    """World time, Unix seconds."""
    policy: Policy
    mode: WriteMode
    target: Target
    """The system's own, to be compared with the plan's."""
    observed: Observed | Failure
    """The target, read just now."""
    granted: Granted
    identity: str | Failure
    """Who we are, as the authority authenticates us."""
    lease: Free | Busy | NoLease
    """Of the target; once it is ours: free, with whoever abandoned it."""
    journal: JournalLook
    history: History
    snapshot: Snapshot | None
    """The newest; None before there is one."""
    signature: Signature
    """Whether the version to go to takes today's inputs."""
    rehearsals: tuple[Rehearsal, ...] = ()
    """What the system said to each request when it was asked to rehearse it, in the plan's order."""
    speed: float = 1.0
    """Seconds of the world in one of the machine's."""
    approval: ApprovalRequest | None = None
    """The request that this plan answers; None when nobody asked another person."""
    authority: Authority = NOBODY
    """Who says who we are."""
    uid: int = 0
    """The user of the machine whose process this is."""
    proven: Proven = NOT_ASKED
    """Which versions have served for long enough; looked back for when a rollback is planned."""

    @property
    def model(self) -> ModelState | None:
        """What is known of the plan's model; None when nothing is."""
        return None if self.snapshot is None else self.snapshot.model(self.plan.target.model)

    @property
    def rollout(self) -> RolloutFacts | None:
        """The rollout, read just now; None when it could not be read, or the system has none."""
        return None if isinstance(self.observed, Failure) else self.observed.rollout

    @property
    def leads_back(self) -> Deed | None:
        """The rollback of the journal that the plan brings on to its goal; None when it does no such thing."""
        return leading_back(self.plan, self.rollout, self.history)

    @property
    def is_safe(self) -> bool:
        """Whether it is the safe direction, which missing evidence never blocks."""
        return self.plan.action.safe or self.leads_back is not None

    @property
    def passes_watcher(self) -> bool:
        """Whether it goes on beside somebody who only watches what came of an action: what stops something, and what
        brings a rollback on, which may wait for just that."""
        return self.plan.action in _STOPS or self.leads_back is not None

    def spelt(self, label: str, known: Sequence[str]) -> str | None:
        """The one of ``known`` that means the version ``label``; None when there is none."""
        return spelt(label, self.plan.target.model, known)
