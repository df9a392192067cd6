"""Silences against the lab's Alertmanager: what is refused, what is shown, what is there afterwards."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request as Starlet
from starlette.responses import Response
from starlette.routing import Route

from tests.actions.building import ARMED
from tests.actions.rollouts.conftest import manifest
from tests.lab.serving import serving
from triage.actions.circumstances import Policy
from triage.actions.executor import Executor
from triage.actions.freeze import WriteMode
from triage.actions.history import Outcome
from triage.actions.journal import Journal, Origin
from triage.actions.lease_files import FileLeases
from triage.actions.matchers import parse_matchers, shown
from triage.actions.plan import Action, Plan, Request
from triage.actions.rollouts.by_kind import Setting
from triage.actions.silence import MOST_ALERTS, MOST_SILENCES, Heard, Silencing, _rfc3339
from triage.actions.steps import Confirmation, Prepared
from triage.actions.system import Fate, Offer, Progress, Refusal, Wish
from triage.actions.systems import silencing
from triage.clock import ManualClock
from triage.config import Active, Context
from triage.endpoints import Endpoint
from triage.facts.outcome import Failure
from triage.lab.alerting.book import AlertBook
from triage.lab.alerting.notices import Notice
from triage.lab.apis.alertmanager import app
from triage.live.snapshot import Snapshot
from triage.state_dir import StateDir

MANIFEST = manifest(alerts={"labels": {"model": "fraud-scorer"}, "page": ["ErrorBudgetBurn"]})


@dataclass
class Ward:
    """One Alertmanager and one model's silences in it."""

    book: AlertBook
    clock: ManualClock
    system: Silencing

    def fire(self, name: str, count: int = 1, **labels: str) -> None:
        now = self.clock.now()
        labels = {"alertname": name, "model": "fraud-scorer"} | labels
        self.book.receive(Notice(labels | {"pod": str(number)}, {}, now - 60, now + 86400) for number in range(count))

    @property
    def nothing(self) -> Snapshot:
        return Snapshot(self.clock.now(), "lab", False, (), (), ())

    async def wish(self, action: Action = Action.SILENCE, *, reason: str = "known, being fixed",
                   incident: str = "INC-7", **parameters: str) -> Plan | Refusal:
        observed = await self.system.observe()
        assert not isinstance(observed, Failure), observed
        wish = Wish(action, reason, incident=incident, parameters=parameters)
        return self.system.plan(wish, observed, self.nothing, "unverified: ana@x", self.clock.now())

    async def plan(self, action: Action = Action.SILENCE, **parameters: str) -> Plan:
        found = await self.wish(action, **parameters)
        assert isinstance(found, Plan), found
        return found

    async def refusal(self, action: Action = Action.SILENCE, **parameters: str) -> Refusal:
        found = await self.wish(action, **parameters)
        assert isinstance(found, Refusal), found
        assert found.hint
        return found

    async def do(self, action: Action = Action.SILENCE, **parameters: str) -> Plan:
        plan = await self.plan(action, **parameters)
        assert [(await self.system.send(each, "a1")).fate for each in plan.requests] == [Fate.DONE]
        return plan

    async def progress(self, plan: Plan) -> Progress:
        observed = await self.system.observe()
        assert not isinstance(observed, Failure), observed
        return self.system.sighting(plan, observed).progress

    async def offers(self) -> dict[Action, Offer]:
        observed = await self.system.observe()
        assert not isinstance(observed, Failure), observed
        return {each.action: each for each in self.system.offers(observed, self.nothing)}


@pytest.fixture
async def ward() -> AsyncIterator[Ward]:
    clock = ManualClock()
    book = AlertBook(clock)
    with serving(app(book)) as url:
        active = Active("lab", Context(prometheus=Endpoint(url=url), alertmanager=Endpoint(url=url)), (), None)
        system = silencing(Setting(MANIFEST, active, clock))
        assert isinstance(system, Silencing)
        yield Ward(book, clock, system)
        await system.aclose()


async def test_the_only_alert_that_fires_is_silenced_for_an_hour_by_its_name_the_models_labels_and_its_version(
        ward: Ward) -> None:
    ward.fire("ErrorBudgetBurn", 2, model_version="8")
    plan = await ward.do()
    silence, = ward.book.silences()
    assert {(m.name, m.value, m.is_regex) for m in silence.matchers} == {
        ("alertname", "ErrorBudgetBurn", False), ("model", "fraud-scorer", False), ("model_version", "8", False)}
    assert (silence.ends_at - ward.clock.now(), silence.created_by, silence.comment) == (
        3600, "ana@x", "known, being fixed (incident INC-7)")
    assert await ward.progress(plan) is Progress.REACHED
    assert plan.blast_radius.sentence == "hides 2 alerts: ErrorBudgetBurn; no other model's"
    assert "pages" in plan.warnings[0]
    assert "(1 h from now)" in plan.after.text


async def test_a_silence_through_the_executor_is_journalled_and_verified(ward: Ward, tmp_path: Path) -> None:
    ward.fire("ErrorBudgetBurn")
    origin = Origin("laptop", "ana", 1, 1, "")
    executor = Executor(ward.system, Journal(StateDir(tmp_path / "j"), ward.clock, origin=origin),
                        FileLeases(StateDir(tmp_path / "l"), "laptop"), ward.clock, Policy(), lambda: ARMED,
                        lambda: ward.nothing)
    prepared = await executor.prepare(Wish(Action.SILENCE, "known", incident="INC-7"))
    assert isinstance(prepared, Prepared)
    steps = [step async for step in executor.carry_out(prepared, Confirmation("fraud-scorer"))]
    assert Outcome.DONE in [step.outcome for step in steps], steps
    assert len(ward.book.silences()) == 1


async def test_without_write_mode_no_silence_is_made(ward: Ward, tmp_path: Path) -> None:
    ward.fire("ErrorBudgetBurn")
    executor = Executor(ward.system, Journal(StateDir(tmp_path / "j"), ward.clock), FileLeases(
        StateDir(tmp_path / "l"), "laptop"), ward.clock, Policy(), lambda: WriteMode(False, False, "read-only"),
        lambda: None)
    prepared = await executor.prepare(Wish(Action.SILENCE, "known", incident="INC-7"))
    assert isinstance(prepared, Prepared)
    steps = [step async for step in executor.carry_out(prepared, Confirmation("fraud-scorer"))]
    assert [step.outcome for step in steps] == [Outcome.REFUSED]
    assert not ward.book.silences()


@pytest.mark.parametrize(("parameters", "said"), [
    ({"matchers": 'alertname=~"Error.*"'}, "no equality"),
    ({"matchers": "alertname!=X"}, "no equality"),
    ({"matchers": "model=fraud-scorer"}, "no alertname"),
    ({"matchers": "alertname=X,model=chat"}, "another model's"),
    ({"matchers": "alertname"}, "no matchers"),
    ({"matchers": "alertname="}, "has no value"),
    ({"matchers": "alertname=X,alertname=Y"}, "two values"),
    ({"alert": "NoSuchAlert"}, "is called"),
    ({"duration": "5h"}, "too long"),
    ({"duration": "soon"}, "no duration"),
])
async def test_a_silence_that_could_hide_more_than_is_meant_is_refused(
        ward: Ward, parameters: dict[str, str], said: str) -> None:
    ward.fire("ErrorBudgetBurn")
    assert said in (await ward.refusal(Action.SILENCE, **parameters)).message


async def test_a_silence_without_a_reason_is_refused(ward: Ward) -> None:
    ward.fire("ErrorBudgetBurn")
    refusal = await ward.wish(reason="  ")
    assert isinstance(refusal, Refusal)
    assert "needs a reason" in refusal.message


async def test_a_silence_without_an_incident_is_refused_and_another_place_can_be_named(ward: Ward) -> None:
    ward.fire("ErrorBudgetBurn")
    refusal = await ward.wish(incident=" ")
    assert isinstance(refusal, Refusal)
    assert refusal.message == "a silence belongs to an incident, and none is open"
    assert "incident=ID" in refusal.hint
    observed = await ward.system.observe()
    assert not isinstance(observed, Failure)
    named = ward.system.plan(Wish(Action.SILENCE, "upgrade", parameters={"incident": "CHG-12"}), observed, ward.nothing,
                             "ana", ward.clock.now())
    assert isinstance(named, Plan)
    assert named.incident == "CHG-12"
    assert json.loads(named.requests[0].body)["comment"] == "upgrade (incident CHG-12)"


async def test_the_preview_says_the_worst_severity_and_whose_alerts_it_hides(ward: Ward) -> None:
    ward.fire("ErrorBudgetBurn", severity="warning", team="ml")
    ward.fire("ErrorBudgetBurn", severity="critical", team="payments")
    plan = await ward.plan()
    assert plan.blast_radius.sentence == (
        "hides 2 alerts: ErrorBudgetBurn, at worst critical, of ml, payments; no other model's")
    # What is critical is hidden by nobody who has not typed for it.
    assert plan.confirmation


async def test_what_a_wider_silence_hides_already_is_not_silenced_again(ward: Ward) -> None:
    ward.fire("ErrorBudgetBurn", model_version="8")
    await ward.do(matchers="alertname=ErrorBudgetBurn", duration="2h")
    refusal = await ward.refusal(matchers="alertname=ErrorBudgetBurn,model_version=8")
    assert refusal.message.startswith("it is silenced already: alertname=ErrorBudgetBurn, model=fraud-scorer until ")


@pytest.mark.parametrize(("first", "then"), [("", ",model_version=8"), (",model_version=8", "")])
async def test_a_silence_that_overlaps_with_another_says_so(ward: Ward, first: str, then: str) -> None:
    ward.fire("ErrorBudgetBurn", model_version="8")
    await ward.do(matchers=f"alertname=ErrorBudgetBurn{first}", duration="20m")
    plan = await ward.plan(matchers=f"alertname=ErrorBudgetBurn{then}", duration="1h")
    assert any(each.startswith("part of it is silenced already: ") for each in plan.warnings)


@pytest.mark.parametrize(("said", "warned"), [("ready", False), ("disabled", False), ("settling", True), ("", True)])
async def test_a_cluster_that_is_not_ready_may_page_all_the_same(ward: Ward, said: str, warned: bool) -> None:
    observed = await ward.system.observe()
    assert isinstance(observed, Heard)
    assert observed.cluster == "disabled"
    plan = ward.system.plan(Wish(Action.SILENCE, "known", incident="INC-7", parameters={"matchers": "alertname=A"}),
                            replace(observed, cluster=said), ward.nothing, "ana", ward.clock.now())
    assert isinstance(plan, Plan)
    assert any("may page until they have heard of it" in each for each in plan.warnings) is warned


async def test_with_several_alerts_one_has_to_be_named(ward: Ward) -> None:
    ward.fire("ErrorBudgetBurn")
    ward.fire("Drift")
    refusal = await ward.refusal()
    assert (refusal.message, refusal.hint) == ("no alert is named", "firing: Drift, ErrorBudgetBurn")
    plan = await ward.do(alert="Drift", duration="30m")
    assert plan.warnings == ()
    assert (await ward.offers())[Action.SILENCE].sentence == "hide ErrorBudgetBurn for a while"


async def test_too_many_alerts_at_once_are_not_hidden(ward: Ward) -> None:
    ward.fire("ErrorBudgetBurn", MOST_ALERTS + 1)
    assert f"hide {MOST_ALERTS + 1} alerts" in (await ward.refusal()).message


async def test_too_many_silences_are_refused(ward: Ward) -> None:
    for number in range(MOST_SILENCES):
        await ward.do(matchers=f"alertname=A{number}")
    assert "active already" in (await ward.refusal(matchers="alertname=One")).message


async def test_a_silence_that_is_there_is_made_longer_and_never_shorter(ward: Ward) -> None:
    ward.fire("ErrorBudgetBurn")
    await ward.do(duration="30m")
    ward.clock.advance(60)
    assert "silenced already" in (await ward.refusal(matchers="alertname=ErrorBudgetBurn", duration="10m")).message
    plan = await ward.do(matchers="alertname=ErrorBudgetBurn", duration="2h")
    assert "made longer" in plan.requests[0].sentence
    active = [each for each in ward.book.silences() if each.state(ward.clock.now()).value == "active"]
    assert [each.ends_at - ward.clock.now() for each in active] == [7200]
    assert await ward.progress(plan) is Progress.REACHED


async def test_alerts_of_other_models_are_never_hidden() -> None:
    clock = ManualClock()
    book = AlertBook(clock)
    now = clock.now()
    book.receive([Notice({"alertname": name, "job": "a"}, {}, now - 5, now + 600) for name in ("Slow", "DiskFull")])
    with serving(app(book)) as url:
        active = Active("lab", Context(prometheus=Endpoint(url=url), alertmanager=Endpoint(url=url)), (), None)
        system = silencing(Setting(manifest(alerts={"page": ["Slow"]}), active, clock))
        assert isinstance(system, Silencing)
        ward = Ward(book, clock, system)
        assert "1 alert of other models: DiskFull" in (await ward.refusal(matchers="alertname=DiskFull,job=a")).message
        assert "too broad" in (await ward.refusal(alert="Slow")).message
        assert "hides 1 alert: Slow" in (await ward.plan(matchers="alertname=Slow,job=a")).blast_radius.sentence
        await system.aclose()


async def test_a_silence_without_an_alert_that_fires_says_so(ward: Ward) -> None:
    plan = await ward.plan(matchers="alertname=Later")
    assert plan.warnings == ("no alert of it fires now: check the matchers",)
    assert plan.blast_radius.sentence == "hides no alert that fires now"


async def test_a_silence_is_expired_and_its_alerts_are_heard_again(ward: Ward) -> None:
    ward.fire("ErrorBudgetBurn")
    await ward.do()
    plan = await ward.plan(Action.EXPIRE_SILENCE)
    assert plan.after.text == "1 alert heard again"
    assert plan.warnings == ("ana@x said: known, being fixed (incident INC-7)",)
    assert await ward.progress(plan) is Progress.ELSEWHERE
    assert (await ward.system.send(plan.requests[0], "a2")).fate is Fate.DONE
    assert await ward.progress(plan) is Progress.REACHED
    assert "no silence of fraud-scorer is active" in (await ward.refusal(Action.EXPIRE_SILENCE)).message


async def test_of_several_silences_the_one_to_expire_is_named(ward: Ward) -> None:
    for name in ("A", "B"):
        await ward.do(matchers=f"alertname={name}")
    assert (await ward.refusal(Action.EXPIRE_SILENCE)).message == "no silence is named"
    first = ward.book.silences()[0].id
    await ward.do(Action.EXPIRE_SILENCE, silence=first)
    assert "there is no silence gone" in (await ward.refusal(Action.EXPIRE_SILENCE, silence="gone")).message


async def test_a_silence_that_was_changed_since_the_plan_is_noticed_by_its_precondition(ward: Ward) -> None:
    await ward.do(matchers="alertname=A")
    plan = await ward.plan(Action.EXPIRE_SILENCE)
    await ward.do(matchers="alertname=A", duration="2h")
    observed = await ward.system.observe()
    assert not isinstance(observed, Failure)
    condition, = plan.requests[0].preconditions
    assert observed.values[condition.name] != condition.expected


def to_come(ward: Ward, begins_in: float, ends_in: float) -> None:
    """Somebody has silenced the alert for later, in another tool."""
    now = ward.clock.now()
    body = {"matchers": [{"name": name, "value": value, "isRegex": False, "isEqual": True}
                         for name, value in (("alertname", "ErrorBudgetBurn"), ("model", "fraud-scorer"))],
            "startsAt": _rfc3339(now + begins_in), "endsAt": _rfc3339(now + ends_in), "createdBy": "bo",
            "comment": "maintenance"}
    reach = ward.system._client.source.reach()
    assert httpx.post(f"{reach.base_url}/api/v2/silences", json=body, headers=dict(reach.headers)).status_code == 200


@pytest.mark.parametrize(("begins_in", "ends_in"), [(86400, 90000), (1800, 2400)])
async def test_a_silence_that_is_still_to_come_hides_nothing_now_and_stays_as_it_is(
        ward: Ward, begins_in: float, ends_in: float) -> None:
    ward.fire("ErrorBudgetBurn")
    to_come(ward, begins_in, ends_in)
    plan = await ward.do()
    assert any(warning.startswith("it is to be silenced once more: ") and " from " in warning
               for warning in plan.warnings)
    assert await ward.progress(plan) is Progress.REACHED
    now = ward.clock.now()
    assert sorted((round(each.starts_at - now), round(each.ends_at - now)) for each in ward.book.silences()) == [
        (0, 3600), (begins_in, ends_in)]


async def test_a_silence_that_is_still_to_come_can_be_taken_back(ward: Ward) -> None:
    to_come(ward, 1800, 3600)
    plan = await ward.do(Action.EXPIRE_SILENCE)
    assert await ward.progress(plan) is Progress.REACHED


@pytest.mark.parametrize(("status", "body", "fate"), [
    (202, {"silenceID": "abc"}, Fate.DONE), (201, {"queued": True}, Fate.UNKNOWN), (204, None, Fate.UNKNOWN)])
async def test_whatever_success_is_called_it_is_none_that_changed_nothing(
        status: int, body: dict[str, object] | None, fate: Fate) -> None:
    async def answer(request: Starlet) -> Response:
        return Response(None if body is None else json.dumps(body), status)
    somewhere = Starlette(routes=[Route("/api/v2/silences", answer, methods=["POST"])])
    with serving(somewhere) as url:
        active = Active("lab", Context(prometheus=Endpoint(url=url), alertmanager=Endpoint(url=url)), (), None)
        system = silencing(Setting(MANIFEST, active, ManualClock()))
        assert isinstance(system, Silencing)
        request = Request("POST", "/api/v2/silences", "application/json", "{}", "silence it", "hidden")
        assert (await system.send(request, "a1")).fate is fate
        await system.aclose()


async def test_everything_but_silencing_is_refused_with_a_reason(ward: Ward) -> None:
    offers = await ward.offers()
    assert set(offers) == set(Action)
    for action, offer in offers.items():
        assert offer.refusal is not None
        assert offer.refusal.hint
        assert (await ward.system.granted(action)).allowed is (action in ward.system.handled)
    assert "Alertmanager knows no rollback" in (await ward.refusal(Action.ROLLBACK)).message


async def test_a_refusal_of_the_server_is_told_and_nothing_is_changed(ward: Ward) -> None:
    plan = await ward.plan(matchers="alertname=A", duration="30m")
    ward.clock.advance(3600)
    sent = await ward.system.send(plan.requests[0], "a1")
    assert sent.fate is Fate.REFUSED
    assert sent.code == 400
    assert await ward.progress(plan) is Progress.ELSEWHERE


async def test_without_an_alertmanager_there_is_no_silencing() -> None:
    active = Active("lab", Context(prometheus=Endpoint(url="http://127.0.0.1:1")), (), None)
    found = silencing(Setting(MANIFEST, active, ManualClock()))
    assert isinstance(found, Refusal)
    assert "names no Alertmanager" in found.message


async def test_an_alertmanager_that_is_gone_is_a_failure_and_nothing_was_sent() -> None:
    gone = Endpoint(url="http://127.0.0.1:1")
    active = Active("lab", Context(prometheus=gone, alertmanager=gone), (), None)
    system = silencing(Setting(MANIFEST, active, ManualClock()))
    assert isinstance(system, Silencing)
    assert isinstance(await system.observe(), Failure)
    await system.aclose()


@given(st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True), st.text(min_size=1, max_size=8),
                       max_size=4))
def test_matchers_that_are_quoted_are_read_back(labels: dict[str, str]) -> None:
    def quoted(value: str) -> str:
        return value.replace("\\", "\\\\").replace('"', '\\"')
    text = ",".join(f'{name}="{quoted(value)}"' for name, value in labels.items())
    assert parse_matchers(text) == tuple(sorted(labels.items()))


@given(st.text(max_size=30))
def test_whatever_is_written_is_read_as_equalities_or_refused(text: str) -> None:
    found = parse_matchers(text)
    assert isinstance(found, Refusal) or all(value for _, value in found)
    if not isinstance(found, Refusal):
        assert "\x1b" not in shown(found)
