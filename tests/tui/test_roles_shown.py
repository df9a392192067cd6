"""The page behind the verdict says who knows which version behind a load balancer is stable, or that nobody does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.signals.test_roles import backend
from tests.tui import snapshots
from tests.tui.snapshots import NOW
from triage.signals.roles import Hints, with_roles
from triage.tui.deployed_page import rollout_part
from triage.tui.line import Role
from triage.tui.look import Look
from triage.tui.view import View


@pytest.mark.parametrize(("good", "said", "role"), [
    ("7", "known by  the manifest's last_known_good", Role.PLAIN),
    ("", "known by  which of 7 (25 %) and 8 (75 %) is stable, and which on trial, is not known", Role.UNKNOWN)])
def test_whose_word_it_is_stands_beside_the_versions(good: str, said: str, role: Role) -> None:
    snapshot = snapshots.healthy()
    model = replace(snapshot.models[0], rollout=with_roles(backend({"7": 25, "8": 75}), Hints("m", good)))
    view = View(snapshot, model, None, NOW, 3600.0, None, None, Look(), 120, 24)
    [row] = [each for each in rollout_part(view, model, 110) if "known by" in each.text]
    assert " ".join(row.text.split()) == " ".join(said.split())
    assert row.spans[-1][1] is role
