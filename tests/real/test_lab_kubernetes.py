"""kubectl against the lab's Kubernetes API: discovery, reading, patching, watching and rolling back."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
import yaml

from tests.lab.cluster.ground import READY_SECONDS, Ground
from tests.lab.serving import serving
from tests.real.conftest import installed
from tests.real.servers import binary
from triage.lab.apis.kubernetes import app

_LIMIT_SECONDS = 30.0
LEASE = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "triage-fraud"},
         "spec": {"holderIdentity": "me", "leaseDurationSeconds": 30}}


@dataclass(frozen=True)
class Kubectl:
    """The program with a configuration of its own: one server, and a user for each token."""

    program: str
    folder: Path

    def command(self, arguments: Sequence[str], user: str) -> list[str]:
        return [self.program, "--cache-dir", str(self.folder / "cache"), "--context", user, "-n", "ml", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LD_LIBRARY_PATH")}
        return kept | {"HOME": str(self.folder), "KUBECONFIG": str(self.folder / "config"), "NO_PROXY": "*"}

    def run(self, *arguments: str, user: str = "operator", stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(arguments, user), env=self.environment, input=stdin, text=True,
                              capture_output=True, timeout=_LIMIT_SECONDS, check=False)

    def __call__(self, *arguments: str, user: str = "operator", stdin: str = "") -> str:
        """What it prints. Fails the test when it fails."""
        done = self.run(*arguments, user=user, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, *arguments: str, user: str = "operator", stdin: str = "") -> str:
        """What it complains about. Fails the test when it does not fail."""
        done = self.run(*arguments, user=user, stdin=stdin)
        assert done.returncode != 0, done.stdout
        return done.stderr


@contextmanager
def _program() -> Iterator[str]:
    yield binary("kubectl")


@pytest.fixture(scope="module")
def program() -> Iterator[str]:
    with installed(_program()) as found:
        yield found


@pytest.fixture
def ground() -> Ground:
    """A canary of version 8 at 10 percent; a deployment whose version 2 follows 1. Its clock is moved, never advanced:
    the server's own thread does that."""
    ground = Ground().with_rollout().with_deployment()
    ground.deploy("2", "chat")
    ground.wait(5 * READY_SECONDS)
    ground.deploy("8")
    return ground


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def kubectl(program: str, ground: Ground, authority: trustme.CA, tmp_path: Path) -> Iterator[Kubectl]:
    certificate = tmp_path / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    # Over plain HTTP kubectl would leave its token out.
    with serving(app(ground.cluster), certificate) as url:
        users = {"operator": "writing", "viewer": "reading", "stranger": "wrong"}
        (tmp_path / "config").write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config",
            "clusters": [{"name": "lab", "cluster": {"server": url,
                                                     "certificate-authority": str(tmp_path / "authority.pem")}}],
            "users": [{"name": name, "user": {"token": token}} for name, token in users.items()],
            "contexts": [{"name": name, "context": {"cluster": "lab", "user": name}} for name in users]}))
        yield Kubectl(program, tmp_path)


def test_get_prints_the_columns_of_each_kind(kubectl: Kubectl) -> None:
    table = [line.split() for line in kubectl("get", "rollouts,deployments,replicasets").splitlines() if line]
    assert table[0] == ["NAME", "DESIRED", "CURRENT", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert table[1][:5] == ["rollout.argoproj.io/fraud", "5", "6", "1", "6"]
    assert ["deployment.apps/chat", "4/4", "4", "4"] in [row[:4] for row in table]


def test_get_finds_pods_by_label_in_every_namespace(kubectl: Kubectl) -> None:
    names = kubectl("get", "pods", "-A", "-l", "app.kubernetes.io/version in (8)", "-o", "name").split()
    assert len(names) == 1
    assert names[0].startswith("pod/fraud-")


def test_get_knows_short_names_and_gives_the_whole_object(kubectl: Kubectl) -> None:
    item = json.loads(kubectl("get", "ro", "fraud", "-o", "json"))
    assert item["status"]["phase"] == "Paused"
    assert item["status"]["canary"]["weights"]["canary"]["weight"] == 10


def test_describe_shows_the_events_of_an_object(kubectl: Kubectl) -> None:
    text = kubectl("describe", "rollout", "fraud")
    assert "Rollout step 1/4 completed (setWeight: 10)" in text
    assert "StrategyType:           RollingUpdate" in kubectl("describe", "deployment", "chat")
    assert "ContainersReady" in kubectl("describe", "pods", "-l", "app.kubernetes.io/version=8")


def test_api_resources_lists_what_there_is(kubectl: Kubectl) -> None:
    text = kubectl("api-resources", "--api-group=argoproj.io", "-o", "name")
    assert text.split() == ["rollouts.argoproj.io"]


def test_a_merge_patch_pauses_and_a_dry_run_does_not(kubectl: Kubectl) -> None:
    pause = ("patch", "rollout", "fraud", "--type", "merge", "-p", '{"spec":{"paused":true}}')
    shown = kubectl(*pause, "--dry-run=server", "-o", "jsonpath={.spec.paused}")
    assert shown == "true"
    assert kubectl("get", "rollout", "fraud", "-o", "jsonpath={.spec.paused}") == ""
    kubectl(*pause)
    assert kubectl("get", "rollout", "fraud", "-o", "jsonpath={.status.message}") == "manually paused"


def test_a_json_patch_with_a_test_that_holds_is_done_and_one_that_fails_is_not(kubectl: Kubectl) -> None:
    def patch(stable: str) -> Sequence[str]:
        operations = [{"op": "test", "path": "/status/stableRS", "value": stable},
                      {"op": "add", "path": "/spec/paused", "value": True}]
        return ("patch", "rollout", "fraud", "--type", "json", "-p", json.dumps(operations))

    assert "The request is invalid" in kubectl.refused(*patch("another"))
    kubectl(*patch(kubectl("get", "rollout", "fraud", "-o", "jsonpath={.status.stableRS}")))
    assert kubectl("get", "rollout", "fraud", "-o", "jsonpath={.spec.paused}") == "true"


def test_a_strategic_patch_is_for_built_in_kinds_only(kubectl: Kubectl) -> None:
    assert "unknown format" in kubectl.refused("patch", "rollout", "fraud", "-p", '{"spec":{"paused":true}}')
    kubectl("set", "image", "deployment/chat", "server=chat:3")
    images = kubectl("get", "deployment", "chat", "-o", "jsonpath={.spec.template.spec.containers[*].image}")
    assert images == "chat:3"


def test_an_abort_through_the_status_returns_the_traffic(kubectl: Kubectl) -> None:
    raw = "/apis/argoproj.io/v1alpha1/namespaces/ml/rollouts/fraud/status"
    item = json.loads(kubectl("get", "--raw", raw))
    item["status"]["abort"] = True
    kubectl("replace", "--raw", raw, "-f", "-", stdin=json.dumps(item))
    fields = "jsonpath={.status.phase} {.status.canary.weights.stable.weight}"
    assert kubectl("get", "rollout", "fraud", "-o", fields) == "Degraded 100"


def test_can_i_answers_by_the_role(kubectl: Kubectl) -> None:
    question = ("auth", "can-i", "patch", "rollouts.argoproj.io", "--subresource=status")
    assert kubectl(*question).strip() == "yes"
    assert kubectl.run(*question, user="viewer").stdout.strip() == "no"
    assert "rollouts" in kubectl("auth", "can-i", "--list")


def test_who_may_not_is_forbidden_and_a_wrong_token_is_nobody(kubectl: Kubectl) -> None:
    assert 'User "viewer" cannot patch resource "rollouts"' in kubectl.refused("annotate", "rollout", "fraud", "a=b",
                                                                              user="viewer")
    assert "You must be logged in" in kubectl.refused("get", "pods", user="stranger")
    assert kubectl("get", "pods", "-o", "name", user="viewer").count("pod/") == 10


def test_an_annotation_is_written_under_kubectls_name(kubectl: Kubectl) -> None:
    kubectl("annotate", "rollout", "fraud", "triage.dev/last-action=abort")
    item = json.loads(kubectl("get", "--raw", "/apis/argoproj.io/v1alpha1/namespaces/ml/rollouts/fraud"))
    assert item["metadata"]["annotations"]["triage.dev/last-action"] == "abort"
    assert "kubectl-annotate" in [entry["manager"] for entry in item["metadata"]["managedFields"]]


def test_a_lease_is_created_once_and_deleted(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=json.dumps(LEASE))
    assert "AlreadyExists" in kubectl.refused("create", "-f", "-", stdin=json.dumps(LEASE))
    assert kubectl("get", "lease", "triage-fraud").split()[3:5] == ["triage-fraud", "me"]
    kubectl("delete", "lease", "triage-fraud")
    assert "NotFound" in kubectl.refused("get", "lease", "triage-fraud")


def test_a_stale_replacement_is_a_conflict(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=json.dumps(LEASE))
    stale = json.loads(kubectl("get", "lease", "triage-fraud", "-o", "json"))
    kubectl("annotate", "lease", "triage-fraud", "a=b")
    assert "Conflict" in kubectl.refused("replace", "-f", "-", stdin=json.dumps(stale))


def test_a_deployment_is_rolled_back_to_its_old_replica_set(kubectl: Kubectl, ground: Ground) -> None:
    assert "server dry run" in kubectl("rollout", "undo", "deployment", "chat", "--dry-run=server")
    kubectl("rollout", "undo", "deployment", "chat", "--to-revision=1")
    ground.clock.at += 5 * READY_SECONDS
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment", "chat", "--timeout=20s")
    history = kubectl("rollout", "history", "deployment", "chat").splitlines()
    assert [line.split()[0] for line in history[2:] if line] == ["2", "3"]
    assert len(kubectl("get", "pods", "-l", "app.kubernetes.io/version=1", "-o", "name").split()) == 4


def test_a_paused_deployment_is_not_rolled_back(kubectl: Kubectl) -> None:
    kubectl("rollout", "pause", "deployment", "chat")
    assert "paused" in kubectl.refused("rollout", "undo", "deployment", "chat")
    kubectl("rollout", "resume", "deployment", "chat")


def test_scale_and_restart_make_new_pods(kubectl: Kubectl, ground: Ground) -> None:
    kubectl("scale", "deployment", "chat", "--replicas=6")
    kubectl("rollout", "restart", "deployment", "chat")
    ground.clock.at += 10 * READY_SECONDS
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment", "chat", "--timeout=20s")
    assert kubectl("get", "deployment", "chat", "-o", "jsonpath={.status.readyReplicas}") == "6"


class Printed:
    """The lines that a program has printed so far."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self._stream = process.stdout
        self._text = b""
        os.set_blocking(self._stream.fileno(), False)

    def until(self, holds: Callable[[list[str]], bool], seconds: float) -> bool:
        """Read on until ``holds(lines)``. False when the time is over before."""
        ends = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._stream, selectors.EVENT_READ)
            while not holds(self._text.decode().splitlines()):
                if not selector.select(max(ends - time.monotonic(), 0)):
                    return False
                self._text += self._stream.read() or b""
        return True


def test_a_watch_sees_the_controller_at_work(kubectl: Kubectl, ground: Ground) -> None:
    line = 'jsonpath={.status.currentStepIndex} {.status.phase}{"\\n"}'
    watching = subprocess.Popen(kubectl.command(["get", "rollout", "fraud", "--watch", "-o", line], "operator"),
                                env=kubectl.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        printed = Printed(watching)
        # Its first line comes before the watch begins, and what the watch begins with is not printed again.
        begun = (kubectl("annotate", "rollout", "fraud", f"look={look}", "--overwrite")
                 and printed.until(lambda lines: len(lines) > 1, 1.0) for look in range(20))
        assert any(begun)
        ground.clock.at += 660
        assert printed.until(lambda lines: lines[-1] == "3 Paused", _LIMIT_SECONDS)
    finally:
        watching.terminate()
        watching.communicate(timeout=_LIMIT_SECONDS)
