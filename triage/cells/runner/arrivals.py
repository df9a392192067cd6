"""Which messages of a kernel arrived: it numbers them, so that one that was lost on the way leaves a gap.

A kernel publishes its outputs and does not wait for whoever reads them: where the reader falls behind, messages are
thrown away without a word. So both ends are told to keep as many as there are, and gaps are counted nevertheless.
"""

from __future__ import annotations

import asyncio
from typing import Any

import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from traitlets import Type

KEEP_ALL = ("get_ipython().kernel.iopub_thread.schedule(lambda: get_ipython().kernel.iopub_thread.socket.setsockopt("
            "__import__('zmq').SNDHWM, 0))")
"""What a kernel is told before the first cell: to keep messages as long as nobody has taken them."""
_AT_ONCE = 50
"""Messages that are taken before others have their turn."""


class Arrivals:
    """Numbers of messages, as ``jupyter_client`` writes them: ``SESSION_PROCESS_NUMBER``."""

    def __init__(self) -> None:
        self._kernel = ""
        """The part of its messages' ids that all of them share; "" until its first reply."""
        self._came: set[int] = set()
        self._before = -1
        """Number of the newest message before the present cell; -1 when there is none."""
        self.replied = asyncio.Event()
        """Set when the kernel says that it is through with the cell; its outputs may be on their way still."""

    def reply(self, message_id: str) -> None:
        """A reply came, which only the kernel itself gives."""
        self._kernel = self._kernel or message_id.rpartition("_")[0]
        self.came(message_id)
        self.replied.set()

    def came(self, message_id: str) -> None:
        """A message came. Those of processes that a cell has forked are numbered by themselves, and not counted."""
        sender, _, number = message_id.rpartition("_")
        if number.isdecimal() and sender in (self._kernel or sender, self._kernel):
            self._came.add(int(number))

    def begin(self) -> None:
        """A cell begins: what is counted starts anew."""
        self._before = max(self._came, default=self._before)
        self._came.clear()
        self.replied.clear()

    def lost(self) -> int:
        """How many messages are missing up to the newest one since the cell began."""
        if not self._kernel or self._before < 0:
            return 0
        since = {number for number in self._came if number > self._before}
        return max(since, default=self._before) - self._before - len(since)


def client_class(arrivals: Arrivals) -> type[AsyncKernelClient]:
    """A client whose messages are counted in ``arrivals``, and which keeps all that it has not read yet."""
    class Published(AsyncZMQSocketChannel):
        """Taken in one go while there are any, with a breath for others now and then."""

        taken = 0

        async def get_msg(  # type: ignore[override]
                self, timeout: float | None = None) -> dict[str, Any]:
            if timeout is None:
                self.taken += 1
                if not self.taken % _AT_ONCE:
                    await asyncio.sleep(0)
                message: dict[str, Any] = await self._recv()
            else:
                message = await super().get_msg(timeout)
            arrivals.came(str(message["header"].get("msg_id")))
            return message

    class Replies(AsyncZMQSocketChannel):
        async def get_msg(  # type: ignore[override]
                self, timeout: float | None = None) -> dict[str, Any]:
            message = await super().get_msg(timeout)
            arrivals.reply(str(message["header"].get("msg_id")))
            return message

    class Client(AsyncKernelClient):
        iopub_channel_class = Type(Published)
        shell_channel_class = Type(Replies)

        def connect_iopub(self, identity: bytes | None = None) -> Any:
            # For sockets that are made from now on.
            self.context.setsockopt(zmq.RCVHWM, 0)
            return super().connect_iopub(identity)
    return Client
