"""Leases in the state directory: between all processes of one account on one machine, or on a disk they share.

On one machine a lock tells whether the holder still lives, so that one who was killed keeps nobody waiting. Where the
holder is on another machine, its lease ends when it has not been moved on for
:data:`~triage.actions.lease.LEASE_SECONDS` (the machines' clocks must agree to within that). That only one process
gets a lease rests on one file name being created once, which holds on NFS as well.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from triage.actions.lease import LEASE_SECONDS, Busy, Claim, Free, Held, NoLease
from triage.actions.uninterrupted import finished
from triage.state_dir import Hold, StateDir, StateError, file_name


@dataclass(frozen=True, slots=True)
class _Written:
    claim: Claim
    host: str
    since: float
    until: float
    released: bool
    watches: bool = False


class FileLeases:
    """Leases as files of ``folder``; ``host`` is this machine's name.

    Times are the machine's, not the clock's of a lab or a replay: what is shared with other processes needs one time.
    """

    def __init__(self, folder: StateDir, host: str, *, seconds: float = LEASE_SECONDS,
                 now: Callable[[], float] = time.time) -> None:
        self._folder, self._host, self._seconds, self._now = folder, host, seconds, now

    async def look(self, key: str) -> Free | Busy | NoLease:
        """As the protocol says."""
        return await asyncio.to_thread(self._look, key)

    async def acquire(self, key: str, claim: Claim) -> Held | Busy | NoLease:
        """As the protocol says."""
        return await asyncio.to_thread(self._acquire, key, claim)

    def _look(self, key: str) -> Free | Busy | NoLease:
        try:
            newest, written = self._newest(key)
            if newest == 0 or written is None or written.released:
                return Free()
            hold = self._hold(key)
            try:
                # Whoever had it may have given it back meanwhile.
                _, written = self._newest(key)
            finally:
                if hold is not None:
                    hold.release()
            if written is None or written.released:
                return Free()
            return self._judged(written, lives=hold is None)
        except StateError as error:
            return NoLease(error.message)

    def _hold(self, key: str) -> Hold | None:
        """The lock that shows a living holder; None while somebody has it."""
        hold = self._folder.hold(_alive(key))
        if hold is None:
            # Whoever only looks whether the holder lives has it as well, for a moment.
            time.sleep(_GLANCE_SECONDS)
            hold = self._folder.hold(_alive(key))
        return hold

    def _judged(self, written: _Written, *, lives: bool) -> Free | Busy:
        elsewhere = written.host != self._host and self._now() < written.until
        return self._busy(written) if lives or elsewhere else Free(written.claim)

    def _acquire(self, key: str, claim: Claim) -> Held | Busy | NoLease:
        hold: Hold | None = None
        try:
            hold = self._hold(key)
            newest, written = self._newest(key)
            if hold is None:
                return self._busy(written)
            state = Free() if written is None or written.released else self._judged(written, lives=False)
            if isinstance(state, Busy):
                hold.release()
                return state
            now, token = self._now(), newest + 1
            mine = _Written(claim, self._host, now, now + self._seconds, False)
            if not self._folder.create(_file(key, token), _bytes(mine)) or self._tokens(key)[-1] != token:
                hold.release()
                return self._busy(self._newest(key)[1])
            for older in self._tokens(key):
                if older < token:
                    self._folder.remove(_file(key, older))
            return _FileLease(self, key, token, mine, hold, state.abandoned)
        except StateError as error:
            if hold is not None:
                hold.release()
            return NoLease(error.message)

    def _busy(self, written: _Written | None) -> Busy:
        if written is None or written.released:
            now = self._now()
            return Busy(_SOMEBODY, now, now + self._seconds)
        return Busy(written.claim, written.since, written.until, written.watches)

    def _renewed(self, key: str, token: int, mine: _Written, *, released: bool, watches: bool) -> _Written | str:
        """``mine`` with its end moved on, or why it is not ours any more."""
        try:
            newest, other = self._newest(key)
            if newest != token:
                return f"somebody else has the lease: {other.claim.holder if other else 'it was removed'}"
            if self._now() > mine.until and not released:
                return "the lease ended before it was moved on: this machine was asleep or too slow"
            found = replace(mine, until=self._now() + self._seconds, released=released, watches=watches)
            self._folder.write(_file(key, token), _bytes(found))
            return found
        except StateError as error:
            return error.message

    def _tokens(self, key: str) -> list[int]:
        start = f"{file_name(key)}."
        ends = [name.removeprefix(start) for name in self._folder.files() if name.startswith(start)]
        return sorted(int(end) for end in ends if end.isascii() and end.isdigit())

    def _newest(self, key: str) -> tuple[int, _Written | None]:
        """The highest token and what stands there; 0 and None before there was a lease."""
        tokens = self._tokens(key)
        if not tokens:
            return 0, None
        content = self._folder.read(_file(key, tokens[-1]))
        return tokens[-1], None if content is None else _written(content, str(self._folder.path))


class _FileLease:
    def __init__(self, leases: FileLeases, key: str, token: int, written: _Written, hold: Hold,
                 taken_over_from: Claim | None) -> None:
        self._leases, self._key, self._token, self._written, self._hold = leases, key, token, written, hold
        self._taken_over_from = taken_over_from
        self._watches = self._is_over = False
        self._writes = threading.Lock()

    @property
    def token(self) -> int:
        return self._token

    @property
    def taken_over_from(self) -> Claim | None:
        return self._taken_over_from

    async def renew(self) -> str:
        return await asyncio.to_thread(self._write)

    async def watch(self) -> str:
        # Before it is written: a heartbeat that comes meanwhile says so too.
        self._watches = True
        return await asyncio.to_thread(self._write)

    async def release(self) -> str:
        try:
            return await finished(asyncio.to_thread(self._write, released=True))
        finally:
            # The lock goes by the process, which may live on: nobody else gets the lease before.
            self._hold.release()

    def _write(self, *, released: bool = False) -> str:
        # A heartbeat that is given up goes on in its thread: what it writes must not come after the end.
        with self._writes:
            if self._is_over and not released:
                return "the lease was given back"
            self._is_over = released
            found = self._leases._renewed(self._key, self._token, self._written, released=released,
                                          watches=self._watches and not released)
            if isinstance(found, str):
                return found
            self._written = found
            return ""


_GLANCE_SECONDS = 0.05
_SOMEBODY = Claim("another process", "", "it has only just begun")


def _file(key: str, token: int) -> str:
    return f"{file_name(key)}.{token}"


def _alive(key: str) -> str:
    return f"{file_name(key)}.alive"


def _bytes(written: _Written) -> bytes:
    return json.dumps(asdict(written), sort_keys=True).encode()


def _written(content: bytes, where: str) -> _Written:
    try:
        body: Any = json.loads(content)
        claim = Claim(**{name: str(body["claim"][name]) for name in ("holder", "action_id", "text")})
        return _Written(claim, str(body["host"]), float(body["since"]), float(body["until"]), body["released"] is True,
                        body.get("watches") is True)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise StateError(f"a lease in {where} cannot be read", "see who works there; then remove that file") from None
