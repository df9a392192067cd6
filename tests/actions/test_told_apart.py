"""Changes in little room: whatever goes, what tells the two values apart stays."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from triage.actions.told_apart import apart, shortened

ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/ml-platform/serving/inference-server"
PINNED = [f"registry.example/ml/fraud-scorer@sha256:{digits}" for digits in ("3f9ac21e" * 8, "77aa01bc" * 8)]
PATH = "spec.template.spec.containers[server].image"
_LETTERS = st.sampled_from("abc/:@-=. é評") | st.characters(exclude_categories=["C", "Z"])
_SHORT = st.text(_LETTERS, max_size=12)
_LONG = st.text(_LETTERS, max_size=150)
_DIGESTS = st.text("01", min_size=64, max_size=64).map(lambda digits: f"@sha256:{digits}") | st.just("")
_PATHS = st.lists(st.text("abc[]/", min_size=1, max_size=60), min_size=1, max_size=7).map(".".join)


def values(change: str) -> tuple[str, str]:
    before, _, after = change.partition(" ")[2].partition(" -> ")
    return before, after


def test_what_fits_is_said_whole() -> None:
    assert shortened("spec.paused false -> true", 25) == "spec.paused false -> true"
    assert apart("a", "b", 6) == ("a", "b")


@pytest.mark.parametrize(("before", "after", "room", "said"), [
    ("registry.example/ml/fraud-scorer:8.0.2", "registry.example/ml/fraud-scorer:7.0.0", 80,
     "…spec.containers[server].image …/fraud-scorer:8.0.2 -> …/fraud-scorer:7.0.0"),
    ("registry.example/ml/fraud-scorer:8.0.2", "registry.example/ml/fraud-scorer:7.0.0", 40,
     "…image …:8.0.2 -> …:7.0.0"),
    (f"{ECR}:8.0.2", f"{ECR}:7.0.0", 67, "…image …/inference-server:8.0.2 -> …/inference-server:7.0.0"),
    (*PINNED, 67, "…image …@sha256:3f9ac21e3f9a -> …@sha256:77aa01bc77aa"),
    (*PINNED, 140, f"{PATH} …/fraud-scorer@sha256:3f9ac21e3f9a -> …/fraud-scorer@sha256:77aa01bc77aa"),
    (*PINNED, 160, f"{PATH} registry.example/ml/fraud-scorer@sha256:3f9ac21e3f9a -> "
                   "registry.example/ml/fraud-scorer@sha256:77aa01bc77aa"),
    (f"fraud:8@sha256:{'a' * 64}", f"fraud:7@sha256:{'b' * 64}", 60,
     "…image …:8@sha256:aaaaaaaaaaaa -> …:7@sha256:bbbbbbbbbbbb")],
    ids=["name", "tag", "ecr", "digest", "digest and name", "digest alone", "both"])
def test_what_goes_first_is_what_both_have(before: str, after: str, room: int, said: str) -> None:
    assert shortened(f"{PATH} {before} -> {after}", room) == said


def test_digests_that_begin_alike_are_shown_as_far_as_they_differ() -> None:
    old, new = (f"fraud@sha256:{'a' * 20}{digit * 44}" for digit in "bc")
    assert apart(old, new, 110) == (f"fraud@sha256:{'a' * 20}b", f"fraud@sha256:{'a' * 20}c")


def test_a_row_without_two_values_loses_only_where_it_is() -> None:
    said = shortened(f"{PATH}[PASSWORD].value another value (not shown)", 50)
    assert said.endswith(".value another value (not shown)")
    assert said.startswith("…")


@given(_PATHS, _LONG, _LONG | _SHORT, _LONG | _SHORT, _DIGESTS, _DIGESTS, _SHORT, st.integers(24, 120),
       st.sampled_from(["…", ".."]))
@example("a" * 60, "x" * 90, "", "y", "", "", "", 24, "..")
def test_two_values_that_differ_are_shown_as_two_texts_in_the_room(
        path: str, beginning: str, old: str, new: str, digest: str, other: str, end: str, room: int,
        ellipsis: str) -> None:
    before, after = f"{beginning}{old}{digest}{end}", f"{beginning}{new}{other}{end}"
    assume(before != after and "->" not in path + before + after)
    said = shortened(f"{path} {before} -> {after}", room, ellipsis, cell_len)
    assert cell_len(said) <= room
    shown = values(said)
    assert shown[0] != shown[1]
    told = apart(before, after, room, ellipsis, cell_len)
    assert told[0] != told[1]
    assert cell_len(" -> ".join(told)) <= room


@given(_PATHS, _LONG, st.integers(60, 120))
def test_what_is_left_of_a_value_stands_in_it(path: str, beginning: str, room: int) -> None:
    assume("->" not in beginning)
    before, after = f"{beginning}:8", f"{beginning}:7"
    shown = values(shortened(f"{path} {before} -> {after}", room, measure=cell_len))
    assert before.endswith(shown[0].removeprefix("…"))
    assert after.endswith(shown[1].removeprefix("…"))
