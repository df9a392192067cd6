"""``Registry``: what every registry answers, and which one a context has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from triage.clock import Clock
from triage.facts.outcome import Failure, FailureKind
from triage.facts.versions import Document, DocumentKind, RegisteredModel, RegisteredVersion, TrainingRun
from triage.text import clean

if TYPE_CHECKING:
    from triage.config import Active

NAME = "registry"
MAX_DOCUMENT_BYTES = 1_000_000
"""As much as is read of any YAML."""


class Registry(Protocol):
    """A registry that is read. It raises nothing: trouble is a :class:`Failure`, for one model or for all."""

    @property
    def name(self) -> str:
        """``registry``, as the header and JSON name the source."""
        ...

    @property
    def where(self) -> str:
        """Its URL or folder, cleaned, without credentials."""
        ...

    @property
    def requests_sent(self) -> int:
        """Every HTTP request that left, or every time the folder was read."""
        ...

    def next_try_in(self) -> float | None:
        """Seconds until it is asked again after it failed as a whole; None while nothing is held back."""
        ...

    def retry_now(self) -> None:
        """Ask it at once, also while it is held back."""
        ...

    async def models(self, names: Sequence[str]) -> Mapping[str, RegisteredModel | Failure]:
        """The models of these names with all versions; ``NOT_FOUND`` for one that the registry does not have."""
        ...

    async def document(self, model: str, version: RegisteredVersion,
                       kind: DocumentKind) -> Document | Failure | None:
        """A document of one version; None when the version has none. Asked again only when it may have changed."""
        ...

    async def run(self, version: RegisteredVersion) -> TrainingRun | Failure | None:
        """The training run of a version; None when none is named, or the registry keeps no runs."""
        ...

    async def aclose(self) -> None:
        """Close what is open."""
        ...


def open_registry(active: Active, clock: Clock) -> Registry | None:
    """The registry of the context; None when it has none.

    Raises :class:`~triage.config.ConfigError` when a secret or a certificate cannot be had.
    """
    from triage.config_sources import FolderRegistry
    configured = active.context.registry
    if configured is None:
        return None
    if isinstance(configured, FolderRegistry):
        from triage.sources.registry.folder import FolderClient
        return FolderClient(active.beside_config(configured.path), configured.ref, clock)
    from triage.sources.registry.mlflow import MlflowClient
    return MlflowClient(configured.endpoint(), clock)


def no_such_model(name: str, hint: str) -> Failure:
    """For a model that the registry does not have."""
    return Failure(FailureKind.NOT_FOUND, f"the registry has no model {clean(name, limit=200)}", hint)
