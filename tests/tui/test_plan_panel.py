"""The plan's dialog in few rows: what is shortened, in which order, and what never is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from triage.tui.line import Line, line
from triage.tui.panels.plan import changes, shorten, shortened

_WORD = st.text(alphabet="abcxyz09", min_size=1, max_size=12)
_PATH = st.lists(_WORD, min_size=1, max_size=8).map(".".join)
_VALUE = st.lists(_WORD, min_size=1, max_size=5).map("/".join)


def test_a_change_that_fits_is_said_whole() -> None:
    assert shortened("spec.paused false -> true", 40) == "spec.paused false -> true"


def test_a_change_that_does_not_fit_leaves_out_where_before_what() -> None:
    change = ("spec.template.spec.containers[server].image registry.example/ml/fraud-scorer:8.0.2 -> "
              "registry.example/ml/fraud-scorer:7.0.0")
    assert shortened(change, 80) == ("…spec.containers[server].image …/fraud-scorer:8.0.2 -> …/fraud-scorer:7.0.0")
    assert shortened(change, 10) == "…image …/fraud-scorer:8.0.2 -> …/fraud-scorer:7.0.0"


@given(_PATH, _VALUE, _VALUE, st.integers(1, 120))
def test_what_became_what_is_told_apart_however_short_it_gets(path: str, before: str, after: str, room: int) -> None:
    said = shortened(f"{path} {before} -> {after}", room)
    shown, _, values = said.partition(" ")
    old, new = values.split(" -> ")
    assert shown.lstrip("…") == path or (shown.startswith("…") and path.endswith(shown.lstrip("…")))
    assert before.endswith(old.removeprefix("…/"))
    assert after.endswith(new.removeprefix("…/"))
    assert (old == new) == (before == after)


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
