"""How a server is reached and who we are to it: URLs, certificates, and credentials by reference."""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
from pathlib import Path
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit, urlunsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from triage.errors import TriageError
from triage.quantities import Bytes, Duration
from triage.text import clean

_COMMAND_TIMEOUT = 10.0
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PATH = re.compile(r"/[!-~]*")
_SECRET_BYTES = 64_000


class ConfigError(TriageError):
    """The configuration cannot be used, or asks for something that is not there."""


class Settings(BaseModel):
    """A block of the configuration."""

    # Whoever writes a secret in clear must not find it in a message.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def _http_url(text: str) -> str:
    # urlsplit() drops line breaks and tabs silently, so what it checks would not be what is sent.
    if text != text.strip() or not text.isprintable() or " " in text:
        raise ValueError("holds a space or a control character\nsuch as https://prometheus.example:9090")
    try:
        parts = urlsplit(text)
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        port_ok, parts = False, urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_ok:
        # What cannot be taken apart may hold a password anywhere before the last "@".
        raise ValueError(f'is not an http or https URL: "{text.rpartition("@")[2]}"\n'
                         "such as https://prometheus.example:9090")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user name or password in clear\nuse basic_auth with a secret by reference")
    if parts.query or parts.fragment:
        raise ValueError("has a query or fragment\ngive the base URL only, with the path prefix if there is one")
    return text.rstrip("/")


def without_userinfo(url: str) -> str:
    """``url`` without user name and password, for messages."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(unreadable URL)"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, parts.fragment))


def _proxy_url(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in ("http", "https", "socks5", "socks5h"):
        raise ValueError("is no http, https or socks5 URL\nsuch as http://proxy.example:3128")
    _http_url(f"http://{rest}")
    return text


def _header_text(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("holds a control character, or spaces around it\na header is one line")
    return text


def _header_name(text: str) -> str:
    if not _HEADER.fullmatch(text):
        raise ValueError(f'is not a header name: "{clean(text, limit=80)}"\nsuch as X-Scope-OrgID')
    return text


def _url_path(text: str) -> str:
    if not _PATH.fullmatch(text):
        raise ValueError("is no path\nbegin with / and encode what is no printable ASCII character")
    return text


HttpUrl = Annotated[str, AfterValidator(_http_url)]
UrlPath = Annotated[str, AfterValidator(_url_path)]
"""Path and query after a base URL."""
ProxyUrl = Annotated[str, AfterValidator(_proxy_url)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderText = Annotated[str, AfterValidator(_header_text)]
_REFERENCE = "write {file: ...}, {env: ...} or {command: [...]}"
_CREDENTIAL_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key",
                                 "x-auth-token", "private-token"})


class SecretRef(Settings):
    """Where a secret lies; the secret itself is never in the configuration.

    What stands in its place is never repeated in an error, keys included: it may be the secret.
    """

    env: str | None = Field(None, description="Environment variable.")
    file: str | None = Field(None, description="File that only its owner can read (mode 0600 or 0400).")
    command: list[str] | None = Field(None, min_length=1, description="Program and arguments that print it; no shell.")

    @model_validator(mode="wrap")
    @classmethod
    def _never_repeated(cls, value: Any, handler: ModelWrapValidatorHandler[SecretRef]) -> SecretRef:
        try:
            found = handler(value)
        except ValidationError:
            raise ValueError(f"is not a reference to a secret\n{_REFERENCE}") from None
        if sum(x is not None for x in (found.env, found.file, found.command)) != 1:
            raise ValueError(f"needs exactly one of env, file and command\n{_REFERENCE}")
        if found.env is not None and not re.fullmatch(r"[A-Za-z_]\w*", found.env, re.ASCII):
            raise ValueError("has an env that is no name of a variable\nsuch as {env: PROMETHEUS_TOKEN}")
        return found

    def read(self) -> str:
        """The secret, without surrounding white space. Raises :class:`ConfigError`, which never holds it."""
        if self.env is not None:
            value = os.environ.get(self.env, "").strip()
            if not value:
                raise ConfigError(f"the environment variable {self.env} is not set",
                                  "export it, or use file or command")
        elif self.file is not None:
            value = _read_secret_file(Path(self.file).expanduser())
        else:
            value = _run_secret_command(self.command or [])
        if "\n" in value or "\r" in value:
            raise ConfigError(f"the secret from {self.describe()} has more than one line", "keep only the secret in it")
        return value

    def describe(self) -> str:
        """Where it comes from, for messages: ``env TOKEN``, ``file ~/token``, ``command pass``."""
        if self.env is not None:
            return f"env {self.env}"
        if self.file is not None:
            return f"file {self.file}"
        return f"command {shlex.quote((self.command or ['?'])[0])}"


def _read_secret_file(path: Path) -> str:
    try:
        # Without O_NONBLOCK a named pipe would hold up the program for good.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError(f"the secret file {path} cannot be read: {error.strerror}", "check the path") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise ConfigError(f"the secret file {path} is not a file", "check the path")
        if mode & 0o077:
            raise ConfigError(f"the secret file {path} can be read by others (mode {stat.S_IMODE(mode):04o})",
                              f"chmod 600 {shlex.quote(str(path))}")
        try:
            raw = os.read(descriptor, _SECRET_BYTES + 1)
            value = raw.decode().strip()
        except (OSError, UnicodeDecodeError):
            raise ConfigError(f"the secret file {path} is not a text file", "check the path") from None
    finally:
        os.close(descriptor)
    if len(raw) > _SECRET_BYTES:
        raise ConfigError(f"the secret file {path} is larger than {_SECRET_BYTES} bytes", "keep only the secret in it")
    if not value:
        raise ConfigError(f"the secret file {path} is empty", "write the secret into it")
    return value


def _run_secret_command(command: list[str]) -> str:
    name = command[0]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_COMMAND_TIMEOUT, check=False,  # noqa: S603
                              stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = "took too long" if isinstance(error, subprocess.TimeoutExpired) else clean(error.strerror or "failed")
        raise ConfigError(f"the secret command {name} {reason}", "run it by hand to see why") from None
    if done.returncode != 0:
        raise ConfigError(f"the secret command {name} ended with status {done.returncode}", "run it by hand to see why")
    value = done.stdout[:_SECRET_BYTES].decode(errors="replace").strip()
    if not value:
        raise ConfigError(f"the secret command {name} printed nothing", "run it by hand to see why")
    return value


def _user_name(value: Any) -> Any:
    """``value`` when it is text; what is none may be the password, and is not repeated."""
    if not isinstance(value, str):
        raise ValueError("must be text\nput a name of digits only between quotes")
    return value


class BasicAuth(Settings):
    """User name, and the password by reference."""

    username: Annotated[str, BeforeValidator(_user_name)] = Field(description="User name.")
    password: SecretRef = Field(description="Where the password lies.")

    @model_validator(mode="wrap")
    @classmethod
    def _never_repeated(cls, value: Any, handler: ModelWrapValidatorHandler[BasicAuth]) -> BasicAuth:
        if isinstance(value, dict) and not set(value) - set(cls.model_fields):
            return handler(value)
        if isinstance(value, cls):
            return value
        raise ValueError("is not a user name with a reference to a password\n"
                         "write {username: ..., password: {file: ...}}, or {env: ...} or {command: [...]}")


def _secret_headers(value: Any) -> Any:
    """``value`` when it is headers by name; what is none may be a secret, and is not repeated."""
    if not isinstance(value, dict):
        raise ValueError(f"is not a mapping of header names\nunder each name {_REFERENCE}")
    # A word alone between braces is a key without a value.
    if not all(_HEADER.fullmatch(str(name)) and item is not None for name, item in value.items()):
        raise ValueError(f"holds what is not a header name with a reference\nunder each name {_REFERENCE}")
    return value


class Tls(Settings):
    """How the server is verified and who we are to it. Verification cannot be turned off."""

    ca: str | None = Field(None, description="PEM file with the authorities to trust in place of the system's.")
    cert: str | None = Field(None, description="PEM file with the client certificate (mTLS).")
    key: str | None = Field(None, description="PEM file with its key; by default it is in cert.")


class Endpoint(Settings):
    """One server and how it is asked."""

    union_tag: ClassVar[str] = "<endpoint>"
    url: HttpUrl = Field(description="Base URL with the path prefix, if any (Mimir: /prometheus).")
    name: str = Field("", max_length=80, description="What plans and the journal call it, such as prod-eu; by default "
                      "its URL.")
    bearer_token: SecretRef | None = Field(None, description="Token for Authorization: Bearer.")
    basic_auth: BasicAuth | None = Field(None, description="User name and password.")
    tls: Tls = Field(Tls(), description="Certificates.")
    headers: dict[HeaderName, HeaderText] = Field({}, description="Further headers, such as X-Scope-OrgID. No secrets.")
    secret_headers: Annotated[dict[HeaderName, SecretRef], BeforeValidator(_secret_headers)] = Field(
        {}, description="Further headers with secret values.")
    proxy: ProxyUrl | None = Field(None, description="Proxy URL; the proxies of the environment are not used.")
    timeout: Duration = Field(10.0, validate_default=False, description="Longest wait for one query.")
    concurrency: int = Field(10, ge=1, le=32, description="Queries under way at once; by default as many as one "
                             "refresh of a model may need.")
    max_body: Bytes = Field(32 * 2**20, validate_default=False, description="Largest answer that is read.")

    @model_validator(mode="after")
    def _auth_once(self) -> Endpoint:
        if self.name != clean(self.name):
            raise ValueError("has a name that holds control characters\nsuch as prod-eu")
        if self.bearer_token is not None and self.basic_auth is not None:
            raise ValueError("has both bearer_token and basic_auth\nkeep one")
        for name in self.headers:
            if name.lower() in _CREDENTIAL_HEADERS:
                raise ValueError(f"holds a credential in the header {name}\n"
                                 "use secret_headers, bearer_token or basic_auth")
        names = [name.lower() for name in (*self.headers, *self.secret_headers)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"sets the header {twice} twice\nkeep one")
        if "authorization" in names and (self.bearer_token is not None or self.basic_auth is not None):
            raise ValueError("sets Authorization twice\nkeep bearer_token, basic_auth or the secret header")
        return self


def checked_url(url: str) -> str:
    """``url`` as endpoints take it; raises :class:`ConfigError` that says what is wrong with it."""
    try:
        return _http_url(url)
    except ValueError as error:
        message, _, hint = str(error).partition("\n")
        raise ConfigError(f"the URL {message}", hint) from None


