"""Who had which share of a model's traffic before the opening: what the scenario says, as a function of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from triage.lab.world.fleet import FLEET, Member
from triage.lab.world.grid import Floats
from triage.lab.world.scenario import Release


@dataclass(frozen=True, slots=True)
class Traffic:
    """Who answers a model's requests at each time; versions in the order of the member."""

    shares: Floats
    """(V, T). They sum to 1, except that a shadow's share comes on top: it gets a copy."""
    replicas: Floats
    """Pods that are ready, (V, T)."""

    def lasting(self, times: int) -> Traffic:
        """The traffic of one time for ``times`` of them."""
        return self if times == 1 else Traffic(np.repeat(self.shares, times, axis=1),
                                               np.repeat(self.replicas, times, axis=1))


@dataclass(frozen=True, slots=True)
class Plan:
    """Shares of one model's versions until the opening."""

    member: Member
    release: Release
    opening: float
    zone: float = 0.0
    """Seconds by which the fleet's time of day is ahead of UTC."""

    @classmethod
    def of(cls, release: Release, opening: float, zone: float = 0.0) -> Plan:
        return cls(FLEET[release.model], release, opening, zone)

    @property
    def before(self) -> str | None:
        """The version that was stable before the stable one; None when that is the oldest."""
        versions = self.member.versions
        index = versions.index(self.release.stable)
        return versions[index - 1] if index else None

    def traffic(self, times: Floats) -> Traffic:
        """Shares and replicas at these times."""
        shares = self.shares(times)
        wanted = np.ceil(shares * self.member.replicas)
        stable = self.member.versions.index(self.release.stable)
        # The version to go back to is kept at full strength while another one is tried.
        wanted[stable] = np.where(shares[stable] > 0, self.member.replicas, 0)
        return Traffic(shares, wanted)

    def shares(self, times: Floats) -> Floats:
        """Share of the traffic of each version, (V, T), in the order of the member's versions.

        They sum to 1, except that a shadow's share comes on top: it gets a copy.
        """
        versions = self.member.versions
        shares = np.zeros((len(versions), len(times)))
        ages = self.opening - times
        release = self.release
        canary = np.zeros(len(times))
        for step in release.steps:
            canary = np.where(ages <= step.since, step.weight / 100, canary)
        stable = versions.index(release.stable)
        main = np.ones(len(times)) if release.arm == "shadow" else 1 - canary
        if self.before is None:
            shares[stable] = main
        else:
            new = ages <= release.stable_since
            shares[stable] = main * new
            shares[versions.index(self.before)] = main * (1 - new)
        if release.canary is not None:
            shares[versions.index(release.canary)] += canary
        return shares
