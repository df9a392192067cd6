"""Credential plugins that a kubeconfig names: programs that print a token or a client certificate.

Source: ``client.authentication.k8s.io`` v1 and v1beta1. They run without a terminal: no input, a session of their own
(so that ``/dev/tty`` cannot be opened either), and they are told that nobody can answer. What they print stays in
memory.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from triage.endpoints import ConfigError
from triage.sources.decode import parse_time
from triage.text import clean

PLUGIN_SECONDS = 30.0
"""How long a plugin may take; some ask a server of their own."""
_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_NOT_INTERACTIVE = ("triage cannot give it a terminal: log in by hand first, and set bearer_token: {command: [...]} "
                    "beside kubeconfig to a program that prints the token without asking")
_BY_HAND = "run it by hand to see why; triage runs it without a terminal and without input"


@dataclass(frozen=True, slots=True)
class Credential:
    """What a plugin printed: a token, a client certificate, or both."""

    token: str = field(repr=False)
    """"" when there is none."""
    certificate: bytes | None
    """PEM."""
    key: bytes | None = field(repr=False)
    expires_at: float | None
    """Unix seconds; None when it does not say."""


@dataclass(frozen=True, slots=True)
class Program:
    """How a plugin is run."""

    api_version: str
    command: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    """In addition to ours."""
    install_hint: str
    """The kubeconfig's words on how to get it, cleaned; often ""."""
    cluster: Mapping[str, Any] | None
    """What is told of the cluster where it wants to know (``provideClusterInfo``); else None."""


def program_of(spec: Mapping[str, Any], folder: Path, cluster: Mapping[str, Any], said: str) -> Program:
    """The plugin of ``users[].user.exec``. ``cluster`` is the kubeconfig's entry; ``said`` names the user in messages.

    Raises :class:`~triage.endpoints.ConfigError` for one that cannot be run here.
    """
    command = _text(spec.get("command"))
    if not command:
        raise ConfigError(f"{said} has a credential plugin without a command", "add exec.command")
    named = clean(command, limit=80)
    version = _text(spec.get("apiVersion"))
    if version not in _VERSIONS:
        raise ConfigError(f"the plugin {named} of {said} speaks {clean(version, limit=80) or 'no apiVersion'}",
                          f"triage speaks {' and '.join(_VERSIONS)}: update the plugin, then its apiVersion")
    if _text(spec.get("interactiveMode")) == "Always":
        raise ConfigError(f"the plugin {named} of {said} always asks on a terminal", _NOT_INTERACTIVE)
    arguments, variables = spec.get("args") or [], spec.get("env") or []
    if not isinstance(arguments, list) or not all(isinstance(each, str) for each in arguments):
        raise ConfigError(f"the args of the plugin {named} of {said} are no list of texts", "write each in quotes")
    if not isinstance(variables, list) or not all(
            isinstance(each, dict) and isinstance(each.get("name"), str) and isinstance(each.get("value"), str)
            for each in variables):
        raise ConfigError(f"the env of the plugin {named} of {said} is no list of names and values",
                          "env: [{name: ..., value: ...}]")
    if "/" in command:
        # As client-go does it: relative to the kubeconfig and not to where we were started.
        command = str(folder / Path(command).expanduser())
    return Program(version, command, tuple(arguments), {each["name"]: each["value"] for each in variables},
                   clean(_text(spec.get("installHint")), limit=300),
                   _told(cluster) if spec.get("provideClusterInfo") is True else None)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _told(cluster: Mapping[str, Any]) -> Mapping[str, Any]:
    kept = {key: cluster[key] for key in ("server", "tls-server-name", "certificate-authority-data", "proxy-url")
            if key in cluster}
    extensions = cluster.get("extensions")
    for each in extensions if isinstance(extensions, list) else []:
        if isinstance(each, dict) and each.get("name") == "client.authentication.k8s.io/exec":
            kept["config"] = each.get("extension")
    return kept


class Plugin:
    """A plugin and what it printed last. Its methods block for as long as the program runs."""

    def __init__(self, program: Program, said: str, now: Callable[[], float] = time.time,
                 seconds: float = PLUGIN_SECONDS) -> None:
        self._program = program
        self._said = f"the plugin {clean(Path(program.command).name, limit=80)} of {said}"
        self._now = now
        self._seconds = seconds
        self._current: Credential | None = None
        self._is_new = False

    @property
    def credential(self) -> Credential:
        """The one in use; the plugin is run for the first one. Raises :class:`~triage.endpoints.ConfigError`."""
        if self._current is None:
            self._current, self._is_new = self._run(), True
        return self._current

    def take(self) -> Credential:
        """The one that nobody has taken yet, else a new one. Raises as :attr:`credential`, and keeps the old one then.

        It is called once at the start, and then when a server did not take the last one or its end has come; a
        *forbidden* is an answer to whom the server knows, and is none of these.
        """
        if self._is_new and self._current is not None:
            self._is_new = False
            return self._current
        self._current = self._run()
        return self._current

    def expired(self) -> bool:
        """Whether the end that the plugin named has come."""
        current = self._current
        return current is not None and current.expires_at is not None and self._now() >= current.expires_at

    def _run(self) -> Credential:
        program = self._program
        found = shutil.which(program.command)
        if found is None:
            raise ConfigError(f"{self._said} is not installed here, or cannot be run",
                              program.install_hint or "install it, and see that it is in PATH")
        told: dict[str, Any] = {"interactive": False}
        if program.cluster is not None:
            told["cluster"] = program.cluster
        about = json.dumps({"apiVersion": program.api_version, "kind": "ExecCredential", "spec": told})
        environment = {**os.environ, **program.environment, "KUBERNETES_EXEC_INFO": about}
        try:
            process = subprocess.Popen([found, *program.arguments], stdin=subprocess.DEVNULL,  # noqa: S603
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
                                       start_new_session=True)
        except (OSError, ValueError) as error:
            reason = clean(error.strerror if isinstance(error, OSError) and error.strerror else "failed")
            raise ConfigError(f"{self._said} cannot be run: {reason}", _BY_HAND) from None
        with process:
            try:
                printed, _ = process.communicate(timeout=self._seconds)
            except subprocess.TimeoutExpired:
                # With what it started: that too waits for an answer that nobody can give.
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise ConfigError(f"{self._said} took longer than {self._seconds:g} s", _BY_HAND) from None
        if process.returncode != 0:
            raise ConfigError(f"{self._said} ended with status {process.returncode}", _BY_HAND)
        return self._parsed(printed)

    def _parsed(self, printed: bytes) -> Credential:
        try:
            document = json.loads(printed)
        except (ValueError, RecursionError):
            raise ConfigError(f"{self._said} printed no JSON", _BY_HAND) from None
        if not isinstance(document, dict) or document.get("kind") != "ExecCredential":
            raise ConfigError(f"{self._said} printed no ExecCredential", _BY_HAND)
        if document.get("apiVersion") != self._program.api_version:
            raise ConfigError(f"{self._said} answers in another version than {self._program.api_version}",
                              "update the plugin, or exec.apiVersion in the kubeconfig")
        status = document.get("status")
        status = status if isinstance(status, dict) else {}
        token = _text(status.get("token"))
        if token and not (token.isascii() and token.isprintable() and " " not in token):
            raise ConfigError(f"{self._said} printed a token that is not one line of ASCII text", _BY_HAND)
        certificate, key = self._pem(status, "clientCertificateData"), self._pem(status, "clientKeyData")
        if (certificate is None) != (key is None):
            raise ConfigError(f"{self._said} printed a certificate without its key, or a key alone", _BY_HAND)
        if not token and certificate is None:
            raise ConfigError(f"{self._said} printed neither a token nor a certificate",
                              "log in with it by hand: without a terminal it cannot ask")
        end = status.get("expirationTimestamp")
        expires_at = None if end is None else parse_time(end)
        if end is not None and expires_at is None:
            raise ConfigError(f"{self._said} printed an expirationTimestamp that is no time", _BY_HAND)
        return Credential(token, certificate, key, expires_at)

    def _pem(self, status: Mapping[str, Any], name: str) -> bytes | None:
        text = _text(status.get(name))
        if not text:
            return None
        if not text.lstrip().startswith("-----BEGIN"):
            raise ConfigError(f"{self._said} printed a {name} that is not PEM", _BY_HAND)
        return text.encode()
