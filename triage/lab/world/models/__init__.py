"""One module for the behaviour of each model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from triage.lab.world.behaviour import Behaviour
from triage.lab.world.effects import Effects
from triage.lab.world.models.chat import ChatAssistant
from triage.lab.world.models.churn import ChurnRanker
from triage.lab.world.models.fraud import FraudScorer
from triage.lab.world.models.loan import LoanApproval
from triage.lab.world.models.moderation import ImageModeration
from triage.lab.world.models.reviews import ReviewSentiment
from triage.lab.world.plan import Plan

BEHAVIOURS: Mapping[str, Callable[[Plan, Effects, int], Behaviour]] = MappingProxyType({
    "fraud-scorer": FraudScorer,
    "chat-assistant": ChatAssistant,
    "churn-ranker": ChurnRanker,
    "image-moderation": ImageModeration,
    "loan-approval": LoanApproval,
    "review-sentiment": ReviewSentiment,
})
