"""Who is written down as the one who did something."""

from __future__ import annotations

import re

import pytest

from triage.person import VARIABLE, person


@pytest.mark.parametrize("said", [None, "", "  "])
def test_it_is_the_user_and_the_machine(said: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    if said is None:
        monkeypatch.delenv(VARIABLE, raising=False)
    else:
        monkeypatch.setenv(VARIABLE, said)
    assert re.fullmatch(r"ada@[^.\s]+", person())


def test_whoever_shares_an_account_says_who_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "ada")
    assert person() == "ada"


def test_what_is_said_cannot_control_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "a\x1b[31m" + "x" * 200)
    assert "\x1b" not in person()
    assert len(person()) <= 80
