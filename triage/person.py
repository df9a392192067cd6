"""Who works here, as far as the machine can tell: for what is recorded, never for what is allowed."""

from __future__ import annotations

import getpass
import os
import socket

from triage.text import clean


def person() -> str:
    """``user@host`` of this process, cleaned; the number of the user where it has no name."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = str(os.geteuid())
    return clean(f"{user}@{socket.gethostname().partition('.')[0] or 'localhost'}", limit=80)
