"""The lab as a process: who it answers, what it says about itself, and how it ends."""

from __future__ import annotations

import email.utils
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from triage.cli_lab import configured
from triage.lab.apis.past import Stage
from triage.lab.child import TOKENS_VARIABLE, Birth, LabProcess
from triage.lab.clock import LabClock
from triage.lab.serve import serve
from triage.lab.site import Tokens
from triage.lab.world.scenario import load
from triage.lab.world.world import World

STARTS_AT = 1_793_628_300.0
FROZEN = Birth("healthy", LabClock(STARTS_AT, STARTS_AT, speed=0.0), features=("promql-experimental-functions",))
GONE_WITHIN_SECONDS = 5.0


@pytest.fixture(scope="module")
def lab() -> Iterator[LabProcess]:
    with LabProcess(FROZEN) as running:
        yield running


def ask(lab: LabProcess, path: str, *, token: str | None = None, method: str = "GET", **more: object) -> httpx.Response:
    headers = {"Authorization": f"Bearer {lab.read_token if token is None else token}"} if token != "" else {}
    with httpx.Client(trust_env=False, timeout=20) as client:
        return client.request(method, f"{lab.url}{path}", headers=headers, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("path", "wanted"), [
    ("/prometheus/api/v1/query?query=count(up)", '"status":"success"'),
    ("/prometheus/api/v1/query?query=limitk(1,up)", '"status":"success"'),
    ("/alertmanager/api/v2/status", '"versionInfo"'),
    ("/mlflow/api/2.0/mlflow/registered-models/search", "fraud-scorer"),
    ("/kubernetes/apis/argoproj.io/v1alpha1/rollouts", "fraud-scorer"),
    ("/loki/loki/api/v1/labels", "success"),
    ("/pipelines/runs", "[]"),
    ("/lab/scenario", "healthy"),
])
def test_every_system_answers_who_has_a_token_and_nobody_else(lab: LabProcess, path: str, wanted: str) -> None:
    answer = ask(lab, path)
    assert answer.status_code == 200
    assert wanted in answer.text
    assert ask(lab, path, token="").status_code == 401
    assert ask(lab, path, token="guessed").status_code == 401


def test_answers_are_dated_in_the_time_of_the_world(lab: LabProcess) -> None:
    said = ask(lab, "/prometheus/-/ready").headers["date"]
    assert email.utils.parsedate_to_datetime(said).timestamp() == STARTS_AT


def test_the_token_that_reads_changes_nothing(lab: LabProcess) -> None:
    silence = {"matchers": [{"name": "a", "value": "b", "isRegex": False}], "startsAt": "2026-11-02T14:00:00Z",
               "endsAt": "2026-11-02T15:00:00Z", "createdBy": "me", "comment": "c"}
    assert ask(lab, "/alertmanager/api/v2/silences", method="POST", json=silence).status_code == 403
    alias = {"name": "fraud-scorer", "alias": "champion", "version": "7"}
    assert ask(lab, "/mlflow/api/2.0/mlflow/registered-models/alias", method="POST", json=alias).status_code == 403
    assert ask(lab, "/lab/silent/prometheus", method="PUT").status_code == 403
    shed = {"model": "fraud-scorer", "share": 0.5}
    assert ask(lab, "/pipelines/shed-load", method="POST", json=shed).status_code == 403
    rollout = "/kubernetes/apis/argoproj.io/v1alpha1/namespaces/ml/rollouts/fraud-scorer"
    with httpx.Client(trust_env=False) as client:
        patch = client.patch(lab.url + rollout, content=b'{"spec":{"paused":true}}', headers={
            "Authorization": f"Bearer {lab.read_token}", "Content-Type": "application/merge-patch+json"})
    assert (patch.status_code, patch.json()["reason"]) == (403, "Forbidden")
    assert ask(lab, "/alertmanager/api/v2/silences", method="POST", json=silence, token=lab.token).status_code == 200


def test_a_colleague_may_change_the_world_too_under_a_name_of_their_own(lab: LabProcess) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    names = [ask(lab, "/kubernetes/apis/authentication.k8s.io/v1/selfsubjectreviews", method="POST", json=review,
                 token=token).json()["status"]["userInfo"]["username"] for token in (lab.token, lab.second_token)]
    assert names == ["lab-engineer", "lab-colleague"]
    assert ask(lab, "/lab/silent/nobody", method="PUT", token=lab.second_token).status_code == 404


def test_the_configuration_of_a_colleague_is_beside_ones_own(lab: LabProcess) -> None:
    mine, theirs = configured(lab, writes=True), configured(lab, second=True)
    assert (mine.config, theirs.config) == (str(lab.folder / "triage.yaml"), str(lab.folder / "triage-colleague.yaml"))
    token = lab.folder / "token-of-a-colleague"
    assert (token.read_text(), token.stat().st_mode & 0o777) == (lab.second_token, 0o600)
    assert str(token) in (lab.folder / "triage-colleague.yaml").read_text()
    assert str(token) not in (lab.folder / "triage.yaml").read_text()


def test_the_truth_is_told_only_when_asked_for(lab: LabProcess) -> None:
    assert "root_cause" not in ask(lab, "/lab/scenario").text
    assert "root_cause" in ask(lab, "/lab/scenario?truth=1").json()["scenario"]["truth"]


@pytest.mark.parametrize("system", ["prometheus", "alertmanager"])
def test_a_system_falls_silent_and_comes_back(lab: LabProcess, system: str) -> None:
    lab.silence(system, "refuse")
    assert ask(lab, f"/{system}/-/healthy").status_code == 503
    lab.silence(system, "hang")
    with pytest.raises(httpx.ReadTimeout), httpx.Client(trust_env=False, timeout=0.3) as client:
        client.get(f"{lab.url}/{system}/-/healthy", headers={"Authorization": f"Bearer {lab.read_token}"})
    lab.silence(system, None)
    assert ask(lab, f"/{system}/-/healthy").status_code == 200


def test_only_known_systems_fall_silent_in_known_ways(lab: LabProcess) -> None:
    assert ask(lab, "/lab/silent/nobody", method="PUT", token=lab.token).status_code == 404
    assert ask(lab, "/lab/silent/loki?how=sulk", method="PUT", token=lab.token).status_code == 400
    assert ask(lab, "/lab/silent").json() == {}


def test_a_world_whose_clock_stands_gives_equal_answers(lab: LabProcess) -> None:
    query = "/prometheus/api/v1/query?query=sum by (__name__) ({model=~\".%2B\"})"
    first = ask(lab, query).text
    with LabProcess(FROZEN) as other:
        assert ask(other, query).text == first


def test_its_folder_is_private_and_goes_with_it() -> None:
    with LabProcess(FROZEN) as running:
        assert running.folder.stat().st_mode & 0o077 == 0
        assert running.failure() is None
        pid = running.pid
    assert not running.folder.exists()
    assert not alive(pid)


def test_it_ends_with_its_parent_however_that_ends() -> None:
    code = ("import sys, time\nfrom tests.lab.test_process import FROZEN\nfrom triage.lab.child import LabProcess\n"
            "lab = LabProcess(FROZEN)\nprint(lab.pid, lab.folder, flush=True)\ntime.sleep(60)")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, folder = parent.stdout.readline().split()
        assert alive(int(pid))
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        until = time.monotonic() + GONE_WITHIN_SECONDS
        while alive(int(pid)) and time.monotonic() < until:
            time.sleep(0.02)
        assert not alive(int(pid))
        assert not Path(folder).exists()


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and was not waited for does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.parametrize(("arguments", "environment", "said"), [
    (("--scenario", "nothing-such", "--port", "0"), {TOKENS_VARIABLE: "a b"}, "nothing-such"),
    (("--scenario", "healthy", "--port", "0"), {TOKENS_VARIABLE: "one"}, "needs two tokens"),
    (("--scenario", "healthy", "--port", "0"), {TOKENS_VARIABLE: "a b c d"}, "needs two tokens"),
    (("--scenario", "healthy"), {TOKENS_VARIABLE: "a b"}, "one of the arguments --fd --port is required"),
])
def test_what_it_cannot_do_it_says(arguments: tuple[str, ...], environment: dict[str, str], said: str) -> None:
    done = subprocess.run([sys.executable, "-m", "triage.lab.serve", *arguments], capture_output=True, text=True,
                          check=False, env={**os.environ, **environment}, timeout=30)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_world_that_breaks_ends_the_lab_with_its_error() -> None:
    class Broken(World):
        def advance(self, now: float) -> None:
            raise RuntimeError("the world broke")

        def make_past(self) -> None:
            self.past.reached(Stage.WHOLE)

    world = Broken(load("healthy"), 1, FROZEN.clock)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        with pytest.raises(ExceptionGroup) as raised:
            await serve(world, Tokens("write", "read"), listening)
    assert raised.group_contains(RuntimeError, match="the world broke")


def test_a_lab_that_ended_by_itself_says_why() -> None:
    with LabProcess(Birth("nothing-such", FROZEN.clock)) as lab:
        until = time.monotonic() + 20
        while lab.failure() is None and time.monotonic() < until:
            time.sleep(0.02)
        assert "nothing-such" in (lab.failure() or "")


def test_a_clock_that_stands_is_put_forward_and_the_world_lives_on() -> None:
    query = "/prometheus/api/v1/query?query=" + "timestamp(up{job=\"fraud-scorer\"})"
    with LabProcess(FROZEN) as lab:
        before = ask(lab, "/lab/scenario").json()["now"]
        lab.forward(600)
        assert ask(lab, "/lab/scenario").json()["now"] == before + 600
        samples = ask(lab, query).json()["data"]["result"]
        assert samples
        assert all(before < float(each["value"][1]) <= before + 600 for each in samples)
        assert ask(lab, "/lab/clock?forward=60", method="PUT").status_code == 403
        for wrong in ("", "0", "-5", "1e9", "x"):
            answer = ask(lab, f"/lab/clock?forward={wrong}", method="PUT", token=lab.token)
            assert (answer.status_code, "1 to 21600" in answer.text) == (400, True), wrong


def test_a_clock_that_runs_is_not_put_forward() -> None:
    with LabProcess(Birth("healthy", LabClock(STARTS_AT, time.time()))) as lab:
        answer = ask(lab, "/lab/clock?forward=60", method="PUT", token=lab.token)
        assert answer.status_code == 409
        assert "--speed 0" in answer.text
