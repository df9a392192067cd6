"""Credential plugins: how they are run, what is believed of what they print, and when they are run again."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from tests.sources.faults import FaultServer, Handler, Request, json_answer
from tests.sources.test_kubernetes import ROLLOUT, pem, status, tls_server, written
from triage.clock import ManualClock
from triage.endpoints import ConfigError
from triage.facts.outcome import Failure, FailureKind
from triage.sources.kubeconfig_exec import Credential, Plugin, program_of
from triage.sources.kubernetes import ROLLOUTS, KubernetesClient, connect

V1, V1BETA1 = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"
NOW = 1_795_400_000.0
Write = Callable[..., Path]


def answer(version: str = V1, **told: Any) -> str:
    return json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": told})


def script(folder: Path, text: str, name: str = "login") -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def printing(folder: Path, *answers: str) -> Path:
    """A plugin that prints one answer after the other, and counts its calls in ``calls``."""
    for number, each in enumerate(answers, 1):
        (folder / f"answer-{number}").write_text(each)
    return script(folder, f'cd "{folder}"; echo x >> calls; n=$(wc -l < calls | tr -d " ")\n'
                          f'[ "$n" -gt {len(answers)} ] && n={len(answers)}\ncat "answer-$n"')


def calls(folder: Path) -> int:
    return (folder / "calls").read_text().count("x") if (folder / "calls").exists() else 0


def plugin(command: Path | str, version: str = V1, *, cluster: Mapping[str, Any] | None = None, seconds: float = 20.0,
           now: Callable[[], float] = lambda: NOW, **spec: Any) -> Plugin:
    entry = {"apiVersion": version, "command": str(command), "interactiveMode": "IfAvailable"} | spec
    return Plugin(program_of(entry, Path("/nowhere"), cluster or {}, "user oncall"), "user oncall", now, seconds)


def refused(found: Plugin) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        found.take()
    assert caught.value.hint
    return caught.value


def test_it_is_told_that_nobody_can_answer_and_has_neither_input_nor_terminal(tmp_path: Path) -> None:
    told = tmp_path / "told"
    command = script(tmp_path, f'printf %s "$KUBERNETES_EXEC_INFO" > {told}\n'
                     f"cat > {tmp_path}/input\n(echo hello > /dev/tty) 2> /dev/null && touch {tmp_path}/terminal\n"
                     f"echo '{answer(token='t')}'")
    assert plugin(command).take() == Credential("t", None, None, None)
    assert json.loads(told.read_text()) == {"apiVersion": V1, "kind": "ExecCredential", "spec": {"interactive": False}}
    assert (tmp_path / "input").read_bytes() == b""
    assert not (tmp_path / "terminal").exists()


@pytest.mark.parametrize("version", [V1, V1BETA1])
def test_both_versions_are_spoken(tmp_path: Path, version: str) -> None:
    assert plugin(printing(tmp_path, answer(version, token="t")), version).take().token == "t"


def test_arguments_and_variables_of_the_kubeconfig_are_given(tmp_path: Path) -> None:
    command = script(tmp_path, 'echo "{\\"apiVersion\\":\\"' + V1 + '\\",\\"kind\\":\\"ExecCredential\\",'
                     '\\"status\\":{\\"token\\":\\"$1-$ROLE\\"}}"')
    assert plugin(command, args=["eks"], env=[{"name": "ROLE", "value": "oncall"}]).take().token == "eks-oncall"


def test_a_plugin_that_wants_to_know_is_told_of_the_cluster_without_who_we_are(tmp_path: Path) -> None:
    told = tmp_path / "told"
    command = script(tmp_path, f"printf %s \"$KUBERNETES_EXEC_INFO\" > {told}; echo '{answer(token='t')}'")
    cluster = {"server": "https://k8s.example", "certificate-authority-data": "Q0E=", "insecure-skip-tls-verify": False,
               "extensions": [{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "a"}}]}
    plugin(command, cluster=cluster, provideClusterInfo=True).take()
    assert json.loads(told.read_text())["spec"] == {"interactive": False, "cluster": {
        "server": "https://k8s.example", "certificate-authority-data": "Q0E=", "config": {"audience": "a"}}}


def test_a_relative_path_is_beside_the_kubeconfig_and_a_name_is_looked_up(tmp_path: Path,
                                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    printing(tmp_path, answer(token="t"))
    spec = {"apiVersion": V1, "command": "./login"}
    assert Plugin(program_of(spec, tmp_path, {}, "u"), "u").take().token == "t"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert plugin("login").take().token == "t"


def test_a_plugin_that_is_not_there_is_told_with_the_kubeconfigs_own_hint() -> None:
    error = refused(plugin("no-such-plugin", installHint="brew install \x1b[31mit"))
    assert error.message == "the plugin no-such-plugin of user oncall is not installed here, or cannot be run"
    assert error.hint == "brew install ␛[31mit"


@pytest.mark.parametrize(("text", "words"), [
    ("exit 3", "ended with status 3"), ("echo no", "printed no JSON"), ("echo '[]'", "printed no ExecCredential"),
    (f"echo '{answer(V1BETA1, token='t')}'", "answers in another version"),
    (f"echo '{answer()}'", "printed neither a token nor a certificate"),
    (f"echo '{answer(token='two words')}'", "not one line of ASCII"),
    (f"echo '{answer(token='t', expirationTimestamp='tomorrow')}'", "is no time"),
    (f"echo '{answer(clientCertificateData='-----BEGIN x')}'", "without its key"),
    (f"echo '{answer(clientCertificateData='Q0M=', clientKeyData='Q0M=')}'", "is not PEM")])
def test_what_cannot_be_used_is_refused_with_a_way_out(tmp_path: Path, text: str, words: str) -> None:
    assert words in refused(plugin(script(tmp_path, text))).message


def test_what_a_plugin_prints_in_its_trouble_is_in_no_message(tmp_path: Path) -> None:
    error = refused(plugin(script(tmp_path, "echo hunter2; echo hunter2 >&2; exit 1")))
    assert "hunter2" not in error.message + error.hint
    assert "hunter2" not in repr(plugin(printing(tmp_path, answer(token="hunter2"))).take())


def test_a_plugin_that_waits_for_somebody_is_ended_with_what_it_started(tmp_path: Path) -> None:
    command = script(tmp_path, f"sleep 600 &\necho $! > {tmp_path}/child\nwait")
    assert "took longer than 0.5 s" in refused(plugin(command, seconds=0.5)).message
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 10
    while _lives(child):
        assert time.monotonic() < deadline, "what the plugin started goes on"
        time.sleep(0.01)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[:1]


def test_it_is_run_again_only_when_it_is_asked_for_another(tmp_path: Path) -> None:
    found = plugin(printing(tmp_path, answer(token="one"), answer(token="two")))
    assert (found.credential.token, found.credential.token, found.take().token, calls(tmp_path)) == (
        "one", "one", "one", 1)
    assert (found.take().token, calls(tmp_path)) == ("two", 2)


def test_its_end_is_the_one_it_names(tmp_path: Path) -> None:
    at = [NOW]
    end = datetime.fromtimestamp(NOW + 60, UTC).isoformat()
    found = plugin(printing(tmp_path, answer(token="t", expirationTimestamp=end)), now=lambda: at[0])
    assert not found.expired()
    found.take()
    assert not found.expired()
    at[0] += 60
    assert found.expired()


def test_without_an_end_it_never_ends(tmp_path: Path) -> None:
    found = plugin(printing(tmp_path, answer(token="t")), now=lambda: NOW * 2)
    found.take()
    assert not found.expired()


@given(st.binary(max_size=200) | st.recursive(st.none() | st.booleans() | st.text(max_size=5), lambda inner: st.lists(
    inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "apiVersion", "status", "token"]), inner)).map(
        lambda value: json.dumps(value).encode()))
def test_whatever_is_printed_is_a_credential_or_a_refusal(printed: bytes) -> None:
    found: Credential | str
    try:
        found = plugin("x")._parsed(printed)
    except ConfigError as error:
        found = error.hint
    assert found if isinstance(found, str) else found.token or found.certificate


class TestConnected:
    """With the client that uses what a plugin prints."""

    @staticmethod
    def taking(token: str) -> Handler:
        async def handle(request: Request, writer: Any) -> object:
            known = request.headers.get("authorization") == f"Bearer {token}"
            return await (json_answer(ROLLOUT) if known else status(401, "Unauthorized", "Unauthorized"))(
                request, writer)
        return handle

    @staticmethod
    def of(folder: Path, url: str, command: Path, **cluster: Any) -> KubernetesClient:
        user = {"exec": {"apiVersion": V1, "command": str(command), "interactiveMode": "Never"}}
        client = connect(written(folder, url, user, **cluster), ManualClock())
        assert client is not None
        return client

    async def test_a_token_that_is_not_taken_any_more_is_asked_for_anew(self, tmp_path: Path) -> None:
        command = printing(tmp_path, answer(token="old"), answer(token="new"))
        async with FaultServer(self.taking("new")) as server:
            client = self.of(tmp_path, server.url, command)
            assert await client.read(ROLLOUTS, "ml", "fraud") == ROLLOUT
            await client.aclose()
        assert (calls(tmp_path), len(server.requests)) == (2, 2)

    async def test_a_403_never_runs_it_again(self, tmp_path: Path) -> None:
        command = printing(tmp_path, answer(token="t"))
        async with FaultServer(status(403, "Forbidden", "no")) as server:
            client = self.of(tmp_path, server.url, command)
            for _ in range(3):
                found = await client.read(ROLLOUTS, "ml", "fraud")
                assert isinstance(found, Failure)
                assert found.kind is FailureKind.FORBIDDEN
            await client.aclose()
        assert calls(tmp_path) == 1

    async def test_after_its_end_it_is_run_before_anything_is_asked(self, tmp_path: Path) -> None:
        past = datetime.fromtimestamp(1, UTC).isoformat()
        command = printing(tmp_path, answer(token="old", expirationTimestamp=past), answer(token="new"))
        async with FaultServer(self.taking("new")) as server:
            client = self.of(tmp_path, server.url, command)
            assert await client.read(ROLLOUTS, "ml", "fraud") == ROLLOUT
            await client.read(ROLLOUTS, "ml", "fraud")
            await client.aclose()
        assert [request.headers["authorization"] for request in server.requests] == ["Bearer new"] * 2
        assert calls(tmp_path) == 2

    async def test_a_certificate_is_shown_and_its_successor_in_new_connections(
            self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        authority = trustme.CA()
        temporary = tmp_path / "tmp"
        temporary.mkdir()
        monkeypatch.setenv("TMPDIR", str(temporary))
        shown: list[str] = []

        def certificate(name: str, **more: str) -> str:
            issued = authority.issue_cert(f"{name}.example")
            return answer(clientCertificateData=issued.cert_chain_pems[0].bytes().decode(),
                          clientKeyData=issued.private_key_pem.bytes().decode(), **more)
        past = datetime.fromtimestamp(1, UTC).isoformat()
        command = printing(tmp_path, certificate("old", expirationTimestamp=past), certificate("new"))

        async def handle(request: Request, writer: Any) -> object:
            names = writer.get_extra_info("peercert")["subjectAltName"]
            shown.extend(name for _, name in names)
            assert "authorization" not in request.headers
            return await json_answer(ROLLOUT)(request, writer)
        async with FaultServer(handle, tls_server(authority, clients=True)) as server:
            client = self.of(tmp_path, server.url, command,
                             **{"certificate-authority-data": pem(authority.cert_pem)})
            assert await client.read(ROLLOUTS, "ml", "fraud") == ROLLOUT
            await client.aclose()
        assert shown == ["new.example"]
        assert list(temporary.iterdir()) == []
