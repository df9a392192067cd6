"""``python -m triage.cells.runner``: speaks :mod:`triage.cells.protocol` on its standard input and output."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import struct
import sys
from typing import Any

from triage.cells.protocol import MAX_LINE_BYTES, PROTOCOL, Outcome, decode, encode

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_BECOME_SUBREAPER = 36


class Wire:
    """The product's end of the pipes."""

    def __init__(self, reader: asyncio.StreamReader, descriptor: int) -> None:
        self.reader = reader
        self._descriptor = descriptor

    def say(self, kind: str, **content: Any) -> None:
        """Send a message; waits while the product does not read."""
        line = memoryview(encode({"type": kind, **content}))
        while line:
            line = line[os.write(self._descriptor, line):]

    async def hear(self) -> dict[str, Any] | None:
        """The next message; None when the product is gone."""
        while True:
            try:
                line = await self.reader.readline()
            except ValueError:
                # Longer than any message may be: what is left of it is no message either.
                continue
            if not line.endswith(b"\n"):
                return None
            message = decode(line)
            if message is not None:
                return message


async def main() -> None:
    """Serve one ``run``."""
    wire = await _wire()
    order = await wire.hear()
    if order is None:
        return
    if order.get("type") != "run" or order.get("protocol") != PROTOCOL:
        wire.say("broken", message=f"protocol {order.get('protocol')} is not spoken here; it is {PROTOCOL}")
        return
    if order["loopback"]:
        _bring_up_loopback()
    _adopt_orphans()
    try:
        from triage.cells.runner.session import Session
    except ImportError as error:
        wire.say("broken", message=f"{error.name or 'a package'} is missing, which runs the cells")
        return
    session = Session(order, wire.say)
    listening = asyncio.create_task(_listen(wire, session))
    try:
        await session.run()
    except Exception as error:
        for cell in order["cells"][session.ended:]:
            # What was begun may have done something.
            begun = cell["id"] == session.running
            wire.say("finished", id=cell["id"], outcome=Outcome.KERNEL_DIED if begun else Outcome.NOT_RUN,
                     seconds=None if begun else 0.0, detail="its runner broke" if begun else "")
        wire.say("broken", message=f"{type(error).__name__}: {str(error)[:500]}")
    listening.cancel()
    wire.say("done")


async def _listen(wire: Wire, session: Any) -> None:
    while (message := await wire.hear()) is not None:
        if message["type"] == "stop":
            session.stop()
        elif message["type"] == "answer":
            session.answered(message)
    session.kill()
    # Nobody is left to be told.
    os._exit(1)


async def _wire() -> Wire:
    """Take the pipes away from standard input and output, which kernels inherit and anything may write to."""
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader),
                                                       os.fdopen(incoming, "rb", buffering=0))
    return Wire(reader, outgoing)


def _bring_up_loopback() -> None:
    """In a network namespace of its own even loopback is down; cells ask Prometheus over it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        request = struct.pack("16sH14s", b"lo", 0, b"")
        flags = struct.unpack("16sH14s", fcntl.ioctl(device, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(device, _SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", flags | _IFF_UP, b""))


def _adopt_orphans() -> None:
    """What a cell starts and leaves stays below this process, where the product finds it."""
    if sys.platform == "linux":
        import ctypes
        ctypes.CDLL(None).prctl(_BECOME_SUBREAPER, 1, 0, 0, 0)


if __name__ == "__main__":
    asyncio.run(main())
