"""Secrets in texts that people write: forms that can be told by themselves, whatever stands around them."""

from __future__ import annotations

import re
from collections.abc import Sequence

_FORMS: Sequence[tuple[str, re.Pattern[str]]] = tuple((what, re.compile(rule)) for what, rule in (
    ("a private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    ("a password in a URI", r"[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@$<{]+@"),
    ("an AWS access key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("a signed URL", r"[?&](?:X-Amz-Signature|X-Goog-Signature|sig)=[A-Za-z0-9%+/]{16,}"),
    ("a GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{30,}"),
    ("a GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("a Slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("a Hugging Face token", r"\bhf_[A-Za-z0-9]{30,}"),
    ("a Google API key", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("a Databricks token", r"\bdapi[0-9a-f]{32}\b"),
    ("an API key", r"\bsk-[A-Za-z0-9_-]{20,}"),
    ("a JSON web token", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\."),
))


def looks_like(text: str) -> str | None:
    """What kind of secret stands in ``text``, in a few words; None when there is none that can be told."""
    return next((what for what, rule in _FORMS if rule.search(text)), None)
