"""``frozen``: for the type checker a frozen dataclass with slots; at run time one whose making costs a fifth.

The guard of a frozen dataclass is paid for with every field of every object that is made, and a refresh of a thousand
models makes fifty thousand replies, readings and states. What is made so often is kept from being changed by the type
checker alone, which reads all of the program and its tests; everything else is a frozen dataclass in full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as frozen
else:
    from dataclasses import dataclass

    def frozen(**_: bool):
        """Take ``frozen=True, slots=True``, as ``dataclass`` does; equality and hash are those of a frozen one."""
        return dataclass(slots=True, unsafe_hash=True)

__all__ = ["frozen"]
