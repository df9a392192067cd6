"""``registry.yaml``: a registry in one file, for teams without a server. Its form, and what it says as facts. Pure.

::

    apiVersion: triage/v1alpha1
    kind: ModelRegistry
    models:
      fraud-scorer:
        aliases: {champion: "7", challenger: "8"}
        versions:
          - version: "8"
            created: 2026-11-02
            source: s3://models/fraud-scorer/8
            run: 5f3c
            tags: {validation_status: approved, approved_by: model-risk}
            manifest: fraud-scorer/8/manifest.yaml
            manifest_sha256: 3b0c...
            references: fraud-scorer/8/references.yaml

Whoever registers a version adds it here and commits it; a review of that commit is the approval's evidence. Paths are
relative to the file and stay below its folder.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from triage import strict_yaml
from triage.errors import InvalidDocument
from triage.facts.outcome import Failure, FailureKind
from triage.facts.versions import DocumentKind, RegisteredModel, RegisteredVersion
from triage.notebook.names import Date, Sha256, refuse_twice
from triage.notebook.slis import Strict
from triage.text import clean

INDEX = "registry.yaml"


def _inner_path(text: str) -> str:
    parts = text.split("/")
    if not text or text.startswith("/") or "\\" in text or any(part in ("", ".", "..", ".git") for part in parts):
        raise ValueError(f'is no path below the folder: "{clean(text, limit=200)}"\nsuch as fraud-scorer/manifest.yaml')
    return text


InnerPath = Annotated[str, AfterValidator(_inner_path)]


class IndexVersion(Strict):
    """One version."""

    version: str = Field(min_length=1, description="As the metrics spell it.")
    created: Date | None = Field(None, description="When it was made.")
    status: Literal["READY", "PENDING_REGISTRATION", "FAILED_REGISTRATION"] = Field("READY", description="MLflow's "
                                                                                    "words.")
    source: str = Field("", description="Where its files lie.")
    run: str = Field("", description="Training run.")
    description: str = Field("", description="What is new in it.")
    tags: dict[str, str] = Field({}, description="Tags; those of the approval are named in the model's manifest.")
    manifest: InnerPath | None = Field(None, description="The model notebook's manifest as registered.")
    manifest_sha256: Sha256 | None = Field(None, description="Digest of its bytes.")
    references: InnerPath | None = Field(None, description="Reference distributions.")


class IndexModel(Strict):
    """One model."""

    description: str = Field("", description="One sentence.")
    tags: dict[str, str] = Field({}, description="Tags of the model.")
    aliases: dict[str, str] = Field({}, description="Versions by alias.")
    versions: list[IndexVersion] = Field([], description="All versions, in any order.")

    @model_validator(mode="after")
    def _versions_once(self) -> IndexModel:
        refuse_twice("version", (version.version for version in self.versions))
        return self


class Index(Strict):
    """The file."""

    apiVersion: Literal["triage/v1alpha1"] = Field(description="Version of this format.")
    kind: Literal["ModelRegistry"] = Field(description="What the document is.")
    models: dict[str, IndexModel] = Field(description="Models by name.")


def parse_index(content: bytes, file: str) -> Index | Failure:
    """The index in ``content``; ``file`` is its name for messages. The first error says how many there are."""
    try:
        document = strict_yaml.parse(content.decode("utf-8-sig"), clean(file, limit=300))
        return strict_yaml.validate(document, Index)
    except UnicodeDecodeError:
        return Failure(FailureKind.BROKEN, f"{clean(file, limit=300)} is not UTF-8 text", "save it as UTF-8")
    except InvalidDocument as error:
        return Failure(FailureKind.BROKEN, clean(error.message, limit=400), "mend the file")


def models_from_index(index: Index, read_at: float) -> dict[str, RegisteredModel]:
    """What the index says, by the names of the models; versions as they stand in it, newest date first."""
    return {name: _model(name, model, read_at) for name, model in index.models.items()}


def _model(name: str, model: IndexModel, read_at: float) -> RegisteredModel:
    of: dict[str, list[str]] = {}
    for alias, version in sorted(model.aliases.items()):
        of.setdefault(version, []).append(alias)
    versions = [RegisteredVersion(
        version=v.version, created_at=_seconds(v.created), status=v.status, source=v.source, run_id=v.run,
        description=v.description, tags=v.tags, aliases=tuple(of.get(v.version, ())),
        manifest_sha256=v.manifest_sha256 or "") for v in model.versions]
    versions.sort(key=lambda v: v.created_at or 0.0, reverse=True)
    return RegisteredModel(name, tuple(versions), model.aliases, read_at, model.tags, model.description)


def document_path(index: Index, model: str, version: str, kind: DocumentKind) -> str | None:
    """Where a document of a version lies; None when the index names none."""
    found = index.models.get(model)
    item = next((v for v in found.versions if v.version == version), None) if found is not None else None
    if item is None:
        return None
    return item.manifest if kind is DocumentKind.MANIFEST else item.references


def _seconds(day: str | None) -> float | None:
    return None if day is None else datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
