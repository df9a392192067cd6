"""``CloserLook``: what somebody looks at so closely that it is asked for only then."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CloserLook:
    """What is asked about the model shown besides what every look asks: its past, its labels, its attributions."""

    feature: str = ""
    """Watched feature whose score over time is wanted; "" for none."""
    is_prediction: bool = False
    """Whether that is the model's output."""
    pods: bool = False
    """Whether its pods and their work are wanted, too."""
