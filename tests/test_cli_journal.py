"""``triage journal``: what it shows of actions, what it finds, and how it ends."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import yaml

from tests.actions.building import NOW, FileSystem, World, executor, plan
from tests.actions.test_history import told
from tests.commands import NOWHERE, run
from triage.actions.freeze import mode_of
from triage.actions.history import Outcome, history_of
from triage.actions.lease_files import FileLeases
from triage.actions.lease_kubernetes import KubernetesLeases
from triage.actions.opening import open_journal, open_leases
from triage.actions.plan import Action
from triage.actions.steps import Confirmation, Prepared
from triage.actions.system import Fate, Progress, Wish
from triage.clock import ManualClock
from triage.config import Active, Overrides, activate
from triage.endpoints import ConfigError, Endpoint
from triage.report.journal import journal_lines
from triage.sources.kubernetes import KubernetesClient


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRIAGE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("TRIAGE_PROMETHEUS_URL", NOWHERE)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("TRIAGE_READONLY", "TRIAGE_CONFIG", "TRIAGE_CONTEXT"):
        monkeypatch.delenv(name, raising=False)


def acted(folder: Path, fate: Fate = Fate.DONE, *, does: bool = True, reason: str = "errors",
          action: Action = Action.ROLLBACK, glass: str = "") -> None:
    """One rollback, in the journal of the state directory."""
    async def act() -> None:
        of = executor(folder, FileSystem(World(folder / "world"), ManualClock(), fate=fate, does=does))
        plan = await of.prepare(Wish(action, reason, "7"))
        assert isinstance(plan, Prepared)
        words = frozenset(plan.acknowledgements)
        async for _ in of.carry_out(plan, Confirmation("fraud-scorer", words, glass)):
            pass

    asyncio.run(act())


def configured(folder: Path, actions: dict[str, object], **context: object) -> Active:
    path = folder / "triage.yaml"
    path.write_text(yaml.safe_dump({"apiVersion": "triage/v1alpha1", "kind": "Config", "contexts": {
        "prod": {"prometheus": {"url": NOWHERE}, "actions": actions, **context}}}))
    path.chmod(0o600)
    return activate(Overrides(config=str(path)), {})


def test_an_action_is_shown_with_who_what_and_how_it_ended(tmp_path: Path) -> None:
    acted(tmp_path)
    found = run("journal", "show")
    assert found.exit_code == 0
    first, where, request, end = found.stdout.splitlines()
    assert first.endswith("rollback fraud-scorer to v7  done")
    assert where.startswith("    Argo Rollout ml/fraud-scorer, prod-eu; by ana; errors; plan ")
    assert (request, end) == ("    request 1: done", "    v7 takes all traffic")
    assert found.stderr == "1 action; intact\n"


def test_broken_glass_is_loud(tmp_path: Path) -> None:
    acted(tmp_path, action=Action.PROMOTE, glass="customers cannot pay")
    assert "    GLASS BROKEN: customers cannot pay" in run("journal", "show").stdout.splitlines()


def test_one_whose_end_is_not_known_says_verify(tmp_path: Path) -> None:
    acted(tmp_path, Fate.UNKNOWN, does=False)
    file = next((tmp_path / "state" / "journal").glob("*.jsonl"))
    file.write_bytes(b"".join(line + b"\n" for line in file.read_bytes().splitlines()[:3]))
    found = run("journal", "show")
    assert "rollback fraud-scorer to v7  unknown: verify" in found.stdout
    assert "request 1: no result is written: unknown" in found.stdout
    assert "1 unknown: verify" in found.stderr


@pytest.mark.parametrize(("found", "said"), [
    (None, "unknown: verify"), (Progress.UNDER_WAY, "unknown: verify"), (Progress.REACHED, "unknown; found reached")])
def test_one_that_was_left_says_verify_until_somebody_looked(found: Progress | None, said: str) -> None:
    history = history_of(told(plan(), NOW, outcome=Outcome.UNKNOWN, reconciled=found))
    assert next(journal_lines(history)).endswith(f"  {said}")


def test_json_has_the_actions_and_the_records(tmp_path: Path) -> None:
    acted(tmp_path, reason="x\u202ey")
    found = json.loads(run("journal", "show", "--format", "json").stdout)
    assert found["schema"] == "triage.journal/v1"
    assert [a["outcome"] for a in found["actions"]] == ["done"]
    assert [r["kind"] for r in found["records"]] == ["opened", "begun", "intent", "result", "concluded"]
    assert found["actions"][0]["reason"] == "x{u+202e}y"


def test_only_the_last_are_shown_when_asked_for(tmp_path: Path) -> None:
    acted(tmp_path)
    World(tmp_path / "world").put(version="8")
    acted(tmp_path, reason="again")
    assert len(json.loads(run("journal", "show", "--format", "json", "--last", "1").stdout)["actions"]) == 1
    shown = run("journal", "show", "--last", "1")
    assert "again" in shown.stdout
    assert "errors" not in shown.stdout
    assert shown.stderr.startswith("2 actions")


def test_an_intact_journal_ends_with_0_and_says_what_is_not_anchored(tmp_path: Path) -> None:
    acted(tmp_path)
    found = run("journal", "verify")
    assert found.exit_code == 0
    assert found.stdout.startswith("intact: 5 records, 1 to 5\n  head 5:")
    assert "5 of 5 records are not anchored: cutting these off would not be noticed" in found.stdout


def test_the_head_it_prints_is_the_one_it_takes(tmp_path: Path) -> None:
    acted(tmp_path)
    head = run("journal", "verify").stdout.split("head ")[1].split()[0]
    again = run("journal", "verify", "--expect-head", head)
    assert (again.exit_code, "every record is anchored" in again.stdout) == (0, True)
    assert run("journal", "verify", "--expect-head", f"99:{head[2:]}").exit_code == 2
    assert run("journal", "verify", "--expect-head", "nonsense").exit_code == 64


def test_one_that_was_tampered_with_ends_with_2(tmp_path: Path) -> None:
    acted(tmp_path)
    file = next((tmp_path / "state" / "journal").glob("*.jsonl"))
    file.write_bytes(file.read_bytes().replace(b'"actor":"ana"', b'"actor":"eve"'))
    found = run("journal", "verify", "--format", "json")
    assert found.exit_code == 2
    body = json.loads(found.stdout)
    assert (body["integrity"], body["exit_code"]) == ("tampered", 2)
    assert body["findings"]


def test_one_that_is_not_there_or_cannot_be_read_ends_with_3(tmp_path: Path) -> None:
    assert run("journal", "verify").exit_code == 3
    assert run("journal", "show").exit_code == 0
    acted(tmp_path)
    (tmp_path / "state" / "journal").chmod(0o755)
    for command in ("verify", "show"):
        found = run("journal", command)
        assert found.exit_code == 3
        assert "open to other users" in found.stderr


def test_journal_leases_and_freeze_file_lie_where_the_configuration_says(tmp_path: Path) -> None:
    active = configured(tmp_path, {
        "journal": {"folder": "audit", "anchor": {"kind": "file", "path": "far/checkpoints"}},
        "leases": {"kind": "files", "folder": "shared"}, "freeze_file": "freeze"})
    of = open_journal(active, ManualClock(), {})
    assert of.folder.path == tmp_path / "audit"
    assert of.anchor is not None
    leases = open_leases(active, of.origin, None, {})
    assert isinstance(leases, FileLeases)
    assert mode_of(active, write=True, environ={}).allows
    (tmp_path / "freeze").touch()
    assert mode_of(active, write=True, environ={}).killed


def test_a_context_may_allow_writing_and_a_variable_forbid_it(tmp_path: Path) -> None:
    active = configured(tmp_path, {}, allow_write=True)
    assert mode_of(active, write=False, environ={}).allows
    assert mode_of(active, write=True, environ={"TRIAGE_READONLY": "1"}).killed


def test_leases_in_a_cluster_need_a_cluster(tmp_path: Path) -> None:
    active = configured(tmp_path, {"leases": {"kind": "kubernetes", "namespace": "ml"}})
    origin = open_journal(active, ManualClock(), {"TRIAGE_STATE": str(tmp_path)}).origin
    with pytest.raises(ConfigError, match="the context names no kubernetes"):
        open_leases(active, origin, None, {})
    client = KubernetesClient(Endpoint(url=NOWHERE), ManualClock())
    assert isinstance(open_leases(active, origin, client, {}), KubernetesLeases)
    asyncio.run(client.aclose())


def test_a_system_log_is_a_second_place_that_is_compared_by_hand(tmp_path: Path) -> None:
    of = open_journal(configured(tmp_path, {"journal": {"anchor": {"kind": "syslog"}}}), ManualClock(),
                      {"TRIAGE_STATE": str(tmp_path)})
    assert of.anchor is not None
    assert of.anchor.read() is None
