"""Chance: each stream of draws is a function of the seed, its name and the block of time, and of nothing else.

A stream is read in the order of time, so it does not matter whether an hour is asked for at once or scrape by scrape.
:class:`Expected` answers with means instead; the counters' start values come from it.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from triage.lab.world.grid import Floats


class Source(Protocol):
    """Where counts come from. Every method takes means or probabilities over the T times of a window."""

    def enter(self, block: str) -> None:
        """Begin (or go on with) a block of time."""
        ...

    def events(self, name: str, means: Floats) -> Floats:
        """Independent events with these means, (T,)."""
        ...

    def split(self, name: str, counts: Floats, shares: Floats) -> Floats:
        """``counts`` (T,) told apart by ``shares`` (K,) or (T, K), which sum to 1: (T, K)."""
        ...


def generator(seed: int, *name: object) -> np.random.Generator:
    """A generator for one name."""
    digest = blake2b("\0".join(map(str, name)).encode(), digest_size=16, key=seed.to_bytes(16, "little"))
    return np.random.Generator(np.random.SFC64(int.from_bytes(digest.digest(), "little")))


class Drawn:
    """Random counts."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._block = ""
        self._streams: dict[str, np.random.Generator] = {}

    def enter(self, block: str) -> None:
        if block != self._block:
            self._block = block
            self._streams = {}

    def _stream(self, name: str) -> np.random.Generator:
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = generator(self._seed, self._block, name)
        return stream

    def events(self, name: str, means: Floats) -> Floats:
        return self._stream(name).poisson(means).astype(np.float64)

    def split(self, name: str, counts: Floats, shares: Floats) -> Floats:
        whole: NDArray[np.int64] = counts.astype(np.int64)
        return self._stream(name).multinomial(whole, shares).astype(np.float64)


class Expected:
    """Means."""

    def enter(self, block: str) -> None:
        pass

    def events(self, name: str, means: Floats) -> Floats:
        return means

    def split(self, name: str, counts: Floats, shares: Floats) -> Floats:
        return counts[:, None] * shares


class Noise:
    """A standard normal value for each whole number: always the same one, whenever it is asked."""

    _CHUNK = 512

    def __init__(self, seed: int, name: str) -> None:
        self._seed = seed
        self._name = name
        self._chunks: dict[int, Floats] = {}

    def __call__(self, first: int, last: int) -> Floats:
        """The values of ``first`` to ``last``, both included."""
        numbers = range(first // self._CHUNK, last // self._CHUNK + 1)
        for number in numbers:
            if number not in self._chunks:
                self._chunks[number] = generator(self._seed, "noise", self._name, number).standard_normal(self._CHUNK)
        start = numbers[0] * self._CHUNK
        if len(numbers) == 1:
            return self._chunks[numbers[0]][first - start:last + 1 - start]
        return np.concatenate([self._chunks[number] for number in numbers])[first - start:last + 1 - start]


class Wander:
    """A slow random swing around 0 with a standard deviation near 1: a function of time, whenever it is asked."""

    def __init__(self, seed: int, name: str, spacing: float) -> None:
        self._noise = Noise(seed, name)
        self._spacing = spacing

    def __call__(self, times: Floats) -> Floats:
        """Values at ascending times."""
        position = times / self._spacing
        first, last = int(position[0]), int(position[-1]) + 1
        # Between two knots the variance of a straight line is smaller; 1.22 brings the mean of it back to 1.
        return np.interp(position, np.arange(first, last + 1, dtype=np.float64), self._noise(first, last)) * 1.22
