"""Reference distributions kept with a registered version: ``references.yaml``.

They are taken when a model is trained, and belong to the version rather than to the notebook that describes it::

    apiVersion: triage/v1alpha1
    kind: References
    features:
      amount: {edges: [10, 50, 250], counts: [1200, 5300, 3100, 400], data: transactions, at: 2026-11-02}
      country: {categories: {DE: 5000, FR: 3200, NL: 1800}}
    prediction: {edges: [0.1, 0.5, 0.9], counts: [8000, 1500, 400, 100]}
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from triage import strict_yaml
from triage.errors import InvalidDocument
from triage.facts.outcome import Failure, FailureKind
from triage.facts.versions import Document
from triage.notebook.quality import Reference
from triage.notebook.slis import Strict
from triage.text import clean


class References(Strict):
    """The file."""

    apiVersion: Literal["triage/v1alpha1"] = Field(description="Version of this format.")
    kind: Literal["References"] = Field(description="What the document is.")
    features: dict[str, Reference] = Field({}, description="Distributions by feature, as drift.features names them.")
    prediction: Reference | None = Field(None, description="Distribution of the predictions.")


def parse_references(document: Document) -> References | Failure:
    """What the document says; a failure with its first error when it cannot be used."""
    try:
        parsed = strict_yaml.parse(document.content.decode("utf-8-sig"), document.where)
        return strict_yaml.validate(parsed, References)
    except UnicodeDecodeError:
        return Failure(FailureKind.BROKEN, f"{document.where} is not UTF-8 text", "save it as UTF-8")
    except InvalidDocument as error:
        return Failure(FailureKind.BROKEN, clean(error.message, limit=400), "write it again from the training data")
