"""kubeconfig files: what is read of them, and what is refused with a way out."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from triage.endpoints import ConfigError, SecretRef
from triage.sources.kubeconfig import Login, read_login

Write = Callable[..., Path]
SERVER = "https://k8s.example:6443"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A kubeconfig with one context ``prod``."""
    def write_file(user: dict[str, Any] | None = None, mode: int = 0o600, **cluster: Any) -> Path:
        file = tmp_path / "config"
        file.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "another",
            "clusters": [{"name": "c", "cluster": {"server": SERVER} | cluster}],
            "users": [{"name": "oncall", "user": {"token": "t0ken"} if user is None else user}],
            "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "oncall", "namespace": "ml"}},
                         {"name": "lost", "context": {"cluster": "gone", "user": "oncall"}},
                         {"name": "nobody", "context": {"cluster": "c"}}]}))
        file.chmod(mode)
        return file
    return write_file


def token_of(login: Login) -> str:
    assert login.token is not None
    return login.token()


def refused(path: Path, context: str = "prod", token: SecretRef | None = None) -> ConfigError:
    def use() -> None:
        login = read_login(path, context, token)
        if login.token is not None:
            login.token()
    with pytest.raises(ConfigError) as caught:
        use()
    return caught.value


def test_a_context_gives_server_token_and_namespace(write: Write) -> None:
    path = write()
    login = read_login(path, "prod")
    assert (login.server, login.namespace, token_of(login)) == (SERVER, "ml", "t0ken")
    assert login.credential == f"the token of user oncall in {path}"
    assert (login.authorities, login.certificate, login.key, login.proxy, login.server_name) == (None,) * 5


def test_a_token_is_not_in_what_is_printed_of_it(write: Write) -> None:
    user = {"client-certificate-data": encoded("C"), "client-key-data": encoded("very secret"), "token": "t0ken"}
    login = read_login(write(user), "prod")
    assert "t0ken" not in repr(login)
    assert "very secret" not in repr(login)


def test_certificates_written_in_place_are_decoded(write: Write) -> None:
    user = {"client-certificate-data": encoded("CERT"), "client-key-data": encoded("KEY")}
    login = read_login(write(user, **{"certificate-authority-data": encoded("CA")}), "prod")
    assert (login.authorities, login.certificate, login.key, login.token) == (b"CA", b"CERT", b"KEY", None)
    assert login.credential.startswith("the client certificate of user oncall")


def test_files_are_relative_to_the_kubeconfig_and_what_is_written_in_place_goes_first(write: Write) -> None:
    path = write({"client-certificate": "c.pem", "client-key": "k.pem", "client-key-data": encoded("IN PLACE")},
                 **{"certificate-authority": "ca.pem"})
    for name, content in (("c.pem", "C"), ("k.pem", "K"), ("ca.pem", "CA")):
        (path.parent / name).write_text(content)
    login = read_login(path, "prod")
    assert (login.authorities, login.certificate, login.key) == (b"CA", b"C", b"IN PLACE")


def test_a_token_file_is_read_each_time_and_goes_before_a_token(write: Write) -> None:
    path = write({"tokenFile": "token", "token": "old"})
    (path.parent / "token").write_text("one\n")
    login = read_login(path, "prod")
    assert token_of(login) == "one"
    (path.parent / "token").write_text("two\n")
    assert token_of(login) == "two"


def test_a_token_file_that_kubernetes_itself_put_there_may_be_readable(write: Write) -> None:
    path = write({"tokenFile": "token"})
    (path.parent / "token").write_text("projected")
    (path.parent / "token").chmod(0o644)
    assert token_of(read_login(path, "prod")) == "projected"


def test_proxy_and_server_name_of_the_cluster_count(write: Write) -> None:
    login = read_login(write(**{"proxy-url": "http://proxy.example:3128", "tls-server-name": "inside.example"}), "prod")
    assert (login.proxy, login.server_name) == ("http://proxy.example:3128", "inside.example")


def test_whom_the_user_acts_as_becomes_headers(write: Write) -> None:
    user = {"token": "t", "as": "viewer", "as-uid": "7", "as-groups": ["readers", "oncall"],
            "as-user-extra": {"Scopes/of it": ["a", "b"]}}
    assert read_login(write(user), "prod").headers == (
        ("Impersonate-User", "viewer"), ("Impersonate-Uid", "7"), ("Impersonate-Group", "readers"),
        ("Impersonate-Group", "oncall"), ("Impersonate-Extra-scopes%2Fof%20it", "a"),
        ("Impersonate-Extra-scopes%2Fof%20it", "b"))


def test_a_context_without_a_user_is_nobody(write: Write) -> None:
    login = read_login(write(), "nobody")
    assert (login.token, login.credential) == (None, "")


def test_what_kubernetes_has_dropped_is_refused_with_what_to_use_instead(write: Write) -> None:
    error = refused(write({"auth-provider": {"name": "gcp"}}))
    assert "user oncall" in error.message
    assert "bearer_token: {command:" in error.hint


def test_reading_a_kubeconfig_runs_no_plugin(write: Write, tmp_path: Path) -> None:
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch",
                     "args": [str(tmp_path / "ran")], "interactiveMode": "Never"}}
    login = read_login(write(user), "prod")
    assert login.plugin is not None
    assert login.credential == f"what the plugin of user oncall in {tmp_path / 'config'} prints"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("written_out", [{"token": "t"}, {"client-certificate-data": encoded("C"),
                                                          "client-key-data": encoded("K")}])
def test_a_credential_that_is_written_out_goes_before_a_plugin(write: Write, written_out: dict[str, str]) -> None:
    assert read_login(write({"exec": {"command": "aws"}} | written_out), "prod").plugin is None


def test_a_token_by_reference_takes_the_place_of_a_plugin(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_TOKEN", "by-reference")
    path = write({"exec": {"command": "aws"}, "as": "root"}, **{"certificate-authority-data": encoded("CA")})
    login = read_login(path, "prod", SecretRef(env="K8S_TOKEN"))
    assert (token_of(login), login.credential) == ("by-reference", "the token from env K8S_TOKEN")
    assert (login.authorities, login.headers, login.plugin) == (b"CA", (), None)


@pytest.mark.parametrize(("user", "cluster", "words"), [
    ({"username": "a", "password": "b"}, {}, "user name and a password"),
    ({"token": 5}, {}, "token in the kubeconfig is not text"),
    ({"token": "two words"}, {}, "not one line of ASCII"), ({"token": "ü"}, {}, "not one line of ASCII"),
    ({"tokenFile": "missing"}, {}, "cannot be read"), ({"tokenFile": "."}, {}, "Is a directory"),
    ({"client-certificate-data": "C"}, {}, "-data of user"),
    ({"client-certificate-data": "Q0M="}, {}, "without its key"),
    ({"token": "t", "as": "a", "as-groups": "b"}, {}, "lists of texts"),
    ({"token": "t", "as": "a", "as-user-extra": {"a": "b"}}, {}, "lists of texts"),
    ({"token": "t", "as-groups": ["a"]}, {}, "impersonates without a user"),
    ({"token": "t", "as": "a\u00fc"}, {}, "which a header cannot hold"),
    ({"exec": "aws"}, {}, "is no mapping"), ({"exec": {"args": []}}, {}, "without a command"),
    ({"exec": {"command": "aws"}}, {}, "speaks no apiVersion"),
    ({"exec": {"command": "aws", "apiVersion": "client.authentication.k8s.io/v1alpha1"}}, {}, "v1alpha1"),
    ({"exec": {"command": "aws", "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Always"}}, {},
     "always asks on a terminal"),
    ({"exec": {"command": "aws", "apiVersion": "client.authentication.k8s.io/v1", "args": "a b"}}, {}, "no list of"),
    ({"exec": {"command": "aws", "apiVersion": "client.authentication.k8s.io/v1", "env": {"A": "b"}}}, {},
     "no list of"),
    (None, {"insecure-skip-tls-verify": True}, "turns the verification"),
    (None, {"server": ""}, "has no server"), (None, {"server": "k8s.example"}, "is not an http"),
    (None, {"server": "https://u:hunter2@k8s.example"}, "user name or password in clear"),
    (None, {"proxy-url": "ftp://proxy"}, "proxy-url"), (None, {"proxy-url": "http://u:hunter2@proxy"}, "proxy-url"),
    (None, {"certificate-authority": "missing.pem"}, "cannot be read"),
    (None, {"certificate-authority-data": "?"}, "not base64")])
def test_what_cannot_be_used_is_refused_with_a_way_out(write: Write, user: dict[str, Any] | None,
                                                       cluster: dict[str, Any], words: str) -> None:
    error = refused(write(user, **cluster))
    assert words in error.message
    assert error.hint
    assert "hunter2" not in error.message + error.hint


@pytest.mark.parametrize(("context", "words", "hint"), [
    ("stage", "there is no context stage", "there are: prod, lost, nobody"),
    ("lost", "there is no cluster gone", "there are: c"), ("", "without a name", "there are: prod")])
def test_names_that_are_not_there_are_told_with_those_that_are(write: Write, context: str, words: str,
                                                               hint: str) -> None:
    error = refused(write(), context)
    assert words in error.message
    assert error.hint.startswith(hint)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(write: Write, mode: int) -> None:
    error = refused(write({}, mode))
    assert "written by others" in error.message
    assert error.hint.endswith(f"chmod 600 {write({}, mode)}")


@pytest.mark.parametrize("secret", [{"token": "t"}, {"client-key-data": "S0VZ"}])
def test_a_file_with_a_secret_that_others_may_read_is_refused(write: Write, secret: dict[str, str]) -> None:
    assert "holds a credential and can be read by others (mode 0644)" in refused(write(secret, 0o644)).message


def test_a_file_without_secrets_may_be_read_by_others(write: Write) -> None:
    path = write({"tokenFile": "token"}, 0o644)
    assert read_login(path, "prod").server == SERVER


@pytest.mark.parametrize(("content", "words"), [
    ("a: [", "is not YAML"), ("token: \x00", "is not YAML"), ("[1, 2]", "no kubeconfig"), ("", "no kubeconfig"),
    ("contexts: 5", "no kubeconfig"), ("contexts: []", "no context prod"), ("contexts: [{name: prod}]", "is empty"),
    ("contexts: [{name: prod, context: {cluster: c}}]\nclusters: 5", "no cluster c")])
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "config"
    file.write_text(content)
    file.chmod(0o600)
    assert words in refused(file).message


def test_a_file_that_is_not_there_and_a_named_pipe_are_refused(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refused(tmp_path / "config").message
    os.mkfifo(tmp_path / "pipe")
    assert "is not a file" in refused(tmp_path / "pipe").message


def test_a_parsers_words_never_quote_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("users: [{user: {token: 'hunter2}}]")
    file.chmod(0o600)
    error = refused(file)
    assert "hunter2" not in f"{error.message} {error.hint} {error.__cause__} {error.__suppress_context__}"
