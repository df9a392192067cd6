"""What the product and a runner of cells say to each other: one JSON object in one line, over two pipes.

The product starts the runner, writes ``run`` and reads until ``done``. Nothing in it says where the runner is: a
program on another host, or a gateway to kernels, can take its place at the other end of the pipes.

To the runner:

``run``        ``protocol`` (1), ``cells`` [{``id``, ``source``, ``seconds``}], ``kernel`` {``argv``, ``environment``,
               ``folder``}, ``sockets`` (a private folder), ``limits`` {``output_bytes``, ``rich_bytes``,
               ``stop_bytes``, ``interrupt_seconds``}, ``loopback`` (whether the loopback device must be brought up)
``stop``       interrupt the cell that runs; if it goes on, end the kernel; run no other
``answer``     to an ``ask``: its ``id``, ``status`` (HTTP), ``body``

From the runner:

``ready``      the kernel runs: ``pid``, ``python`` (its version)
``cell``       ``id``: this cell begins
``stream``     ``name`` (``stdout``, ``stderr``), ``text``
``output``     ``data``: representations by MIME type
``error``      ``name``, ``value``, ``traceback`` (list of texts): the cell raised
``dropped``    what is missing of the cell that runs, in all: ``bytes`` of output beyond the limits, ``outputs`` left
               out whole, ``verdicts`` left out, messages ``lost`` between the kernel and the runner
``ask``        a cell asks Prometheus: ``id``, ``path``, ``fields`` [[name, value]]
``finished``   the cell ended: ``id``, ``outcome`` (:class:`~triage.cells.protocol.Outcome`), ``seconds``, ``detail``
``broken``     ``message``: the runner cannot go on
``done``       nothing follows

A kernel that outlives what it was stopped for is ended, and so is one whose runner sees its input end: a product that
is killed leaves nothing behind. Texts in messages from the runner are foreign and are cleaned by the product.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

PROTOCOL = 1
MAX_LINE_BYTES = 64_000_000
"""Of one message. A longer one is no message of ours."""


class Outcome(StrEnum):
    """How a cell ended."""

    FINISHED = "finished"
    RAISED = "raised"
    TIME_LIMIT = "time limit"
    OUTPUT_LIMIT = "output limit"
    MEMORY_LIMIT = "memory limit"
    """All its processes together took more memory than allowed."""
    PROCESS_LIMIT = "process limit"
    """It started more processes than allowed."""
    STOPPED = "stopped"
    """By the person who started it."""
    KERNEL_DIED = "kernel died"
    TRIAGE_DIED = "triage died"
    """Nobody knows how far it came: the triage that ran it was killed, and a later one says so."""
    NOT_RUN = "not run"
    """A cell before it did not finish, or the runner could not start."""


def encode(message: Mapping[str, Any]) -> bytes:
    """One line, ASCII only: what a cell wrote cannot end it early."""
    return json.dumps(message, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any] | None:
    """The message in a line; None when it is none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("type"), str) else None
