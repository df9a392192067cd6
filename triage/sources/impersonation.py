"""Impersonation: acting as somebody else on a Kubernetes API, which then records both identities. Pure.

Source: Kubernetes documentation, "User impersonation". The server allows it to those who may ``impersonate``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from triage.endpoints import ConfigError
from triage.text import clean

Headers = tuple[tuple[str, str], ...]
"""Names and values; a name may come more than once."""


def impersonation(user: str, uid: str, groups: Sequence[str], extra: Mapping[str, Sequence[str]], *,
                  said: str) -> Headers:
    """The headers of who is acted as; () when nobody is. ``said`` tells in messages where it is written.

    Raises :class:`~triage.endpoints.ConfigError` for what the server would refuse or a header cannot hold.
    """
    pairs = [("Impersonate-User", user)] if user else []
    pairs += [("Impersonate-Uid", uid)] if uid else []
    pairs += [("Impersonate-Group", group) for group in groups]
    # Names of headers have no case and few characters: the server decodes percent signs.
    pairs += [(f"Impersonate-Extra-{quote(key.lower(), safe='')}", value)
              for key, values in extra.items() for value in values]
    if pairs and not user:
        raise ConfigError(f"{said} impersonates without a user", "groups, uid and extra fields need a user beside them")
    for _, value in pairs:
        if not value or not value.isascii() or not value.isprintable() or value != value.strip():
            raise ConfigError(f"{said} impersonates as \"{clean(value, limit=80)}\", which a header cannot hold",
                              "printable ASCII characters, without spaces around them")
    return tuple(pairs)
