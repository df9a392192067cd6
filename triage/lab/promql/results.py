"""What a query answers: the four value types of Prometheus' API."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Scalar:
    """One number; ``at`` in Unix seconds."""

    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A string literal."""

    at: float
    value: str


@dataclass(frozen=True, slots=True)
class Vector:
    """One sample per series, all at the same time, in Prometheus' order where it has one (``sort``, ``topk``)."""

    at: float
    samples: list[tuple[dict[str, str], float]]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Many samples per series: (labels, Unix seconds, values), in order of the labels."""

    series: list[tuple[dict[str, str], NDArray[np.float64], NDArray[np.float64]]]


@dataclass(frozen=True, slots=True)
class Result:
    """The answer and what Prometheus would say about it."""

    value: Scalar | Text | Vector | Matrix
    warnings: list[str] = field(default_factory=list)
    infos: list[str] = field(default_factory=list)
