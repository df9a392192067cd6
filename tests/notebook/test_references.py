"""Reference distributions kept with a version."""

from __future__ import annotations

import pytest

from triage.facts.outcome import Failure
from triage.facts.versions import Document, DocumentKind
from triage.notebook.references import References, parse_references

TEXT = """\
apiVersion: triage/v1alpha1
kind: References
features:
  amount: {edges: [10, 50], counts: [1200, 5300, 400], data: transactions, at: 2026-11-02}
  country: {categories: {DE: 5000, NO: 3200}}
prediction: {edges: [0.5], counts: [8000, 100]}
"""


def parsed(content: bytes) -> References | Failure:
    return parse_references(Document(DocumentKind.REFERENCES, content, "artifact triage/references.yaml"))


def test_distributions_are_read_by_feature() -> None:
    found = parsed(TEXT.encode())
    assert isinstance(found, References)
    assert found.features["amount"].counts == [1200, 5300, 400]
    assert found.features["country"].categories == {"DE": 5000, "NO": 3200}
    assert found.prediction is not None
    assert found.prediction.edges == [0.5]


@pytest.mark.parametrize(("content", "said"), [
    (b"\xff", "is not UTF-8"), (b"features: [", "is not YAML"), (b"", "is empty"),
    (TEXT.replace("[1200, 5300, 400]", "[1200, 5300]").encode(), "has 2 counts for 2 edges"),
    (TEXT.replace("References", "Other").encode(), "kind")])
def test_a_document_that_cannot_be_used_says_why_and_where(content: bytes, said: str) -> None:
    found = parsed(content)
    assert isinstance(found, Failure)
    assert said in found.message
    assert "triage/references.yaml" in found.message
