"""The draft of a postmortem: complete, in order, the same every time, and harmless wherever it is rendered."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.incident.stories import ANN, entry, opened, verdict
from tests.incident.whole import LOG, incident
from triage.incident.entries import Kind, Source
from triage.incident.incident import replay
from triage.report.incident import incident_json, list_json, list_lines, show_lines
from triage.report.markdown import code, escape
from triage.report.postmortem import postmortem

ZONE = timezone(timedelta(hours=1))
GOLDENS = Path(__file__).parent / "goldens"
HEAD = "12:8f0e" + "0" * 60
HTML = MarkdownIt("gfm-like", {"linkify": False})


def check(name: str, text: str) -> None:
    path = GOLDENS / name
    if os.environ.get("TRIAGE_WRITE_GOLDENS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def test_the_whole_story_is_told_in_order() -> None:
    check("postmortem.md", postmortem(incident(), HEAD, zone=ZONE))


def test_an_incident_that_has_just_begun_has_places_to_fill_in() -> None:
    check("postmortem-begun.md", postmortem(replay("INC-0002", [opened()]), zone=ZONE))


def test_one_incident_is_shown_whole() -> None:
    check("incident.txt", "\n".join(show_lines(incident())) + "\n")


def test_the_same_incident_gives_the_same_bytes() -> None:
    assert postmortem(incident(), HEAD, zone=ZONE) == postmortem(replay("INC-0001", LOG), HEAD, zone=ZONE)


def test_the_timeline_stands_in_the_order_of_what_happened() -> None:
    text = postmortem(incident(), zone=ZONE)
    times = re.findall(r"^\| (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) \| \d{4}", text, re.M)
    assert len(times) == len(incident().rows)
    assert times == sorted(times)


def test_the_questions_of_the_review_are_all_asked() -> None:
    text = postmortem(incident(), zone=ZONE)
    for asked in ("metadata match production", "SLIs and SLOs adequate", "runbook complete, and followed",
                  "root cause in data or feature lineage", "be automated"):
        assert asked in text


def test_json_holds_times_measures_and_the_timeline() -> None:
    found = json.loads(incident_json(incident()))
    assert found["schema"] == "triage.incident/v1"
    assert {m["name"]: m["seconds"] for m in found["measures"]}["MTTD"] == 18 * 60
    assert len(found["timeline"]) == len(incident().rows)
    assert json.loads(list_json([incident()], {}))["incidents"][0]["state"] == "closed"
    assert next(list_lines([incident()])).startswith("INC-0001  2025-11-23 12:13:20 UTC  closed     fraud-scorer")


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_escaped_text_reads_as_it_is_written(text: str) -> None:
    rendered = HTML.renderInline("x " + escape(text))
    tags = re.sub(r"<!-- -->", "", rendered)
    assert "<" not in tags
    shown = tags.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
    assert shown.rstrip() == " ".join(f"x {text}".split())


@given(st.text(max_size=60))
def test_no_text_makes_a_heading_a_list_a_link_or_a_tag(text: str) -> None:
    rendered = HTML.render(escape(text))
    assert not re.search(r"<(?!/?p>|!-- -->)", rendered)


@given(st.text(alphabet="`ab| ", max_size=20))
def test_a_code_span_holds_any_backticks(text: str) -> None:
    rendered = HTML.renderInline(f"x {code(text)} y")
    assert rendered.count("<code>") == 1
    assert rendered.endswith("</code> y")


def test_mentions_references_and_links_do_not_reach_anybody() -> None:
    text = escape("@channel see #12, !34, https://evil.example and www.evil.example, ann@corp.example")
    for live in ("@channel", "#12", "!34", "https://", "www.evil", "ann@corp"):
        assert live not in text


def test_hostile_texts_stay_in_their_cells() -> None:
    evil = "a | b\n# head <img src=x onerror=alert(1)> [x](javascript:1) ``` ${{7*7}}"
    found = replay("INC-0001", [opened(), verdict(1, "fail, page"), entry(Kind.NOTE, 2, evil, by=ANN),
                                entry(Kind.HYPOTHESIS, 3, evil, id="h"), entry(Kind.ROLE, 3, "x", about="scribe",
                                                                                state=evil)])
    html = HTML.render(postmortem(found, zone=ZONE))
    assert "<img" not in html
    assert "javascript:1)" in html
    assert 'href' not in html
    assert html.count("<h1") == 1


def test_steps_of_two_runbooks_that_are_named_alike_both_have_their_last_word() -> None:
    steps = [entry(Kind.STEP, minutes, f"step 1 Queue {state}", about="queue", state=state, source=Source.RUNBOOK,
                   details={"runbook": runbook}, id=f"{runbook}-{state}", origin=f"{runbook}-{state}")
             for minutes, runbook, state in ((1, "slow", "failed"), (2, "broken", "failed"), (3, "broken", "passed"))]
    text = postmortem(replay("INC-0001", [opened(), *steps]), zone=ZONE)
    assert "- slow: step 1 Queue failed\n- broken: step 1 Queue passed\n" in text
    assert "2 steps came out: 1 passed, 1 failed, 0 skipped" in text


def test_the_impact_is_that_of_the_worst_verdict() -> None:
    found = postmortem(replay("INC-0001", [opened(), replace(verdict(0, "warn, ticket"), text="WARN: a little slow"),
                                           replace(verdict(5, "fail, ticket"), text="FAIL: half of them fail"),
                                           replace(verdict(9, "pass"), text="PASS")]))
    assert "The model: FAIL: half of them fail" in found


def test_a_query_stands_as_it_was_asked_and_a_bar_is_escaped_in_tables_alone() -> None:
    query = 'sum(rate(x{code=~"4..|5.."}[5m]))'
    looked = entry(Kind.STEP, 1, "step 1 looked at", source=Source.RUNBOOK, about="s", state="looked",
                   details={"runbook": "r", "query": query})
    assert f"- `{query}`" in postmortem(replay("INC-0001", [opened(), looked]))
    assert code("a|b") == "`a|b`"
    assert code("a|b", in_table=True) == "`a\\|b`"


def test_what_is_missing_because_its_line_is_torn_is_said() -> None:
    torn = replace(incident(), unread=2)
    said = "2 lines of its log cannot be read"
    assert said in postmortem(torn)
    assert any(said in line for line in show_lines(torn))
    assert any(said in line for line in list_lines([torn]))
    assert json.loads(incident_json(torn))["unread_lines"] == 2
