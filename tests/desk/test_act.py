"""``triage act``: planned without ``--write``, carried out with it, and how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import process, run
from tests.desk.site import MODEL, NOT_JUDGED, TARGET, Hold, Site, changes_the_world
from triage.actions import carrying
from triage.actions.kubernetes_sender import KubernetesSender
from triage.actions.rollouts import argo
from triage.cli_act import ACTIONS

CONFIRMED = ("--confirm", TARGET)


def act(site: Site, *words: object) -> tuple[int, str, str]:
    """(exit code, standard output, standard error)."""
    done = run("act", *words, "--config", site.config)
    return done.exit_code, done.stdout, done.stderr


def test_without_write_it_is_planned_with_every_request_and_guard_and_nothing_is_changed(site: Site) -> None:
    code, out, err = act(site, "rollback", MODEL)
    assert code == 2
    for said in ("rollback fraud-scorer to v7", "PRODUCTION", "request 1 of 2", "request 2 of 2", "undo",
                 "blocked  write: read-only", "cannot tell  facts:", "to acknowledge: facts"):
        assert said in out, said
    words = [word for name in ("facts", "known-good") for word in ("--acknowledge", name)]
    assert f"nothing was changed; somebody has to have read what is asked above; add: {' '.join(words)}" in err
    code, _, err = act(site, "rollback", MODEL, *words)
    assert (code, "nothing was changed; it may be carried out, with --write" in err) == (0, True)
    assert site.gate.changes == []


@pytest.mark.parametrize("action", ACTIONS)
def test_no_action_changes_anything_without_write(site: Site, action: str) -> None:
    code, _, _ = act(site, action, MODEL, *CONFIRMED, "--break-glass", "test")
    assert code in (0, 2)
    assert site.gate.changes == []


def test_a_dry_run_with_write_changes_nothing(site: Site) -> None:
    assert act(site, "abort", MODEL, "--write", "--dry-run")[0] == 2
    assert act(site, "abort", MODEL, "--write", "--dry-run", "--acknowledge", "facts")[0] == 0
    assert site.gate.changes == []


def test_the_risky_direction_is_blocked_while_prometheus_is_silent(site: Site) -> None:
    code, _, err = act(site, "promote", MODEL)
    assert code == 2
    assert "it would be refused:" in err
    assert "persons" in err
    code, out, _ = act(site, "promote", MODEL, "--write", *CONFIRMED)
    assert code == 2
    assert "not carried out, nothing was sent" in out
    assert site.gate.changes == []


def test_a_rollback_while_prometheus_is_silent_is_carried_out_and_says_what_it_cannot_see(site: Site) -> None:
    code, out, err = act(site, "rollback", MODEL, "--write", *CONFIRMED, *site.acknowledged(), "--reason", "v8 is slow")
    assert code == 3, err
    assert [change.rpartition("/")[2] for change in site.gate.changes] == ["status", "fraud"]
    assert site.ground.split == {"7": 100}
    assert ("unknown  rollback fraud-scorer to v7: v7 takes all traffic, all its replicas serve; "
            "latency cannot be seen: prometheus does not answer") in out
    assert "verifying:" in err
    assert "latency met again within" in err
    shown = run("journal", "show", "--config", site.config)
    assert "rollback fraud-scorer to v7  unknown" in shown.stdout
    assert "v8 is slow" in shown.stdout


def test_as_json_it_says_plan_guards_steps_and_outcome(site: Site) -> None:
    code, out, _ = act(site, "pause", MODEL, "--write", *CONFIRMED, "--format", "json")
    said = json.loads(out)
    assert code == said["exit_code"] == 0
    assert said["schema"] == "triage.act/v1"
    assert (said["executed"], said["outcome"]) == (True, "done")
    assert [step["stage"] for step in said["steps"] if step["stage"] in ("intent", "sent")] == ["intent", "sent"]
    assert said["plan"]["target"]["production"] is True
    assert len(said["plan"]["digest"]) == 64


def test_as_json_the_standard_output_is_one_document_however_it_ends(
        make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(KubernetesSender.__init__, "__defaults__", (0.5,))
    # Nobody waits a minute here for a request that is lost.
    monkeypatch.setattr(carrying, "SETTLED_SECONDS", 0.0)
    monkeypatch.setattr(argo, "STATUS_SECONDS", 1.0)
    site = make_site()

    def said(*words: object) -> tuple[int, bool, str | None]:
        code, out, _ = act(site, *words, "--format", "json")
        body = json.loads(out)
        assert body["exit_code"] == code
        return code, body["executed"], body["outcome"] or (body["refusal"] and "no plan")
    assert said("pause", MODEL) == (0, False, None)
    assert said("pause", MODEL, "--write", "--dry-run") == (0, False, None)
    assert said("promote", MODEL, "--write", "--share", tmp_path / "promote.json") == (0, False, None)
    assert said("retry", MODEL, "--write") == (2, False, "no plan")
    assert said("promote", MODEL, "--write", *CONFIRMED) == (2, True, "refused")
    assert said("pause", MODEL, "--write", *CONFIRMED) == (0, True, "done")
    site.gate.hold = Hold(changes_the_world)
    assert said("abort", MODEL, "--write", *CONFIRMED, "--acknowledge", "facts") == (3, True, "unknown")
    site.gate.hold = None
    # And with an earlier end that is not known, told on the other stream.
    assert said("abort", MODEL, "--acknowledge", "facts") == (0, False, None)


def test_what_is_not_confirmed_is_not_sent_and_it_says_what_to_add(site: Site) -> None:
    code, _, err = act(site, "rollback", MODEL, "--write")
    assert code == 64
    assert "--confirm fraud --acknowledge facts" in err
    code, _, err = act(site, "rollback", MODEL, "--write", "--confirm", "churn-ranker", *site.acknowledged())
    assert code == 64
    assert "--confirm does not name the target: fraud\n" in err
    code, _, err = act(site, "rollback", MODEL, "--write", "--confirm", MODEL, *site.acknowledged())
    assert code == 64
    assert "--confirm names the model, and the target is Argo Rollout ml/fraud, http" in err
    assert "--confirm fraud\n" in err
    assert site.gate.changes == []


def test_what_is_there_already_and_what_nothing_does_are_refused_with_the_reason(site: Site) -> None:
    code, _, err = act(site, "retrain", MODEL)
    assert code == 2
    assert "not possible:" in err
    code, out, _ = act(site, "resume", "fraud-scorer", "--to", "9", "--format", "json")
    assert code in (0, 2)
    assert json.loads(out)["schema"] == "triage.act/v1"


def test_who_may_only_read_is_told_and_nothing_is_sent(make_site: Callable[..., Site]) -> None:
    site = make_site(token="reading")
    code, out, _ = act(site, "abort", MODEL, "--write", *CONFIRMED)
    assert code == 2
    assert "you may not" in out
    assert site.gate.changes == []


def test_a_plan_is_shared_for_another_person_and_its_author_may_not_carry_it_out(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "promote.json"
    code, _, err = act(site, "promote", MODEL, "--write", "--share", file)
    assert code == 0
    assert f"--approve {file}" in err
    assert json.loads(file.read_text())["schema"] == "triage.approval/v1"
    code, out, _ = act(site, "promote", MODEL, "--write", "--approve", file, *CONFIRMED)
    assert code == 2
    assert "persons" in out
    assert act(site, "rollback", MODEL, "--approve", file)[0] == 64
    assert act(site, "promote", MODEL, "--share", file)[0] == 64
    assert site.gate.changes == []


@pytest.mark.parametrize(("word", "meant"), [("rollbakc", "rollback"), ("Rollback", "rollback"), ("freeze", "pause"),
                                             ("promote-ful", "promote-full")])
def test_a_slip_in_the_action_is_asked_about(site: Site, word: str, meant: str) -> None:
    code, _, err = act(site, word, MODEL)
    assert code == 64
    assert f'"{word}" is none of them; did you mean: {meant}\n' in err


def test_a_word_like_no_action_is_answered_with_all_of_them(site: Site) -> None:
    code, _, err = act(site, "xyzzy", MODEL)
    assert code == 64
    assert "did you mean" not in err
    assert f"There are: {', '.join(ACTIONS)}" in err


def test_a_figure_without_a_name_is_a_mistake_of_the_command_line(site: Site) -> None:
    code, _, err = act(site, "scale", MODEL, "--set", "6")
    assert code == 64
    assert '"6" is no NAME=VALUE' in err


def test_a_request_without_an_answer_is_looked_for_in_the_world_and_not_sent_again(
        site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KubernetesSender.__init__, "__defaults__", (0.5,))
    site.gate.swallows = True
    code, out, err = act(site, "pause", MODEL, "--write", *CONFIRMED)
    assert code == 0, err
    assert "unknown:" in err
    assert "no answer came to request 1 of 1" in out
    assert len(site.gate.changes) == 1


async def both(site: Site, *states: Path) -> list[tuple[int, str, str]]:
    words = ("act", "rollback", MODEL, "--write", *CONFIRMED, *await asyncio.to_thread(site.acknowledged),
             "--config", site.config)
    return list(await asyncio.gather(*(process(*words, env={**site.environment, "TRIAGE_STATE": str(state)})
                                       for state in states)))


async def test_of_two_processes_with_one_state_directory_one_acts(
        make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site(spec=NOT_JUDGED)
    found = await both(site, tmp_path / "state", tmp_path / "state")
    assert sorted(code for code, _, _ in found) == [0, 2], found
    assert len(site.gate.changes) == 2
