"""Names, digests, dates and labels as manifests write them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator

from triage.notebook.selector import valid_label


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?", text):
        raise ValueError(f'is not a name: "{text}"\nlower-case letters, digits, ".", "_" and "-", at most 63 '
                         "characters")
    return text


def _digest(text: str) -> str:
    if not re.fullmatch(r"(?:sha256:)?[0-9a-f]{64}", text):
        raise ValueError("is not a SHA-256 digest\n64 lower-case hexadecimal digits")
    return text.removeprefix("sha256:")


def _date(text: str) -> str:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2})?Z)?", text, re.ASCII):
        try:
            datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            return text
    raise ValueError(f'is not a date: "{text}"\nwrite 2026-11-02 or 2026-11-02T14:00:00Z')


def _label(text: str) -> str:
    if not valid_label(text):
        raise ValueError(f'is not a label name: "{text}"\nletters, digits and _, not starting with a digit')
    return text


Name = Annotated[str, AfterValidator(_name)]
Sha256 = Annotated[str, AfterValidator(_digest)]
Date = Annotated[str, AfterValidator(_date)]
LabelName = Annotated[str, AfterValidator(_label)]
LabelSet = dict[LabelName, str]


def refuse_twice(what: str, names: Iterable[str]) -> None:
    """Raise ValueError when one of ``names`` stands twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"names the {what} {name} twice\neach name may stand once")
        seen.add(name)
