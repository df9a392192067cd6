"""What each feature is worth to the model at present, as somebody else computed it, beside what is usual.

The figure is the one that SHAP's documentation calls global importance (``shap.plots.bar``: the mean absolute SHAP
value of a feature over the samples). No exporter or standard has a name for it in Prometheus, so the manifest names the
metric.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attribution:
    """One feature."""

    feature: str
    value: float
    """Mean absolute attribution, in units of the model's output; from 0."""
    share: float
    """Of the sum over all features, 0 to 1."""
    usual_share: float | None
    """The same in training; None where the notebook does not say."""

    @property
    def change(self) -> float | None:
        """Present share less the usual one; None without a usual one."""
        return None if self.usual_share is None else self.share - self.usual_share


def attributions(values: Mapping[str, float], usual: Mapping[str, float]) -> tuple[Attribution, ...]:
    """Shares by feature, largest first. What is no finite number from zero on is left out.

    Attributions are told as shares: their unit is that of the model's output, which retraining may change. Usual shares
    are over the features that have both, so that one that is not exported does not make the others look larger.
    """
    known = {name: value for name, value in values.items() if math.isfinite(value) and value >= 0}
    total = math.fsum(known.values())
    both = {name: usual[name] for name in known if name in usual}
    of_both, usual_total = math.fsum(known[name] for name in both), math.fsum(both.values())
    if total <= 0:
        return ()
    scale = of_both / total
    found = [Attribution(name, value, value / total,
                         both[name] / usual_total * scale if name in both and usual_total > 0 else None)
             for name, value in known.items()]
    return tuple(sorted(found, key=lambda item: (-item.share, item.feature)))
