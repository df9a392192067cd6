"""Who works here, as they or the machine say: for what is recorded, never for what is allowed."""

from __future__ import annotations

import getpass
import os
import socket

from triage.text import clean

VARIABLE = "TRIAGE_PERSON"
"""Environment variable by which somebody says who they are: on many bastions all log in as one user."""


def person() -> str:
    """What ``$TRIAGE_PERSON`` says, else ``user@host`` of this process, cleaned; the number of the user where it has no
    name."""
    named = clean(os.environ.get(VARIABLE, ""), limit=80).strip()
    if named:
        return named
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = str(os.geteuid())
    return clean(f"{user}@{socket.gethostname().partition('.')[0] or 'localhost'}", limit=80)
