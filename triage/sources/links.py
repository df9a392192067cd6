"""Whether the links of a document lead anywhere; tried only where somebody asks for it."""

from __future__ import annotations

import httpx

from triage.text import clean

_TIMEOUT_SECONDS = 5.0
_MOST_REDIRECTS = 3
_NO_HEAD = frozenset({405, 501})
_GUARDED = frozenset({401, 403})
"""Pages that want a login are there."""


def reach(url: str, transport: httpx.BaseTransport | None = None) -> str:
    """Why ``url`` cannot be reached, in a few words; "" when it can. No credentials are sent."""
    try:
        with httpx.Client(timeout=_TIMEOUT_SECONDS, follow_redirects=True, max_redirects=_MOST_REDIRECTS,
                          transport=transport) as client:
            answer = client.head(url)
            if answer.status_code in _NO_HEAD:
                with client.stream("GET", url) as answer:
                    return _said(answer.status_code)
            return _said(answer.status_code)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return clean(str(error) or type(error).__name__, limit=120)


def _said(status: int) -> str:
    return "" if status < 400 or status in _GUARDED else f"HTTP {status}"
