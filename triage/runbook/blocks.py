"""The fenced ``triage`` blocks and the front matter of a runbook, as pydantic reads them: unknown keys are errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from triage.notebook.names import Date
from triage.notebook.slis import Strict
from triage.quantities import Duration
from triage.runbook import steps
from triage.runbook.condition import Condition, parse_condition
from triage.runbook.criterion import Criterion, Limit, Word, parse_criterion
from triage.runbook.observe import parse_signal

_MESSAGE_FIELD = re.compile(r"\{([^{}]*)\}")
MESSAGE_FIELDS = ("model", "verdict", "reason", "stable", "canary", "time")
"""What a message may leave to be filled in."""
_Parsed = TypeVar("_Parsed")


def _step_id(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", text):
        raise ValueError(f'is not the name of a step: "{text}"\nlower-case letters, digits and "-", at most 40')
    return text


def _parsed(parse: Callable[[str], _Parsed]) -> Callable[[Any], _Parsed]:
    def read(value: Any) -> _Parsed:
        if not isinstance(value, str):
            raise ValueError("must be text\nquote it")
        return parse(value)
    return read


StepId = Annotated[str, AfterValidator(_step_id)]
_Condition = Annotated[Condition, BeforeValidator(_parsed(parse_condition))]
_Criterion = Annotated[Criterion, BeforeValidator(_parsed(parse_criterion))]
Text = Annotated[str, Field(min_length=1)]


class FrontMatter(Strict):
    """What stands between the two lines of ``---`` at the top."""

    id: StepId = Field(description="Name; progress is kept by it.")
    title: str = Field("", description="What is wrong, in one line; by default the first heading.")
    owner: Text = Field(description="Who keeps it right.")
    reviewed: Date = Field(description="When somebody last read all of it.")
    alerts: list[Text] = Field([], description="Names of the alerts that it answers.")
    severity: str = Field("", description="How bad it is when it is needed.")
    est_minutes: float | None = Field(None, gt=0, description="How long it usually takes.")


class Block(Strict):
    """What every step has."""

    multiline: ClassVar[frozenset[str]] = frozenset({"expr", "text"})

    id: StepId = Field(description="Name, unique in the runbook; its state is kept by it.")
    when: _Condition | None = Field(None, description="Outcomes of earlier steps under which it applies.")
    owner: str = Field("", description="Who does it.")
    budget: Duration | None = Field(None, description="How long it may take.")

    def does(self) -> steps.Does:
        """What the step does."""
        raise NotImplementedError


class NoteBlock(Block):
    """Something to read and to do by hand."""

    kind: Literal["note"]

    def does(self) -> steps.Does:
        return steps.Note()


class AskBlock(Block):
    """A question to the person in front of the screen."""

    kind: Literal["ask"]
    question: Text = Field(description="The question.")
    choices: list[Text] = Field(min_length=2, description="The answers there are.")

    def does(self) -> steps.Does:
        return steps.Question(self.question, tuple(self.choices))


class AssertBlock(Block):
    """A check against live data."""

    kind: Literal["assert"]
    expr: str = Field("", description="PromQL whose values must all be as expected.")
    signal: str = Field("", description="Something in the model's state, such as slo/latency.")
    version: str = Field("", description="Of slo/NAME: stable, canary or a version's name.")
    expect: _Criterion = Field(description='A limit such as ">= 99", or pass, or not fail.')
    hold: Duration = Field(0.0, alias="for", validate_default=False, description="How long it must hold.")
    unit: str = Field("", description="Unit of expr.")
    on_fail: StepId | None = Field(None, description="Step to go to when it fails.")

    @model_validator(mode="after")
    def _one_source(self) -> AssertBlock:
        if bool(self.expr) == bool(self.signal):
            raise ValueError("needs exactly one of expr and signal")
        if self.expr and isinstance(self.expect, Word):
            raise ValueError(f"expects {self.expect} of a number\nwrite a limit, such as \"<= 20\"")
        if self.version and not re.fullmatch(r"slo/[^/]+", self.signal):
            raise ValueError("has a version without a signal slo/NAME\nonly objectives are counted by version")
        if self.signal:
            signal = parse_signal(self.signal, self.version)
            if isinstance(self.expect, Limit) and not signal.is_number:
                raise ValueError(f"compares {signal} with a number, but it has a verdict only\nwrite pass, or not fail")
            if isinstance(self.expect, Word) and not signal.has_verdict:
                raise ValueError(f"expects {self.expect} of {signal}, which has no verdict of its own\nwrite a limit")
        return self

    def does(self) -> steps.Does:
        signal = parse_signal(self.signal, self.version) if self.signal else None
        return steps.Check(self.expr.strip(), signal, self.expect, self.hold, self.unit, self.on_fail or "")


class WaitBlock(Block):
    """Time that has to pass."""

    kind: Literal["wait"]
    time: Duration = Field(alias="for", description="How long.")

    def does(self) -> steps.Does:
        return steps.Wait(self.time)


class QueryBlock(Block):
    """A number to look at."""

    kind: Literal["query"]
    expr: Text = Field(description="PromQL.")
    unit: str = Field("", description="Its unit.")

    def does(self) -> steps.Does:
        return steps.Query(self.expr.strip(), self.unit)


class CellBlock(Block):
    """A diagnostic cell of the notebook."""

    kind: Literal["cell"]
    cell: Text = Field(description="Id of the cell.")
    params: dict[str, str | int | float | bool] = Field({}, description="Values for its parameters.")

    def does(self) -> steps.Does:
        return steps.Cell(self.cell, dict(self.params))


class ActionBlock(Block):
    """A guarded action: the step opens its plan, filled in."""

    kind: Literal["action"]
    action: Literal["pause", "resume", "promote", "promote-full", "abort", "rollback", "retry", "scale", "retrain",
                    "silence", "expire-silence"] = Field(description="What to do.")
    to: str = Field("", description="Version to go to; by default the last known good one.")

    def does(self) -> steps.Does:
        return steps.Act(self.action, self.to)


class ApproveBlock(Block):
    """Somebody else has to agree."""

    kind: Literal["approve"]
    role: Literal["model-owner", "on-call", "escalation", "risk"] = Field(description="Role of an owner.")

    def does(self) -> steps.Does:
        return steps.Approve(self.role)


class ChoiceBlock(Strict):
    """One way out of a branch."""

    when: _Condition = Field(description="Outcomes of earlier steps.")
    goto: StepId = Field(description="Step to go to.")


class BranchBlock(Block):
    """Where the way parts; the first choice that holds is taken."""

    kind: Literal["branch"]
    choices: list[ChoiceBlock] = Field(min_length=1, description="The ways there are.")

    def does(self) -> steps.Does:
        return steps.Branch(tuple(steps.Choice(choice.when, choice.goto) for choice in self.choices))


class MessageBlock(Block):
    """Words for other people."""

    kind: Literal["message"]
    to: Text = Field(description="For whom.")
    text: Text = Field(description="What to say, with fields such as {model} to be filled in.")

    @model_validator(mode="after")
    def _known_fields(self) -> MessageBlock:
        unknown = [name for name in _MESSAGE_FIELD.findall(self.text) if name not in MESSAGE_FIELDS]
        if unknown:
            raise ValueError(f"leaves {{{unknown[0]}}} to be filled in, which nobody knows\n"
                             f"there are: {', '.join(MESSAGE_FIELDS)}")
        return self

    def does(self) -> steps.Does:
        return steps.Message(self.to, self.text.strip())


BLOCKS: dict[str, type[Block]] = {
    "note": NoteBlock, "ask": AskBlock, "assert": AssertBlock, "wait": WaitBlock, "query": QueryBlock,
    "cell": CellBlock, "action": ActionBlock, "approve": ApproveBlock, "branch": BranchBlock, "message": MessageBlock}
"""The kinds of steps."""
