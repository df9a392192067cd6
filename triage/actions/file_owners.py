"""What the owners of shared files prove about the persons whom the files name.

On a machine where each engineer is a user of their own, nobody but root writes a file that belongs to another: so the
owner of a request shows that somebody else than its approver wrote it. Where all log in as one user, or a file was
sent and saved again, it shows nothing, and that is said.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from triage.text import clean


@dataclass(frozen=True, slots=True)
class Owner:
    """To whom a file belongs."""

    uid: int
    name: str
    """Of the user; the number where there is no name."""
    is_open: bool = False
    """Whether others than the owner may write the file."""


class Proof(StrEnum):
    """How well it is known that each person wrote their own file."""

    PROVEN = "proven"
    """Each file belongs to another user of the machine, none of them whoever carries it out."""
    NAMED = "named"
    """The files name the persons, and nothing contradicts them."""
    CONTRADICTED = "contradicted"
    """Files of two persons belong to one user beside other users, or others may have written one."""


def owner_of(found: os.stat_result) -> Owner:
    """The owner of the file that this is about."""
    try:
        name = clean(pwd.getpwuid(found.st_uid).pw_name, limit=80)
    except KeyError:
        name = str(found.st_uid)
    return Owner(found.st_uid, name, bool(found.st_mode & 0o022))


def proof(persons: Sequence[str], owners: Sequence[Owner | None], me: str, uid: int) -> tuple[Proof, str]:
    """What ``owners`` of the files of ``persons`` (the requester first) prove to ``me``, whose process is of the user
    ``uid``; with a sentence that says so."""
    held = [(person, owner) for person, owner in zip(persons, owners, strict=False) if owner is not None]
    for person, owner in held:
        if owner.is_open:
            return Proof.CONTRADICTED, f"the file of {person} can be written by others than {owner.name}: chmod go-w it"
    if len({owner.uid for _, owner in held} | {uid}) > 1:
        for (one, owner), (other, another) in combinations([*held, (me, Owner(uid, "your user"))], 2):
            if owner.uid == another.uid and one != other:
                return Proof.CONTRADICTED, (f"{owner.name} owns the file of {one} and "
                                            f"{'runs this' if other == me else f'that of {other}'}, beside other users")
    absent = [person for person, owner in zip(persons, owners, strict=False) if owner is None]
    named = ("who asked is known from the file alone" if len(persons) == 1 else
             "who asked and approved before is known from the files alone")
    if absent:
        return Proof.NAMED, f"{named}: the file of {absent[0]} is not beside it"
    if held and all(owner.uid == uid for _, owner in held):
        return Proof.NAMED, f"{named}: your own user owns {'it' if len(held) == 1 else 'them'}"
    if uid == 0 or not held:
        return Proof.NAMED, f"{named}: {'root writes as anybody' if held else 'it is no file'}"
    return Proof.PROVEN, "; ".join(f"the file of {person} belongs to {owner.name}" for person, owner in held)
