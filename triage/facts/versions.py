"""Models in a registry: their versions, aliases, tags and approvals, as the registry told them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ApprovalStatus(StrEnum):
    """What somebody decided about a version."""

    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    """Approved once, and no more."""
    PENDING = "pending"
    NONE = "none"
    """Nothing is recorded."""
    UNCLEAR = "unclear"
    """A word that stands for none of these: it is no approval."""


_WORDS: Mapping[str, ApprovalStatus] = {
    word: status for status, words in {
        ApprovalStatus.APPROVED: ("approved", "accepted", "passed"),
        ApprovalStatus.REJECTED: ("rejected", "denied", "failed"),
        ApprovalStatus.WITHDRAWN: ("withdrawn", "revoked", "retired", "blocked"),
        ApprovalStatus.PENDING: ("pending", "pendingmanualapproval", "in review", "requested", "submitted"),
    }.items() for word in words}
"""In lower case. There is no standard: MLflow's documentation has approved and pending, SageMaker Approved, Rejected
and PendingManualApproval."""


@dataclass(frozen=True, slots=True)
class Approval:
    """A recorded decision about one version."""

    status: ApprovalStatus
    by: str = ""
    """Who decided; "" when the registry does not say."""
    word: str = ""
    """The status as the registry spells it; "" when there is none."""
    reason: str = ""
    """Why, where a reason is recorded."""


class DocumentKind(StrEnum):
    """A document kept with a version. The value is the name of its tag and of its file."""

    MANIFEST = "manifest"
    """The model notebook's manifest.yaml."""
    REFERENCES = "references"
    """Reference distributions of the features, by name."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document of one version, byte for byte: whoever parses it lets its text in."""

    kind: DocumentKind
    content: bytes = field(repr=False)
    where: str
    """Where it was found, for messages: ``tag triage.manifest``, ``artifact triage/manifest.yaml``."""

    @property
    def sha256(self) -> str:
        """Digest of the bytes, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """One version of a model. All texts are cleaned; times are Unix seconds."""

    version: str
    """As the registry spells it: ``8``, ``v1.2.3``."""
    created_at: float | None
    """None when the registry does not say."""
    status: str = "READY"
    """MLflow's word: ``READY``, ``PENDING_REGISTRATION`` or ``FAILED_REGISTRATION``."""
    stage: str = ""
    """MLflow's deprecated stage, shown only; "" for none."""
    source: str = ""
    """Where its files lie, or the commit that it was made from."""
    run_id: str = ""
    """The training run; "" when none is named."""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    tagged_at: Mapping[str, float] = field(default_factory=dict)
    """When each tag was written, where the registry keeps it: MLflow does not, git does."""
    aliases: tuple[str, ...] = ()
    """In order; they differ by case."""
    updated_at: float | None = None
    """When its entry was changed last: its stage, status or description. Tags and aliases do not count. None when the
    registry does not say."""
    manifest_sha256: str = ""
    """What the registry says the digest of its manifest is, lower case; "" when it does not."""
    documents: Mapping[DocumentKind, Document] = field(default_factory=dict, repr=False)
    """Those that came along with the version; others are asked for."""

    def is_approved(self, status_tag: str) -> bool:
        """Whether :meth:`approval` is ``APPROVED``, for those who ask it of a thousand models at once."""
        return _WORDS.get(self.tags.get(status_tag, "").strip().lower()) is ApprovalStatus.APPROVED

    def approval(self, status_tag: str, by_tag: str) -> Approval:
        """What the tags say of an approval; which tags, the manifest says (``registry.approval_tags``).

        The reason is the tag named after the status, such as ``withdrawn_reason``.
        """
        word = self.tags.get(status_tag, "").strip()
        if not word:
            return Approval(ApprovalStatus.NONE, self.tags.get(by_tag, ""))
        status = _WORDS.get(word.lower(), ApprovalStatus.UNCLEAR)
        return Approval(status, self.tags.get(by_tag, ""), word, self.tags.get(f"{word.lower()}_reason", ""))


@dataclass(frozen=True, slots=True)
class RunInput:
    """A data set that a training run read, as it was logged with the run. All texts are cleaned."""

    name: str
    digest: str
    """Its identity there, at most 36 characters: MLflow's own is 8 hexadecimal digits of a hash over a part of it."""
    where: str = ""
    """Its URI, path or table; "" when the run does not say."""
    context: str = ""
    """What it was read for: ``training``, ``evaluation``; "" when the run does not say."""


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """The run that made a version, as far as it tells what the version was made of."""

    run_id: str
    inputs: tuple[RunInput, ...]


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """One model with all its versions. All texts are cleaned; times are Unix seconds."""

    name: str
    versions: tuple[RegisteredVersion, ...]
    """Newest first."""
    aliases: Mapping[str, str]
    """Versions by alias. A version named here may be unknown: registries in files do not check."""
    read_at: float
    """When it was read, world time."""
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    complete: bool = True
    """False: there are more versions than were read, so that one missing here may exist."""
    as_of: float | None = None
    """When the copy was brought up to date that was read (a clone of a repository was fetched); None for a registry
    that is asked itself, and when it is not known."""
    fetch_failed_at: float | None = None
    """When a fetch of that copy ended without anything, or began and has not ended; None when none did since
    ``as_of``."""

    def version(self, name: str) -> RegisteredVersion | None:
        """The version of that name, as the registry spells it; None when there is none."""
        return next((v for v in self.versions if v.version == name), None)
