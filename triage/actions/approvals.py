"""Two persons: a plan is shared as a file, and another person carries it out under a credential of their own.

The requester's triage writes the request: the plan with its digest, and what was wished for. The approver's triage
reads the target itself, makes the plan of the same wish itself, refuses unless the digests are equal, shows it, and
sends the requests *as the approver*: so the target system authenticates the second person when it matters, and the
approver's credential never carries out requests that somebody else wrote.

Its limits, which no file can mend: the system authenticates whoever acts, so the name of the requester is as good as
the requester's own journal, where the request stands as well; where several approvals are needed, those before the
last are recorded in the file only; and a copy in another folder has no mark that it was used (the approver's journal
and the target's preconditions still have it happen once). Whoever can forge a whole request acts alone, under their own
name: the journals and the target's audit log show it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from triage.actions.plan import Action, Plan, plan_of
from triage.actions.system import Wish
from triage.errors import TriageError
from triage.text import clean

APPROVAL_SECONDS = 900.0
"""How long a request waits for its approvers."""
UNVERIFIED = "unverified:"
"""What the name of somebody begins with whom the target system did not authenticate."""
FORMAT = "triage.approval/v1"
_MOST_BYTES = 1_000_000


class ApprovalError(TriageError):
    """A request for approval cannot be read or used."""


@dataclass(frozen=True, slots=True)
class Approved:
    """One approval before the last."""

    by: str
    """As the target system authenticated them."""
    at: float
    """World time, Unix seconds."""


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """A plan that waits for another person."""

    id: str
    """16 hex digits; tells it from another request for the same plan, so that each is used once."""
    plan: Plan
    """As the requester saw it; its actor is the requester. Texts of it that came from a file are not cleaned: what is
    shown and sent is the approver's own plan."""
    wish: Wish
    expires_at: float
    """World time, Unix seconds."""
    approvals: tuple[Approved, ...] = ()
    path: Path | None = None
    """Where the file lies; None for one that was not read from a file."""

    @property
    def requester(self) -> str:
        return clean(self.plan.actor, limit=200)

    def others(self, besides: str) -> frozenset[str]:
        """Distinct persons who approved before, but for the requester and ``besides``."""
        return frozenset(each.by for each in self.approvals if each.by not in (self.requester, besides)
                         and not each.by.startswith(UNVERIFIED))


def ask(plan: Plan, wish: Wish, now: float) -> ApprovalRequest:
    """A request for the approval of ``plan``, made of ``wish``."""
    return ApprovalRequest(secrets.token_hex(8), plan, wish, now + APPROVAL_SECONDS)


def dump(request: ApprovalRequest) -> str:
    """The request as the text of a file."""
    wish = request.wish
    return json.dumps({
        "schema": FORMAT, "id": request.id, "digest": request.plan.digest, "expires_at": request.expires_at,
        "wish": {"action": str(wish.action), "reason": wish.reason, "to": wish.to, "incident": wish.incident,
                 "parameters": dict(wish.parameters)},
        "approvals": [{"by": each.by, "at": each.at} for each in request.approvals],
        "plan": request.plan.content()}, indent=2) + "\n"


def parse(text: str, path: Path | None = None) -> ApprovalRequest:
    """The request in ``text``. Raises :class:`ApprovalError`."""
    where = "the request" if path is None else clean(path)
    try:
        body: Mapping[str, Any] = json.loads(text)
        if not isinstance(body, dict) or body.get("schema") != FORMAT:
            raise ApprovalError(f"{where} is no {FORMAT}", "ask for it again, with the same version of triage")
        plan = plan_of(body["plan"])
        wish = {name: clean(value) for name, value in body["wish"].items() if name != "parameters"}
        found = ApprovalRequest(
            _checked_id(body["id"]), plan, Wish(Action(wish.pop("action")), parameters={
                clean(k): clean(v) for k, v in body["wish"]["parameters"].items()}, **wish),
            float(body["expires_at"]),
            tuple(Approved(clean(each["by"], limit=200), float(each["at"])) for each in body["approvals"]), path)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ApprovalError(f"{where} cannot be read", "ask for it again; do not edit it") from None
    if plan.digest != body.get("digest"):
        raise ApprovalError(f"{where} was changed: its plan has not the digest that it says", "ask for it again")
    return found


def read(path: Path) -> ApprovalRequest:
    """The request in the file at ``path``. Raises :class:`ApprovalError`."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise ApprovalError(f"{clean(path)} is too large", "name the file that triage wrote")
        return parse(raw.decode("utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ApprovalError(f"{clean(path)} cannot be read: {clean(reason or error)}", "check the path") from None


def write(request: ApprovalRequest, path: Path) -> None:
    """Write the request to a new file that others may read. Raises :class:`ApprovalError` when there is one."""
    _create(path, dump(request).encode())


def approved(request: ApprovalRequest, by: str, now: float) -> ApprovalRequest:
    """With one more approval, for requests that need several."""
    return replace(request, approvals=(*request.approvals, Approved(by, now)))


def use_up(request: ApprovalRequest) -> str:
    """Mark the request as used, beside its file. Returns "" when it was not used before, else why it may not be."""
    if request.path is None:
        return ""
    marker = request.path.with_name(f"{request.id}.used")
    try:
        _create(marker, f"{request.plan.digest}\n".encode())
    except ApprovalError as error:
        return error.message
    return ""


def differences(asked: Plan, mine: Plan) -> tuple[str, ...]:
    """Names of the parts in which the approver's own plan is another; empty when the digests are equal."""
    theirs, ours = asked.content(), mine.content()
    return tuple(name.replace("_", " ") for name in ours if name != "made_at" and ours[name] != theirs.get(name))


def _checked_id(text: Any) -> str:
    # It becomes part of a file's name.
    if not isinstance(text, str) or not re.fullmatch(r"[0-9a-f]{16}", text):
        raise ValueError("no id of a request")
    return text


def _create(path: Path, content: bytes) -> None:
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o644), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except FileExistsError:
        raise ApprovalError(f"{clean(path)} exists already", "a request is used once; ask for a new one") from None
    except OSError as error:
        raise ApprovalError(f"{clean(path)} cannot be written: {clean(error.strerror or error)}",
                            "check the path") from None
