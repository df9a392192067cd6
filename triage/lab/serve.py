"""The lab's process: builds a world, answers for it on loopback, and lets it live. ``python -m triage.lab.serve``.

It serves as soon as the last hours exist; the older days are made while it already answers. Started with
``--with-parent FOLDER`` it ends when its standard input ends, that is with its parent, however that came to its end,
and takes the parent's private folder with it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from triage.lab.child import FEATURES, TOKENS_VARIABLE
from triage.lab.clock import LabClock
from triage.lab.site import Tokens, site
from triage.lab.world.scenario import ScenarioError, load
from triage.lab.world.world import World

_LONGEST_NAP = 1.0
"""Seconds of the machine's time between looks at the virtual clock."""
_SHORTEST_NAP = 0.05
_NICENESS = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to end. 2 when the scenario cannot be used."""
    wanted = _parser().parse_args(arguments)
    if wanted.with_parent is not None:
        threading.Thread(target=_end_with_parent, args=(wanted.with_parent,), name="triage-lab-parent",
                         daemon=True).start()
    words = os.environ.pop(TOKENS_VARIABLE, "").split()
    if len(words) not in (2, 3):
        print(f"triage lab: {TOKENS_VARIABLE} needs two tokens: one that may write, one that may read; "  # noqa: T201
              "a third may write as another person", file=sys.stderr)
        return 2
    try:
        scenario = load(wanted.scenario)
    except ScenarioError as error:
        print(f"triage lab: {error}", file=sys.stderr)  # noqa: T201
        return 2
    now = time.time()
    clock = LabClock(wanted.starts_at if wanted.starts_at is not None else now,
                     wanted.anchor if wanted.anchor is not None else now, wanted.speed)
    world = World(scenario, scenario.seed if wanted.seed is None else wanted.seed, clock,
                  experimental="promql-experimental-functions" in wanted.enable_feature)
    listening = socket.socket(fileno=wanted.fd) if wanted.fd is not None else _listen(wanted.port)
    world.begin()
    if wanted.with_parent is not None:
        # Where the processor is short, the screen that started it comes first, but for what it waits for.
        os.nice(_NICENESS)
    asyncio.run(serve(world, Tokens(*words), listening))
    return 0


async def serve(world: World, tokens: Tokens, listening: socket.socket) -> None:
    """Answer for ``world`` on the socket until the server is asked to end. What breaks in the world ends it too."""
    # Its own Date header would carry the machine's time, not the world's.
    server = uvicorn.Server(uvicorn.Config(site(world, tokens), log_level="warning", access_log=False, lifespan="off",
                                           ws="none", date_header=False, timeout_graceful_shutdown=1))
    serving, playing = asyncio.create_task(server.serve(sockets=[listening])), asyncio.create_task(_play(world))
    await asyncio.wait({serving, playing}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    playing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await playing


async def _play(world: World) -> None:
    async with asyncio.TaskGroup() as both:
        both.create_task(_live(world))
        both.create_task(asyncio.to_thread(world.make_past))


async def _live(world: World) -> None:
    clock = world.clock
    nap = min(_LONGEST_NAP, max(_SHORTEST_NAP, world.scrape_seconds / clock.speed / 4)) if clock.speed else _LONGEST_NAP
    while True:
        world.advance(clock.now())
        await asyncio.sleep(nap)


def _listen(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen()
    return listening


def _end_with_parent(folder: Path) -> None:
    while os.read(0, 4096):
        pass
    # The parent may have had no time to put its things away. Nothing else is kept.
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m triage.lab.serve")
    parser.add_argument("--scenario", required=True)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--starts-at", type=float)
    parser.add_argument("--anchor", type=float)
    parser.add_argument("--enable-feature", action="append", choices=FEATURES, default=[])
    parser.add_argument("--with-parent", type=Path, metavar="FOLDER")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--fd", type=int)
    where.add_argument("--port", type=int)
    return parser


if __name__ == "__main__":
    sys.exit(main())
