"""What HAProxy's runtime API tells: recorded answers of HAProxy 2.6, other servers in its place, and none at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.actions.rollouts.conftest import NOTHING, manifest
from triage.actions.plan import Action, Plan
from triage.actions.rollouts.by_kind import Setting, system_of
from triage.actions.rollouts.haproxy import HaproxyBackend
from triage.actions.system import Fate, Offer, Progress, Refusal, Wish
from triage.clock import ManualClock
from triage.config import Active, Context
from triage.config_sources import HaproxySocket
from triage.endpoints import Endpoint
from triage.facts.outcome import Failure, FailureKind
from triage.facts.rollouts import Phase, Split
from triage.notebook.manifest import Rollout
from triage.sources.checkup_haproxy import check_haproxy
from triage.sources.haproxy import HaproxyClient, NotConnected, ServerLine, parse_backend
from triage.sources.rollouts.haproxy import facts

HEAD = "# pxname,svname,scur,status,weight,act,bck,algo,uweight,\n"
STATE = ("1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight\n"
         "3 fraud 1 m7a 127.0.0.1 2 0 90 90\n3 fraud 2 m7b 127.0.0.1 2 0 90 90\n3 fraud 3 m8 127.0.0.1 0 0 20 20\n\n")
SERVERS = {"7": ["m7a", "m7b"], "8": ["m8"]}


def stat(*rows: tuple[str, str, int], algorithm: str = "roundrobin", backend: str = "fraud") -> str:
    lines = [f"{backend},{name},0,{status},{weight},1,0,,{weight},\n" for name, status, weight in rows]
    return HEAD + "f,FRONTEND,0,OPEN,,,,,,\n" + "".join(lines) + f"{backend},BACKEND,0,UP,1,1,0,{algorithm},1,\n\n"


USUAL = stat(("m7a", "no check", 90), ("m7b", "UP", 90), ("m8", "UP", 20))


def rollout(**changes: Any) -> Rollout:
    return Rollout.model_validate({"kind": "haproxy", "name": "fraud", "servers": SERVERS} | changes)


@asynccontextmanager
async def speaking(folder: Path, answers: Mapping[str, str | None]) -> AsyncIterator[HaproxySocket]:
    """A socket that answers commands, by how they begin; None: the connection is cut in the middle."""
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = (await reader.readline()).decode()
        answer = next((text for start, text in answers.items() if command.startswith(start)), "Unknown command: x\n")
        if answer is None:
            writer.transport.abort()
            return
        writer.write(answer.encode())
        writer.close()

    server = await asyncio.start_unix_server(talk, str(folder / "s"))
    async with server:
        yield HaproxySocket(socket=str(folder / "s"))


def active(where: HaproxySocket | None) -> Active:
    return Active("prod", Context(prometheus=Endpoint(url="http://127.0.0.1:1"), haproxy=where), (), None)


def client(where: HaproxySocket) -> HaproxyClient:
    return HaproxyClient(where, active(where), ManualClock())


def test_a_backend_is_read_from_two_tables() -> None:
    found = parse_backend("fraud", USUAL, STATE)
    assert found.algorithm == "roundrobin"
    assert found.servers[2] == ServerLine("m8", "UP", 20, 20, False, 0)


@pytest.mark.parametrize(("status", "weight", "ready", "serves"), [
    ("UP", 5, True, True), ("UP 1/2", 5, True, True), ("no check", 5, True, True), ("DRAIN", 0, True, False),
    ("DRAIN", 5, False, False), ("MAINT", 5, False, False), ("DOWN", 5, False, False), ("NOLB", 5, False, False)])
def test_a_server_that_is_drained_by_hand_is_not_ready_and_one_without_weight_is(
        status: str, weight: int, ready: bool, serves: bool) -> None:
    line = ServerLine("m", status, weight, 5, False, 0)
    assert (line.ready, line.serves) == (ready, serves)


def test_weights_are_shares_and_no_roles() -> None:
    found = facts(rollout(), parse_backend("fraud", USUAL, STATE), 5.0)
    assert (found.stable, found.canary, found.phase) == (None, None, Phase.PROGRESSING)
    assert found.splits == (Split("7", 180, 180, 90.0), Split("8", 20, 20, 10.0))


def test_who_has_all_the_traffic_is_stable() -> None:
    table = stat(("m7a", "DRAIN", 0), ("m7b", "DRAIN", 0), ("m8", "UP", 20))
    found = facts(rollout(), parse_backend("fraud", table, STATE), 5.0)
    assert found.stable is not None
    assert (found.stable.version, found.canary, found.phase) == ("8", None, Phase.HEALTHY)


@pytest.mark.parametrize(("rows", "phase", "said"), [
    ([("m7a", "UP", 90), ("m7b", "UP", 90), ("m8", "DRAIN", 0)], Phase.HEALTHY, ""),
    ([("m7a", "DOWN", 90), ("m7b", "MAINT", 90), ("m8", "UP", 20)], Phase.PROGRESSING, ""),
    ([("m7a", "DOWN", 90), ("m7b", "MAINT", 90), ("m8", "DOWN", 20)], Phase.DEGRADED, "no server of 7 and 8 is up"),
    ([("m7a", "DRAIN", 0), ("m7b", "DRAIN", 0), ("m8", "DRAIN", 0)], Phase.DEGRADED, "no server has a weight"),
    ([("m7a", "UP", 90), ("m8", "UP", 20)], Phase.DEGRADED, "it has no server m7b")])
def test_what_is_wrong_with_a_backend_is_said(rows: list[tuple[str, str, int]], phase: Phase, said: str) -> None:
    found = facts(rollout(), parse_backend("fraud", stat(*rows), STATE), 5.0)
    assert (found.phase, found.message) == (phase, said)


@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_is_answered_is_read_or_refused(first: str, second: str) -> None:
    for text in (first, HEAD + first):
        try:
            parse_backend("fraud", text, second)
        except (ValueError, LookupError):
            continue


@pytest.mark.parametrize(("answers", "kind", "said"), [
    ({"show": "Permission denied\n"}, FailureKind.FORBIDDEN, "refuses show stat"),
    ({"show stat": stat(("m7a", "UP", 1), backend="other"), "show servers": STATE}, FailureKind.NOT_FOUND,
     "has no backend fraud"),
    ({"show": "HTTP/1.1 400 Bad request\n"}, FailureKind.BROKEN, "does not answer as HAProxy"),
    ({"show": None}, FailureKind.CONNECT, "closed without an answer")])
async def test_trouble_is_a_failure_with_its_reason(
        tmp_path: Path, answers: dict[str, str | None], kind: FailureKind, said: str) -> None:
    async with speaking(tmp_path, answers) as where:
        found = await client(where).backend("fraud")
    assert isinstance(found, Failure)
    assert said in found.message
    assert found.kind is kind


async def test_no_socket_is_told_from_no_answer(tmp_path: Path) -> None:
    asked = client(HaproxySocket(socket=str(tmp_path / "gone")))
    with pytest.raises(NotConnected, match="there is no such socket"):
        await asked.exchange("show stat")
    found = await asked.backend("fraud")
    assert isinstance(found, Failure)
    assert found.hint


def system(where: HaproxySocket | None, **spec: Any) -> HaproxyBackend | Refusal:
    usual: dict[str, Any] = {"rollout": {"kind": "haproxy", "name": "fraud", "servers": SERVERS},
                             "rollback": {"last_known_good": "7"}}
    promised = manifest(**(usual | spec))
    found = system_of(Setting(promised, active(where), ManualClock()))
    assert isinstance(found, HaproxyBackend | Refusal)
    return found


async def test_a_command_whose_answer_is_lost_is_unknown_and_one_that_never_left_is_not_sent(tmp_path: Path) -> None:
    async with speaking(tmp_path, {"show stat": USUAL, "show servers": STATE, "set": None}) as where:
        made = system(where)
        assert isinstance(made, HaproxyBackend)
        observed = await made.observe()
        assert not isinstance(observed, Failure)
        plan = made.plan(Wish(Action.ABORT), observed, NOTHING, "ana", 0.0)
        assert isinstance(plan, Plan)
        assert (await made.send(plan.requests[0], "a")).fate is Fate.UNKNOWN
        assert made.sighting(plan, observed).progress is Progress.ELSEWHERE
    assert (await made.send(plan.requests[0], "a")).fate is Fate.NOT_SENT


async def offers(folder: Path, table: str, **spec: Any) -> dict[Action, Offer]:
    async with speaking(folder, {"show stat": table, "show servers": STATE}) as where:
        made = system(where, **spec)
        assert isinstance(made, HaproxyBackend)
        observed = await made.observe()
        assert not isinstance(observed, Failure)
        return {each.action: each for each in made.offers(observed, NOTHING)}


async def test_every_action_is_possible_or_refused_with_what_to_do(tmp_path: Path) -> None:
    found = await offers(tmp_path, USUAL)
    assert {each for each in Action if found[each].refusal is None} == {
        Action.ROLLBACK, Action.ABORT, Action.PROMOTE, Action.PROMOTE_FULL}
    assert found[Action.ROLLBACK].sentence == "v7 takes all traffic, at once"
    for offer in found.values():
        assert offer.refusal is None or offer.refusal.hint


async def test_with_one_version_serving_nothing_is_aborted_and_a_version_has_to_be_named(tmp_path: Path) -> None:
    found = await offers(tmp_path, stat(("m7a", "UP", 90), ("m7b", "UP", 90), ("m8", "DRAIN", 0)), rollback={})
    assert found[Action.ABORT].refusal is not None
    assert found[Action.ROLLBACK].sentence == "to a version that is named: 1 to choose from"


async def test_where_nobody_knows_the_roles_only_a_rollback_by_name_is_offered(tmp_path: Path) -> None:
    found = await offers(tmp_path, stat(("m7a", "UP", 30), ("m7b", "UP", 30), ("m8", "UP", 180)), rollback={})
    assert found[Action.ROLLBACK].sentence == "to a version that is named: 2 to choose from"
    for action, named in ((Action.ABORT, Action.ROLLBACK), (Action.PROMOTE, Action.PROMOTE)):
        refusal = found[action].refusal
        assert refusal is not None
        assert refusal.message == "which of 7 (25 %) and 8 (75 %) is stable, and which on trial, is not known"
        assert f"triage act {named} fraud-scorer --to 7 or 8" in refusal.hint


async def test_servers_that_the_backend_does_not_have_stop_everything(tmp_path: Path) -> None:
    found = await offers(tmp_path, stat(("m7a", "UP", 90), ("m8", "UP", 20)))
    refusal = found[Action.ABORT].refusal
    assert refusal is not None
    assert "has no server m7b" in refusal.message


def test_without_haproxy_in_the_context_there_is_no_system() -> None:
    found = system(None)
    assert isinstance(found, Refusal)
    assert "names no HAProxy" in found.message


@pytest.mark.parametrize(("changes", "said"), [
    ({"servers": {}}, "which servers serve which version"), ({"servers": {"7": []}}, "which servers"),
    ({"servers": {"7": ["a"], "8": ["a"]}}, "a"), ({"servers": {"7": ["a; show info"]}}, "no name of a backend"),
    ({"name": "fraud/x 1"}, "no name of a backend"), ({"kind": "argo"}, "has servers")])
def test_a_manifest_that_cannot_be_meant_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        rollout(**changes)


@pytest.mark.parametrize("text", ["nowhere", ":99", "host:0", "host:70000", "a b:1"])
def test_an_address_needs_host_and_port(text: str) -> None:
    with pytest.raises(ValidationError, match="no host with its port"):
        HaproxySocket(address=text)


def test_one_place_is_named() -> None:
    with pytest.raises(ValidationError, match="exactly one"):
        HaproxySocket(socket="a", address="b:1")


@pytest.mark.parametrize(("level", "allow_write", "missing", "warned"), [
    ("admin", True, [], False), ("admin", False, [], True), ("operator", True, ["setting weights"], False),
    ("operator", False, [], False), ("user", False, ["weights"], False)])
async def test_the_doctor_says_what_the_socket_may(
        tmp_path: Path, level: str, allow_write: bool, missing: list[str], warned: bool) -> None:
    async with speaking(tmp_path, {"show cli level": f"{level}\n\n"}) as where:
        around = active(where)
        found = await check_haproxy(where, replace(around, context=around.context.model_copy(
            update={"allow_write": allow_write})), ManualClock())
    assert [each.what for each in found.capabilities if each.state == "missing"] == missing
    assert bool(found.warnings) is warned


async def test_the_doctor_says_that_nothing_answers(tmp_path: Path) -> None:
    where = HaproxySocket(socket=str(tmp_path / "gone"))
    found = await check_haproxy(where, active(where), ManualClock())
    assert "there is no such socket" in found.error
