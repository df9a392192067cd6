"""The forms in which an alert is named on the command line."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.tui import snapshots
from triage.notebook.selector import Matcher
from triage.tui.alert_link import find, parse_alert_link

LABELS = '{alertname="CanaryLatency", model_version=~"v8|v9"}'


@pytest.mark.parametrize("text", [
    LABELS, LABELS[1:-1], f"https://am.example/#/alerts?filter={quote(LABELS)}",
    f"https://am.example/prefix/#/alerts?silenced=false&filter={quote(LABELS)}&inhibited=false",
    f"#/alerts?filter={LABELS}", "{alertname=CanaryLatency,model_version=~v8|v9}", "CanaryLatency",
    " {alertname='CanaryLatency'} "])
def test_labels_find_their_alert_in_every_spelling(text: str) -> None:
    found = find(parse_alert_link(text), snapshots.canary_failing())
    assert found is not None
    assert found[2].name == "CanaryLatency"


def test_a_fingerprint_finds_its_alert_whatever_its_case() -> None:
    alert = snapshots.alert("FeatureAge")
    found = find(parse_alert_link(alert.fingerprint.upper()), snapshots.canary_failing())
    assert found is not None
    assert found[1].name == "FeatureAge"


def test_a_generator_url_finds_the_rule() -> None:
    link = parse_alert_link("http://prometheus.example/graph?g0.expr=up+%3D%3D+0&g0.tab=1")
    assert link.expression == "up == 0"
    assert find(link, snapshots.canary_failing()) is not None


@pytest.mark.parametrize("path", ["#/silences/7d2b1c0e-0000-4000-8000-000000000001",
                                  "https://am.example/#/silences/7d2b1c0e-0000-4000-8000-000000000001/edit"])
def test_a_silence_finds_what_it_silences(path: str) -> None:
    found = find(parse_alert_link(path), snapshots.canary_failing())
    assert found is not None
    assert found[1].name == "HighMemory"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{alertname}",
        "https://[broken",
        "https://am.example/#/status",
        "=",
        "a b c",
        '{alertname=~"("}',
        "\x1b]52;c;x\x07",
        "日本",
        "https://x/#/alerts?filter={{{",
    ],
)
def test_what_cannot_be_read_matches_nothing_and_says_what_was_given(text: str) -> None:
    link = parse_alert_link(text)
    assert find(link, snapshots.canary_failing()) is None
    assert "\x1b" not in link.wants()


def test_a_value_that_is_quoted_is_unquoted() -> None:
    assert parse_alert_link(r'{a="x\"y",b!="z"}').matchers == (Matcher("a", "=", 'x"y'), Matcher("b", "!=", "z"))


def test_the_named_model_is_searched_first() -> None:
    from dataclasses import replace
    one = snapshots.canary_failing().models[0]
    both = replace(snapshots.canary_failing(), models=(one, replace(one, name="other")))
    found = find(parse_alert_link("CanaryLatency"), both, "other")
    assert found is not None
    assert found[0].name == "other"
