"""Sending text to the clipboard of whoever sits in front of the terminal, over SSH too."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Callable, Mapping

OSC52_LIMIT = 74_994
"""Bytes of base64 that terminals accept in one OSC 52 sequence; more would be cut off or hang some of them."""
_TMUX_TIMEOUT = 2.0


def send(text: str, write: Callable[[str], None], environ: Mapping[str, str] = os.environ) -> str:
    """Send ``text`` and say what was done. It cannot be known whether the terminal took it: "sent", never "copied".

    Inside tmux its own command is used, because tmux drops OSC 52 by default; else the sequence is given to ``write``.
    """
    if environ.get("TMUX"):
        try:
            subprocess.run(["tmux", "load-buffer", "-w", "-"], input=text.encode(), timeout=_TMUX_TIMEOUT, check=True,  # noqa: S607
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except (OSError, subprocess.SubprocessError):
            pass
        else:
            return "sent to tmux, which passes it on to the terminal's clipboard"
    encoded = base64.b64encode(text.encode()).decode()
    if len(encoded) > OSC52_LIMIT:
        return "too long for the clipboard: it is only shown here"
    write(f"\x1b]52;c;{encoded}\x07")
    return "sent to the terminal's clipboard (some terminals refuse it)"
