"""Two persons: a plan is shared as a file, and another person carries it out under a credential of their own.

The requester's triage writes the request: the plan with its digest, and what was wished for. The approver's triage
reads the target itself, makes the plan of the same wish itself, refuses unless the digests are equal, shows it, and
sends the requests *as the approver*: so whoever authenticates them does it when it matters, and the approver's
credential never carries out requests that somebody else wrote. Requester and approver have to be known by the same
authority, which the digest covers: one person may have two names at two of them.

What a file cannot prove is who wrote it. Its owner can: where several users of a machine share a folder, each file has
to belong to another of them (:mod:`triage.actions.file_owners`); where one user holds all files, or they were sent, it
is said that the requester is only named, and ``actions.two_persons: os-users`` then refuses. Whoever can forge a whole
request acts alone, under their own authenticated name: the journals and the target's audit log show it.

A request is used once: a mark beside its file, the approver's journal and the target's preconditions say so. A copy in
another folder has no mark; the journal and the preconditions still have it happen once.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from triage.actions.file_owners import Owner, owner_of
from triage.actions.plan import UNLISTED, Action, Plan, plan_of
from triage.actions.system import Wish, authenticated
from triage.actions.told_apart import apart
from triage.errors import TriageError
from triage.text import clean

APPROVAL_SECONDS = 900.0
"""How long a request waits for its approvers."""
FORMAT = "triage.approval/v1"
_MOST_BYTES = 1_000_000
_BOTH_SEE = "both persons have to see which image runs"
_MOST_TOLD = 160
"""Characters of the two texts of one difference."""


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
    answers: str = ""
    """Name of the file beside it that the last approval was added to; "" for the request itself."""
    owners: tuple[Owner | None, ...] = ()
    """Who owns the file of the requester, and that of each approval; None for those that are not beside it. Empty for
    one that was not read from a file."""

    @property
    def persons(self) -> tuple[str, ...]:
        """Whose file is whose: the requester, then who approved, in order."""
        return (self.requester, *(each.by for each in self.approvals))

    @property
    def requester(self) -> str:
        return clean(self.plan.actor, limit=200)

    def others(self, besides: str) -> frozenset[str]:
        """Distinct persons who approved before, but for the requester and ``besides``."""
        return frozenset(each.by for each in self.approvals if each.by not in (self.requester, besides)
                         and authenticated(each.by))


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
        "approvals": [{"by": each.by, "at": each.at} for each in request.approvals], "answers": request.answers,
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
            tuple(Approved(clean(each["by"], limit=200), float(each["at"])) for each in body["approvals"]), path,
            _checked_name(body.get("answers", "")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ApprovalError(f"{where} cannot be read", "ask for it again; do not edit it") from None
    if plan.digest != body.get("digest"):
        raise ApprovalError(f"{where} was changed: its plan has not the digest that it says", "ask for it again")
    return found


def read(path: Path) -> ApprovalRequest:
    """The request in the file at ``path``, with who owns it and the files that it answers. Raises
    :class:`ApprovalError`."""
    found, owner = _read(path)
    owners: list[Owner | None] = [owner]
    here = found
    while here.approvals:
        answered = _answered(here, path)
        if answered is None:
            owners += [None] * len(here.approvals)
            break
        here, owner = answered
        owners.append(owner)
    return replace(found, owners=tuple(reversed(owners)))


def _answered(request: ApprovalRequest, path: Path) -> tuple[ApprovalRequest, Owner] | None:
    """The file beside ``path`` that the last approval of ``request`` was added to; None when it is not there."""
    try:
        earlier, owner = _read(path.with_name(request.answers or path.name))
    except ApprovalError:
        return None
    same = (earlier.id, earlier.plan, earlier.approvals) == (request.id, request.plan, request.approvals[:-1])
    return (earlier, owner) if same else None


def changed(request: ApprovalRequest) -> str:
    """Why its file is not any more what was read of it; "" when it is."""
    if request.path is None:
        return ""
    try:
        return "" if read(request.path) == request else f"{clean(request.path)} was changed since it was read"
    except ApprovalError as error:
        return error.message


def _read(path: Path) -> tuple[ApprovalRequest, Owner]:
    try:
        # Owner and content are of one file, whatever is put in its place meanwhile.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as stream:
            found = os.fstat(stream.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise ApprovalError(f"{clean(path)} is not a file", "name the file that triage wrote")
            raw = stream.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise ApprovalError(f"{clean(path)} is too large", "name the file that triage wrote")
        return parse(raw.decode("utf-8"), path), owner_of(found)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ApprovalError(f"{clean(path)} cannot be read: {clean(reason or error)}", "check the path") from None


def write(request: ApprovalRequest, path: Path) -> None:
    """Write the request to a new file that others may read. Raises :class:`ApprovalError` when there is one."""
    _create(path, dump(request).encode())


def approved(request: ApprovalRequest, by: str, now: float) -> ApprovalRequest:
    """With one more approval, for requests that need several; it lies beside the file that it answers."""
    return replace(request, approvals=(*request.approvals, Approved(by, now)),
                   answers="" if request.path is None else request.path.name)


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
    """The parts in which the approver's own plan is another, each with both texts: ``after image digest: sha256:... |
    unknown: you may not list pods``; of lists only the name. Empty when the digests are equal."""
    theirs, ours = asked.content(), mine.content()
    out: list[str] = []
    for name in ours:
        if name == "made_at" or ours[name] == theirs[name]:
            continue
        if not isinstance(ours[name], dict):
            out.append(_told_apart(name, theirs[name], ours[name]))
            continue
        out += [_told_apart(f"{name} {inner}", _value(theirs[name], inner, "who asked"),
                            _value(ours[name], inner, "you")) for inner in ours[name]
                if inner != "image_source" and ours[name][inner] != theirs[name][inner]]
    return tuple(out)


def remedy(asked: Plan, mine: Plan) -> str:
    """What to do where the digests are not equal. An image that only one of the two persons can read is no reason to
    ask again: both have to see the same one, so whoever cannot has to be allowed to."""
    again = "have it asked for again"
    for theirs, ours in ((asked.after, mine.after), (asked.before, mine.before)):
        if ours.image_digest == theirs.image_digest:
            continue
        if not theirs.image_digest and theirs.image_source.endswith(UNLISTED):
            return f"{again} by somebody who may list pods: {_BOTH_SEE}"
        if not ours.image_digest and ours.image_source.endswith(UNLISTED):
            more = any(" image digest: " not in each and each != "warnings" for each in differences(asked, mine))
            return f"approve it as somebody who may list pods: {_BOTH_SEE}" + (f"; {again}" if more else "")
    return again


def _value(state: Mapping[str, Any], name: str, who: str) -> Any:
    """What stands there; of an image that is not known, why."""
    found = state[name]
    if name != "image_digest" or found:
        return found
    # Whose reading it was: of the other person's it is not "you" who may not.
    return str(state["image_source"]).removeprefix("digest ").replace("you ", f"{who} ", 1) or "unknown"


def _told_apart(name: str, theirs: Any, ours: Any) -> str:
    called = name.replace("_", " ")
    if isinstance(theirs, list | dict) or isinstance(ours, list | dict):
        return called
    # Cleaned here: texts of a plan that came from a file are not.
    old, new = (clean("none" if each in (None, "") else each) for each in (theirs, ours))
    old, new = apart(old, new, _MOST_TOLD)
    return f"{called}: {old} | {new}"


def _checked_id(text: Any) -> str:
    # It becomes part of a file's name.
    if not isinstance(text, str) or not re.fullmatch(r"[0-9a-f]{16}", text):
        raise ValueError("no id of a request")
    return text


def _checked_name(text: Any) -> str:
    # It is looked for in the same folder, and nowhere else.
    if not isinstance(text, str) or text != Path(text).name or "\0" in text:
        raise ValueError("no name of a file")
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
