"""What MLflow demands of names, numbers and tags, and how it refuses."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

_ALIAS_CHARACTERS = 255
_TAG_KEY_CHARACTERS = 250
_TAG_VALUE_CHARACTERS = 100_000
_TAG_KEY = re.compile(r"[/\w.\- :]*")


class RegistryError(Exception):
    """A refusal: MLflow's error code, such as ``RESOURCE_DOES_NOT_EXIST``, and its sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def version_number(text: str) -> int:
    """The number of a version, which clients send as text. Raises :class:`RegistryError`."""
    try:
        return int(text)
    except ValueError:
        raise RegistryError("INVALID_PARAMETER_VALUE",
                            f"Parameter 'version' must be an integer, got '{text}'.") from None


def check_model_name(name: str) -> None:
    """Raises :class:`RegistryError` for a name that a path could not hold."""
    if "/" in name or ":" in name:
        raise RegistryError("INVALID_PARAMETER_VALUE",
                            f"Invalid model name '{name}'. Names cannot contain '/' or ':'.")


def check_alias(alias: str) -> None:
    """Raises :class:`RegistryError` for an alias that is too long, reserved or of other characters."""
    if len(alias) > _ALIAS_CHARACTERS:
        problem = f"'Registered model alias name' exceeds the maximum length of {_ALIAS_CHARACTERS} characters"
    elif not re.fullmatch(r"[\w-]+", alias):
        problem = (f"Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), "
                   "and dashes (-).")
    elif alias.lower() == "latest":
        problem = "'latest' alias name (case insensitive) is reserved."
    elif re.fullmatch(r"v\d+", alias, re.IGNORECASE):
        problem = f"Version alias name '{alias}' is reserved."
    else:
        return
    raise RegistryError("INVALID_PARAMETER_VALUE", problem)


def check_tags(tags: Mapping[str, str]) -> None:
    """Raises :class:`RegistryError` for the first key or value that is not taken."""
    for key, value in tags.items():
        if len(key) > _TAG_KEY_CHARACTERS:
            problem = f"'key' exceeds the maximum length of {_TAG_KEY_CHARACTERS} characters"
        elif len(value) > _TAG_VALUE_CHARACTERS:
            problem = f"'value' exceeds the maximum length of {_TAG_VALUE_CHARACTERS} characters"
        elif not _TAG_KEY.fullmatch(key):
            problem = (f"Invalid value \"{key}\" for parameter 'key' supplied: Names may only contain alphanumerics, "
                       "underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).")
        elif (resolved := posixpath.normpath(key)) != key or key == "." or key.startswith(("..", "/")):
            problem = (f"Invalid value \"{key}\" for parameter 'key' supplied: Names may be treated as files in "
                       "certain cases, and must not resolve to other names when treated as such. "
                       f"This name would resolve to '{resolved}'")
        else:
            continue
        raise RegistryError("INVALID_PARAMETER_VALUE", problem)
