"""The lab's alert rules keep the promises of the manifests, and say what an engineer needs at night."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import triage.lab
from tests.lab.notebook_data import NOTEBOOKS
from tests.notebook.example_data import EXAMPLES
from triage.lab.alerting.rules import AlertingRule, load_rule_files
from triage.notebook.load import Notebook, load_all

RULES = Path(triage.lab.__file__).parent / "rules"
BOOKS: dict[str, Notebook] = {book.name: book for book in load_all([EXAMPLES, NOTEBOOKS]).notebooks}
FILES: dict[str, list[dict[str, Any]]] = {
    path.stem: [rule for group in yaml.safe_load(path.read_text("utf-8"))["groups"] for rule in group["rules"]]
    for path in sorted(RULES.glob("*.yaml"))}


ALERTS = [pytest.param(model, rule, id=f"{rule['alert']}-{number}")
          for model, rules in FILES.items() for number, rule in enumerate(rules, 1)]


def _anchors(model: str) -> set[str]:
    """Links to the headings of a runbook, as git sites make them."""
    text = (BOOKS[model].path / "runbook.md").read_text("utf-8")
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


def test_every_model_has_rules() -> None:
    assert set(FILES) == set(BOOKS)


def test_the_lab_reads_all_of_them() -> None:
    groups = load_rule_files(sorted(RULES.glob("*.yaml")))
    read = [rule for group in groups for rule in group.rules]
    assert len(read) == sum(map(len, FILES.values()))
    assert all(isinstance(rule, AlertingRule) for rule in read)


@pytest.mark.parametrize("model", BOOKS)
def test_the_alerts_are_those_that_the_manifest_names_and_as_urgent(model: str) -> None:
    promised = BOOKS[model].manifest.spec.alerts
    found = {(rule["alert"], rule["labels"]["severity"]) for rule in FILES[model]}
    assert found == {(name, "page") for name in promised.page} | {(name, "ticket") for name in promised.ticket}


@pytest.mark.parametrize(("model", "rule"), ALERTS)
def test_an_alert_belongs_to_its_model(model: str, rule: dict[str, Any]) -> None:
    """The labels by which the manifest claims its alerts come from the rule, or from the series that it keeps."""
    for label, value in BOOKS[model].manifest.spec.alerts.labels.items():
        from_rule = rule["labels"].get(label) == value
        kept = re.search(rf"(?:by|on) \([^)]*\b{label}\b", rule["expr"]) and f'{label}="{value}"' in rule["expr"]
        assert from_rule or kept, label


@pytest.mark.parametrize(("model", "rule"), ALERTS)
def test_an_alert_waits_before_it_fires_and_says_what_to_do(model: str, rule: dict[str, Any]) -> None:
    assert rule["for"]
    about = rule["annotations"]
    assert set(about) == {"summary", "description", "runbook_url"}
    assert "$value" in about["summary"] or rule["alert"] == "ChurnRunSlow"
    assert len(about["summary"]) < 160
    page, _, anchor = about["runbook_url"].partition("#")
    assert page == f"https://runbooks.example/{model}"
    assert anchor in _anchors(model)


@pytest.mark.parametrize("model", BOOKS)
def test_a_runbook_answers_every_alert_that_pages(model: str) -> None:
    front = yaml.safe_load((BOOKS[model].path / "runbook.md").read_text("utf-8").split("---\n")[1])
    assert set(BOOKS[model].manifest.spec.alerts.page) <= set(front["alerts"])
