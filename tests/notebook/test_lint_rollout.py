"""The linter about who moves traffic."""

from __future__ import annotations

import pytest

from tests.notebook.conftest import WriteNotebook
from tests.notebook.test_lint import found, spec

HAPROXY = 'rollout: {kind: haproxy, name: fraud, servers: {"7": [a], "8": [b]}}'
MLFLOW = "registry: {kind: mlflow, name: m}"


@pytest.mark.parametrize(("lines", "code"), [
    (["rollout: {kind: mlflow, name: champion}"], "alias-nowhere"),
    (["rollout: {kind: mlflow, name: challenger}", MLFLOW], "alias-of-the-trial"),
    ([HAPROXY, 'rollback: {last_known_good: "6"}'], "nowhere-to-go-back"),
    (['rollout: {kind: haproxy, name: fraud, servers: {"8": [b]}}'], "nowhere-to-go-back")])
def test_what_could_not_be_acted_on_is_a_warning(write_notebook: WriteNotebook, lines: list[str], code: str) -> None:
    [finding] = found(write_notebook, spec(*lines))
    assert (finding.code, finding.severity) == (code, "warning")
    assert finding.hint


@pytest.mark.parametrize("lines", [
    ["rollout: {kind: mlflow, name: champion}", MLFLOW], [HAPROXY, 'rollback: {last_known_good: "7"}'], [HAPROXY],
    ["rollout: {kind: webhook, name: ci}", "retrain: {webhook: ci}"]])
def test_what_can_be_acted_on_is_none(write_notebook: WriteNotebook, lines: list[str]) -> None:
    assert found(write_notebook, spec(*lines)) == []
