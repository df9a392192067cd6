"""The plan's dialog in few rows: what is shortened, in which order, and what never is."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.actions import building
from triage.actions.guards import check
from triage.actions.moment import Moment
from triage.actions.plan import Action, Plan, Request
from triage.actions.rehearsal import difference
from triage.actions.steps import Prepared
from triage.actions.system import Rehearsal, Wish
from triage.report.actions import plan_lines
from triage.report.actions_json import act_json
from triage.report.characters import Characters
from triage.tui.line import BLANK, Line, line
from triage.tui.look import Look
from triage.tui.panels.plan import Dialog, buttons, changes, content, prompt, shorten


def test_changes_of_the_object_stand_before_its_labels_and_these_before_our_own_mark() -> None:
    diff = ("metadata.annotations.triage.dev/last-action: (none) -> rollback",
            "spec.template.metadata.labels.version: 8 -> 7", "spec.template.spec.containers[model].image: f:8 -> f:7")
    assert [row.partition(" ")[0].rpartition(".")[2] for row in changes("patch rollouts", diff)] == [
        "image", "version", "dev/last-action"]


def test_what_the_request_says_itself_is_no_change_of_its_own() -> None:
    assert changes("alias champion: 8 -> 7", ("alias champion: 8 -> 7",)) == []


def rows(*counts: int) -> list[list[Line]]:
    return [[line("x")] * count for count in counts]


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4).map(lambda c: sorted(c, reverse=True)), min_size=1,
                max_size=6), st.integers(0, 40))
def test_no_more_is_shortened_than_is_needed_and_never_below_the_shortest(counts: list[list[int]], most: int) -> None:
    parts = {str(number): rows(*each) for number, each in enumerate(counts)}
    order = [name for name in parts for _ in range(3)]
    before = sum(each[0] for each in counts)
    shorten(parts, order, most)
    after = sum(len(versions[0]) for versions in parts.values())
    assert after == before if before <= most else after <= before
    if after > most:
        assert after == sum(each[-1] for each in counts)


INSIDE, ROWS = 76, 18
"""Of the dialog in 80x24."""


def prepared(plan: Plan, *rehearsals: Rehearsal) -> Prepared:
    answers = check(building.circumstances(plan=plan, rehearsals=rehearsals))
    return Prepared("0" * 16, Wish(plan.action), plan, answers, rehearsals, building.circumstances(plan=plan),
                    Moment(building.NOW, 0.0))


def said(plan: Plan, *rehearsals: Rehearsal) -> list[str]:
    shown = Dialog("", prepared(plan, *rehearsals), expires_in=100.0)
    return [row.text for row in content(shown, Look(), INSIDE, ROWS) if row != BLANK]


@pytest.mark.parametrize("sentences", [
    ("tag triage.rollback.0123456789ab on fraud-scorer", "alias previous_champion -> 8", "alias champion: 8 -> 7"),
    ("weight of m7: 90 -> 100", "weight of m8: 10 -> 0"), ("PUT /deploy/fraud-scorer?version=7",)],
    ids=["alias", "haproxy", "pipeline"])
def test_systems_that_say_in_the_request_what_becomes_what_fit_too(sentences: tuple[str, ...]) -> None:
    requests = tuple(Request("POST", "/x", "", "", sentence, "does it") for sentence in sentences)
    plan = building.plan(requests=requests, warnings=("not persisted: a reload of HAProxy brings the weights of its "
                                                      "configuration back; change haproxy.cfg as well",))
    rows = said(plan, *(Rehearsal(None, "it has no dry run") for _ in requests))
    assert len(rows) <= ROWS
    for sentence in sentences:
        assert sum(sentence in row for row in rows) == 1


def test_a_rehearsal_that_changes_many_fields_says_how_many_more_there_are() -> None:
    diff = tuple(f"spec.template.spec.containers[model].env[{n}].value: a -> b" for n in range(9))
    rows = said(building.plan(), Rehearsal(True, "the server accepts it", diff))
    assert [row for row in rows if row.endswith(", 7 more")] != []


ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/ml-platform/serving/inference-server"
PINNED = "registry.example/ml/fraud-scorer@sha256:"
IMAGES = ((f"{ECR}:8.0.2", f"{ECR}:7.0.0", ":8.0.2", ":7.0.0"),
          (f"{PINNED}{'3f9ac21e' * 8}", f"{PINNED}{'77aa01bc' * 8}", ":3f9ac21e3f9a", ":77aa01bc77aa"),
          (f"{ECR}:8@sha256:{'a' * 64}", f"{ECR}:7@sha256:{'b' * 64}", "8@sha256:aaaa", "7@sha256:bbbb"))


@pytest.mark.parametrize("look", [Look(), Look(ascii=True)], ids=["unicode", "ascii"])
@pytest.mark.parametrize("others", [0, 12], ids=["alone", "among many"])
@pytest.mark.parametrize(("before", "after", "old", "new"), IMAGES, ids=["ecr", "pinned", "both"])
def test_a_row_of_the_dialog_shows_of_both_images_what_tells_them_apart(
        before: str, after: str, old: str, new: str, others: int, look: Look) -> None:
    """From what the server answers to what stands in the row, in every version of the dialog."""
    templates = [{"spec": {"template": {"spec": {"containers": [{"name": "server", "image": image}]}}},
                  "metadata": {"annotations": {f"x{n}": image for n in range(others)}}} for image in (before, after)]
    diff = difference(templates[0], templates[1])
    assert f"spec.template.spec.containers[server].image: {before} -> {after}" in diff
    shown = Dialog("", prepared(building.plan(), Rehearsal(True, "the server accepts it", diff)), expires_in=100.0)
    for most in (ROWS, 1):
        rows = [row for row in content(shown, look, INSIDE, most) if " -> " in row.text]
        assert all(row.width <= INSIDE for row in rows)
        found, _, becomes = next(row.text for row in rows if "image " in row.text).partition(" -> ")
        assert old in found
        assert new in becomes
    told = "\n".join(plan_lines(prepared(building.plan(), Rehearsal(True, "ok", diff)), Characters(ascii=look.ascii)))
    assert re.search(f"image: .*{old}.* -> .*{new}", told)
    assert diff[-1] in json.loads(act_json(prepared(building.plan(), Rehearsal(True, "ok", diff)), (), executed=False,
                                           exit_code=0))["rehearsals"][0]["diff"]


_VALUE = st.text(st.sampled_from("abc/:@-=. é評"), min_size=1, max_size=150)


@given(_VALUE, _VALUE, st.text(st.sampled_from("abc/:@é"), max_size=120), st.booleans(), st.integers(0, 60),
       st.sampled_from([ROWS, 1]))
def test_whatever_differs_differs_in_the_row_that_shows_it(old: str, new: str, beginning: str, plain: bool,
                                                           others: int, most: int) -> None:
    before, after = ({"spec": {"image": f"{beginning}{value}", **{f"more{n}": value for n in range(others)}}}
                     for value in (old, new))
    assume(old != new)
    shown = Dialog("", prepared(building.plan(), Rehearsal(True, "ok", difference(before, after))), expires_in=100.0)
    rows = content(shown, Look(ascii=plain), INSIDE, most)
    assert max(row.width for row in rows) <= INSIDE
    row = next(row.text for row in rows if "image " in row.text)
    left, _, right = re.sub(r", \d+ more$", "", row).partition("image ")[2].partition(" -> ")
    assert left != right


@given(st.text(min_size=1, max_size=300), st.lists(st.text(max_size=200), max_size=4), st.integers(1, 60))
def test_whatever_is_said_no_row_is_wider_than_the_dialog(name: str, warnings: list[str], most: int) -> None:
    plan = building.plan(Action.ABORT, warnings=tuple(warnings), inverse=name, reason=name, path=name)
    shown = Dialog("", prepared(plan, Rehearsal(True, "ok", (f"{name}: {name} -> b",))), expires_in=9.0)
    for look in (Look(), Look(ascii=True)):
        rows = [*content(shown, look, INSIDE, most), prompt(shown, look, INSIDE),
                buttons(shown.buttons, "cancel", look, INSIDE)]
        assert max(row.width for row in rows) <= INSIDE


@pytest.mark.parametrize("length", [12, 40, 60, 120])
def test_what_has_to_be_typed_is_said_before_how_long_there_is_for_it(length: int) -> None:
    target = replace(building.TARGET, name="n" * length)
    shown = Dialog("", prepared(building.plan(target=target)), expires_in=100.0)
    shown = replace(shown, prepared=replace(shown.prepared, checked=())) if shown.prepared is not None else shown
    row = prompt(shown, Look(), INSIDE)
    assert row.width <= INSIDE
    assert f"type {'n' * min(length, 60)}" in row.text
