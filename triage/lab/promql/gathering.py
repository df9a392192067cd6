"""The samples of windows laid out side by side, for what cannot be computed from running sums."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from triage.lab.promql.store import Values
from triage.lab.promql.values import Batch, Mask

_CELLS = 1_000_000
"""Samples that are laid out at once: windows overlap, and all of them may not fit into memory."""


def gathered(batch: Batch) -> Iterator[tuple[slice, Values, Mask]]:
    """Some steps at a time: (the steps, values as series by steps by samples, which of them are in the window).

    The mask is steps by samples; windows are filled from the left, and what follows their samples has no meaning.
    """
    widest = int(batch.counts.max()) if len(batch.counts) else 0
    if not widest:
        return
    at_once = max(1, _CELLS // (widest * len(batch.values)))
    for begin in range(0, len(batch.low), at_once):
        part = slice(begin, begin + at_once)
        offsets = np.arange(max(int(batch.counts[part].max()), 1))
        index = np.minimum(batch.low[part][:, None] + offsets, len(batch.times) - 1)
        yield part, batch.values[:, index], offsets < batch.counts[part][:, None]
