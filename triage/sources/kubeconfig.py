"""kubeconfig files: the server, the authority and the credential of one context.

By hand, because no kept library takes it off our hands (measured in November 2026). The official client 37.0 exports
neither its merger, its loader nor its runner of plugins. What they give without writing keys and authorities to
temporary files are the mappings of the file itself; they take an empty ``certificate-authority-data`` for the authority
although a file is named beside it, pass over a user that is not there, know no impersonation and no limit of time, and
repeat what a plugin wrote to its standard error. It costs 0.2 s of processor time, 12 distributions and 140 MB more.
kr8s 0.20 keeps its reader of the files private (0.2 s, 7 distributions); lightkube 1.0 drops proxy-url,
tls-server-name, impersonation and what a plugin is told of the cluster. With any of them the paths, the checks of who
may read and write the file, the errors that say what to do, the credentials and the limits of plugins would still be
written here. Format: ``client-go/tools/clientcmd/api/v1``; plugins are in :mod:`triage.sources.kubeconfig_exec`.
"""

from __future__ import annotations

import base64
import binascii
import os
import shlex
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from triage.endpoints import ConfigError, ProxyUrl, SecretRef, checked_url
from triage.sources.impersonation import Headers, impersonation
from triage.sources.kubeconfig_exec import Plugin, program_of
from triage.text import clean

_MAX_BYTES = 2_000_000
_INSTEAD = ("use exec with the provider's plugin, or set bearer_token: {command: [...]} beside kubeconfig, to a "
            "program that prints a token, such as [gcloud, auth, print-access-token]")
_SECRETS = ("token", "client-key-data", "password")


@dataclass(frozen=True, slots=True)
class Login:
    """One context of a kubeconfig: where its server is, whom to trust, and who we are."""

    server: str
    proxy: str | None
    server_name: str | None
    """Name to verify the server's certificate against; None for that of the URL."""
    namespace: str
    """"" when the context names none."""
    headers: Headers
    """Impersonation, where the user asks for it."""
    credential: str
    """Who we are in words, such as ``the token of user oncall in ~/.kube/config``; "" for nobody."""
    authorities: bytes | None = None
    """PEM; None for the authorities of the system."""
    certificate: bytes | None = None
    """PEM of the client certificate."""
    key: bytes | None = field(default=None, repr=False)
    token: Callable[[], str] | None = field(default=None, repr=False)
    """Reads the bearer token; None when there is none."""
    plugin: Plugin | None = field(default=None, repr=False)
    """The program that prints the credential; None when it is written out."""


def read_login(path: Path, context: str, token: SecretRef | None = None) -> Login:
    """What ``context`` in the kubeconfig at ``path`` says. ``token`` is used in place of the user's own credential.

    Raises :class:`~triage.config.ConfigError` when it cannot be used, saying what to do.
    """
    return _Reader(path, _document(path)).login(context, token)


def _document(path: Path) -> dict[str, Any]:
    where = clean(str(path), limit=300)
    raw, mode = _read(path, "the kubeconfig", "check kubernetes.kubeconfig")
    if mode & 0o022:
        raise ConfigError(f"the kubeconfig {where} can be written by others (mode {mode:04o})",
                          f"whoever writes it decides where your credentials go: chmod 600 {shlex.quote(str(path))}")
    try:
        content = yaml.safe_load(raw)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        # The parser's own words may quote what stands there.
        raise ConfigError(f"the kubeconfig {where} is not YAML", "kubectl config view shows what is wrong") from None
    if not isinstance(content, dict) or not isinstance(content.get("contexts"), list):
        raise ConfigError(f"{where} is no kubeconfig: it has no list of contexts", "check kubernetes.kubeconfig")
    if mode & 0o077 and _holds_secrets(content):
        raise ConfigError(f"the kubeconfig {where} holds a credential and can be read by others (mode {mode:04o})",
                          f"chmod 600 {shlex.quote(str(path))}")
    return content


def _holds_secrets(content: Mapping[str, Any]) -> bool:
    users = content.get("users")
    return isinstance(users, list) and any(
        isinstance(each, dict) and isinstance(each.get("user"), dict) and any(each["user"].get(key) for key in _SECRETS)
        for each in users)


class _Reader:
    """One document; ``where`` names it in messages."""

    def __init__(self, path: Path, document: Mapping[str, Any]) -> None:
        self._folder = path.parent
        self._document = document
        self.where = clean(str(path), limit=300)

    def login(self, context: str, token: SecretRef | None) -> Login:
        chosen = self._named("context", context)
        cluster_name, user_name = _text(chosen, "cluster"), _text(chosen, "user")
        cluster = self._named("cluster", cluster_name)
        user = self._named("user", user_name) if user_name else {}
        said = f"user {clean(user_name, limit=80)} in {self.where}"
        if token is None:
            self._refuse_dropped(user, said)
        certificate = None if token is not None else self._content(user, "client-certificate", said)
        read_token = self._token(user, said) if token is None else token.read
        if certificate is not None and not (_text(user, "client-key") or _text(user, "client-key-data")):
            raise ConfigError(f"{said} has a client certificate without its key", "add client-key or client-key-data")
        plugin = self._plugin(user, cluster, said) if read_token is None and certificate is None else None
        if token is not None:
            credential = f"the token from {clean(token.describe(), limit=200)}"
        elif read_token is not None:
            credential = f"the token of {said}"
        elif plugin is not None:
            credential = f"what the plugin of {said} prints"
        else:
            credential = f"the client certificate of {said}" if certificate is not None else ""
        return Login(
            self._server(cluster, cluster_name), self._proxy(cluster, cluster_name),
            _text(cluster, "tls-server-name") or None, clean(_text(chosen, "namespace"), limit=63),
            self._impersonation(user, said) if token is None else (), credential,
            self._content(cluster, "certificate-authority", f"cluster {clean(cluster_name, limit=80)} in {self.where}"),
            certificate, None if certificate is None else self._content(user, "client-key", said), read_token,
            plugin)

    def _named(self, kind: str, name: str) -> Mapping[str, Any]:
        """The context, cluster or user of this name."""
        entries = self._document.get(f"{kind}s")
        listed = [each for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []
        found = next((each for each in listed if each.get("name") == name), None)
        if found is None:
            names = ", ".join(clean(each.get("name"), limit=80) for each in listed[:20]) or "none"
            raise ConfigError(f"there is no {kind} {clean(name, limit=80) or '(without a name)'} in {self.where}",
                              f"there are: {names}")
        inner = found.get(kind)
        if not isinstance(inner, dict):
            raise ConfigError(f"the {kind} {clean(name, limit=80)} in {self.where} is empty", "write it out")
        return inner

    def _server(self, cluster: Mapping[str, Any], name: str) -> str:
        said = f"the cluster {clean(name, limit=80)} in {self.where}"
        if cluster.get("insecure-skip-tls-verify") is True:
            raise ConfigError(f"{said} turns the verification of its certificate off",
                              "give it certificate-authority or certificate-authority-data instead: a token must not "
                              "go to whoever answers there")
        server = _text(cluster, "server")
        if not server:
            raise ConfigError(f"{said} has no server", "add server: https://...")
        try:
            return checked_url(server)
        except ConfigError as error:
            raise ConfigError(f"the server of {said}: {error.message}", error.hint) from None

    def _proxy(self, cluster: Mapping[str, Any], name: str) -> str | None:
        proxy = _text(cluster, "proxy-url")
        if not proxy:
            return None
        from pydantic import TypeAdapter, ValidationError
        try:
            return TypeAdapter(ProxyUrl).validate_python(proxy)
        except ValidationError:
            raise ConfigError(f"the proxy-url of cluster {clean(name, limit=80)} in {self.where} cannot be used",
                              "such as http://proxy.example:3128, without user name and password") from None

    def _plugin(self, user: Mapping[str, Any], cluster: Mapping[str, Any], said: str) -> Plugin | None:
        spec = user.get("exec")
        if spec is None:
            return None
        if not isinstance(spec, dict):
            raise ConfigError(f"exec of {said} is no mapping", "write exec: {apiVersion: ..., command: ...}")
        return Plugin(program_of(spec, self._folder, cluster, said), said)

    def _refuse_dropped(self, user: Mapping[str, Any], said: str) -> None:
        if user.get("auth-provider") is not None:
            raise ConfigError(f"{said} has an auth-provider, which Kubernetes has dropped", _INSTEAD)
        if user.get("username") or user.get("password"):
            raise ConfigError(f"{said} has a user name and a password, which Kubernetes has dropped",
                              "use a token or a client certificate")

    def _token(self, user: Mapping[str, Any], said: str) -> Callable[[], str] | None:
        """The file's goes before the one written in place, as in client-go."""
        file = _text(user, "tokenFile")
        if file:
            path = self._path(file)
            # Its mode is not looked at: the tokens that Kubernetes itself puts into pods can be read by all in there.
            return lambda: _one_line(_read(path, f"the tokenFile of {said}:")[0], said)
        token = _text(user, "token")
        return (lambda: _one_line(token.encode(), said)) if token else None

    def _content(self, entry: Mapping[str, Any], key: str, said: str) -> bytes | None:
        """A PEM document: written in place (base64), or in a file. In place goes first, as in client-go."""
        data, file = _text(entry, f"{key}-data"), _text(entry, key)
        if data:
            try:
                return base64.b64decode(data, validate=True)
            except (binascii.Error, ValueError):
                raise ConfigError(f"{key}-data of {said} is not base64", "base64 -w0 FILE makes it") from None
        return _read(self._path(file), f"the {key} of {said}:")[0] if file else None

    def _path(self, text: str) -> Path:
        return self._folder / Path(text).expanduser()

    def _impersonation(self, user: Mapping[str, Any], said: str) -> Headers:
        """``as`` and its like as headers."""
        groups, extra = user.get("as-groups") or [], user.get("as-user-extra") or {}
        if not _texts(groups) or not isinstance(extra, dict) or not all(
                isinstance(key, str) and _texts(values) for key, values in extra.items()):
            raise ConfigError(f"as-groups or as-user-extra of {said} is not of lists of texts",
                              "as-groups: [...], as-user-extra: {key: [...]}")
        return impersonation(_text(user, "as"), _text(user, "as-uid"), groups, extra, said=said)


def _text(entry: Mapping[str, Any], key: str) -> str:
    """A field as text, "" when it is missing. Raises :class:`ConfigError` when it is something else."""
    value = entry.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ConfigError(f"{key} in the kubeconfig is not text", "write it in quotes")
    return value.strip()


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _read(path: Path, what: str, hint: str = "paths in a kubeconfig are relative to its folder") -> tuple[bytes, int]:
    """(content, mode) of a file. Raises :class:`ConfigError`."""
    where = clean(str(path), limit=300)
    try:
        # Without O_NONBLOCK a named pipe would hold up the program for good.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise ConfigError(f"{what} {where} is not a file", hint)
            raw = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{what} {where} cannot be read: {clean(error.strerror or error)}", hint) from None
    if len(raw) > _MAX_BYTES:
        raise ConfigError(f"{what} {where} is larger than {_MAX_BYTES:,} bytes", "is it another file?")
    return raw, stat.S_IMODE(mode)


def _one_line(raw: bytes, said: str) -> str:
    try:
        token = raw.decode("ascii").strip()
    except UnicodeDecodeError:
        token = ""
    if not token or not token.isprintable() or " " in token:
        raise ConfigError(f"the token of {said} is empty, or not one line of ASCII text", "renew it")
    return token
