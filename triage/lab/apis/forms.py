"""What a client asks with: parameters of the URL and of an urlencoded body, as Go's servers read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Parameters:
    """Every value of every parameter; those of the body come before those of the URL."""

    values: Mapping[str, tuple[str, ...]]

    def first(self, name: str) -> str:
        """Its first value; "" when it is absent, which Go's servers do not tell apart."""
        return self.every(name)[0] if name in self.values else ""

    def every(self, name: str) -> tuple[str, ...]:
        """All its values; () when it is absent."""
        return self.values.get(name, ())


async def parameters(request: Request) -> Parameters:
    """The parameters of ``request``. A body of another type than a form holds none."""
    texts = [request.url.query]
    if request.method in ("POST", "PUT", "PATCH") and media_type(request) == FORM:
        texts.insert(0, (await request.body()).decode("utf-8", "replace"))
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        # A semicolon was a separator once: Go drops such a pair instead of guessing.
        pairs = "&".join(pair for pair in text.split("&") if ";" not in pair)
        for name, value in parse_qsl(pairs, keep_blank_values=True):
            found[name] = (*found.get(name, ()), value)
    return Parameters(found)


def media_type(request: Request) -> str:
    """The type of the body, in lower case and without its parameters; "" when the client does not say."""
    return str(request.headers.get("content-type", "")).partition(";")[0].strip().lower()
