"""Templates of labels and annotations."""

from __future__ import annotations

import pytest

from tests.lab.alerting.written import LAYOUT, WRITTEN
from triage.lab.alerting.templates import TemplateError, humanize_duration, parse_template
from triage.lab.wire.numbers import exponent_text


def number(spelt: str) -> float:
    return float(spelt)


@pytest.mark.parametrize(("spelt", "_alert_value", "expected"), WRITTEN)
def test_a_number_is_written_as_prometheus_writes_it(spelt: str, _alert_value: str, expected: str) -> None:
    assert parse_template(LAYOUT).render({}, number(spelt)) == expected


@pytest.mark.parametrize(("spelt", "expected", "_annotation"), WRITTEN)
def test_the_value_of_an_alert_always_has_an_exponent(spelt: str, expected: str, _annotation: str) -> None:
    assert exponent_text(number(spelt)) == expected


def test_a_duration_longer_than_go_can_hold_is_still_a_duration() -> None:
    assert humanize_duration(1e20).endswith("s")


@pytest.mark.parametrize(("text", "expected"), [
    ("{{ $labels.model }} of {{$labels.model}}", "fraud of fraud"),
    ("[{{ $labels.nothing }}]", "[]"),
    ("no action", "no action"),
    ("", ""),
    ("a }} b", "a }} b"),
    ('{{ printf "%s: %.1f%%" $labels.model $value }}', "fraud: 12.5%"),
    ('{{ printf "%-7s|" $labels.model }}', "fraud  |"),
    ('{{ printf "%7v|" $labels.model }}', "  fraud|"),
    ('{{ printf "%.2s" $labels.model }}', "fr"),
    ('{{ printf "%v" $value }}', "12.5"),
    ('{{ $value | humanize | printf "%8s" }}', "    12.5"),
    ('{{ humanize $value }}', "12.5"),
    ('{{ printf "a \\"b\\" %s\\n" $labels.model }}', 'a "b" fraud\n'),
    ('{{ "text" }}', "text"),
    ('{{ printf "100%%" }}', "100%"),
    ("{{\n  $value\n}}", "12.5"),
])
def test_an_action_is_replaced(text: str, expected: str) -> None:
    assert parse_template(text).render({"model": "fraud"}, 12.5) == expected


@pytest.mark.parametrize(("text", "said"), [
    ("{{ $value | title }}", "the function title is not supported"),
    ("{{ .Value }}", "is not supported"),
    ("{{- $value -}}", "is not supported"),
    ("{{ $externalLabels.region }}", "is not supported"),
    ("{{ $labels }}", "is not supported"),
    ("{{ if $value }}x{{ end }}", "the function if is not supported"),
    ("{{ $value", "is not closed"),
    ("{{ }}", "has an empty stage"),
    ("{{ $value | }}", "has an empty stage"),
    ("{{ $value $value }}", "an operand where a function belongs"),
    ("{{ $value | $labels.a }}", "an operand where a function belongs"),
    ("{{ $labels.model | humanize }}", "humanize wants one number"),
    ("{{ humanize }}", "humanize wants one number"),
    ("{{ humanize humanize }}", "stands where a value belongs"),
    ("{{ printf $value }}", "printf wants a quoted format first"),
    ('{{ printf "%d" $value }}', "does not fit"),
    ('{{ printf "%.2f" $labels.model }}', "does not fit"),
    ('{{ printf "%.2f %.2f" $value }}', "wants 2 values and gets 1"),
    ('{{ printf "%[1]f" $value }}', "the format '%[1]f' is not supported"),
    ('{{ printf "\\x41" }}', "the escape \\x is not supported"),
])
def test_what_is_not_supported_is_refused_with_a_reason(text: str, said: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template(text)
    assert said in str(caught.value)


def test_a_template_knows_whether_the_value_changes_it() -> None:
    assert parse_template("{{ $value }}").uses_value
    assert not parse_template("{{ $labels.a }}").uses_value
