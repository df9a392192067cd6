"""A runbook as frozen values: its headings, and steps that check, ask, wait, run, act or lead elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from triage.runbook.condition import Condition
from triage.runbook.criterion import Criterion
from triage.runbook.observe import Signal

SECTIONS = ("Meaning", "Impact", "Diagnosis", "Mitigation", "Verify", "Escalate")
"""Headings of a runbook, in this order (prometheus-operator/runbooks, and what comes after the fire is out)."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something to read, and to say that it was done."""

    kind: ClassVar[str] = "note"


@dataclass(frozen=True, slots=True)
class Question:
    """Something that only a person knows."""

    kind: ClassVar[str] = "ask"
    question: str
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """Something that is looked at again with every refresh."""

    kind: ClassVar[str] = "assert"
    expr: str
    """PromQL; "" when ``signal`` is checked."""
    signal: Signal | None
    expect: Criterion
    hold_seconds: float = 0.0
    """How long it must hold before it counts as passed."""
    unit: str = ""
    """Of what ``expr`` gives."""
    on_fail: str = ""
    """Step to go to when it fails; "" to go on."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Time that has to pass."""

    kind: ClassVar[str] = "wait"
    seconds: float


@dataclass(frozen=True, slots=True)
class Query:
    """A number to look at."""

    kind: ClassVar[str] = "query"
    expr: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A diagnostic cell of the notebook."""

    kind: ClassVar[str] = "cell"
    cell: str
    params: Mapping[str, str | int | float | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Act:
    """A guarded action; the step opens its plan and nothing else."""

    kind: ClassVar[str] = "action"
    action: str
    """A word of ``triage act``, such as ``rollback``."""
    to: str = ""
    """Version to go to, where the action needs one."""


@dataclass(frozen=True, slots=True)
class Approve:
    """Somebody in this role has to agree."""

    kind: ClassVar[str] = "approve"
    role: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One way out of a branch."""

    when: Condition
    goto: str


@dataclass(frozen=True, slots=True)
class Branch:
    """Where the way parts; the first choice that holds is taken."""

    kind: ClassVar[str] = "branch"
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """Words for other people, to be sent by whoever reads them."""

    kind: ClassVar[str] = "message"
    to: str
    text: str
    """With ``{model}``, ``{verdict}``, ``{reason}``, ``{stable}``, ``{canary}`` and ``{time}`` to be filled in."""


Does = Note | Question | Check | Wait | Query | Cell | Act | Approve | Branch | Message


@dataclass(frozen=True, slots=True)
class Prose:
    """A block of text between the steps."""

    text: str
    """One paragraph, in one line; code keeps its line breaks."""
    form: Literal["paragraph", "item", "code"] = "paragraph"


@dataclass(frozen=True, slots=True)
class Step:
    """One step."""

    id: str
    """What its state is kept by, also when the runbook is edited."""
    title: str
    does: Does
    section: str = ""
    """Heading that it stands under; "" above the first."""
    prose: tuple[Prose, ...] = ()
    """What is written between its title and its block."""
    when: Condition | None = None
    owner: str = ""
    budget_seconds: float | None = None
    """How long it should take at most; None: nobody says."""
    number: int = field(default=0, compare=False)
    """1-based, as it is shown."""
    line: int = field(default=0, compare=False)
    """1-based, of its block in the file."""

    @property
    def kind(self) -> str:
        """``note``, ``ask``, ``assert``, ``wait``, ``query``, ``cell``, ``action``, ``approve``, ``branch`` or
        ``message``."""
        return self.does.kind

    def leads_to(self) -> tuple[str, ...]:
        """Steps that it can lead to out of turn."""
        match self.does:
            case Branch(choices):
                return tuple(choice.goto for choice in choices)
            case Check(on_fail=target) if target:
                return (target,)
        return ()


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the text under it that belongs to no step."""

    title: str
    prose: tuple[Prose, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A link in the text."""

    target: str
    line: int


@dataclass(frozen=True, slots=True)
class Runbook:
    """A runbook. All texts are cleaned."""

    id: str
    title: str
    file: str
    """Where it was read, to be shown; "" for the one that is built in."""
    owner: str
    reviewed: str
    """Date, ``2026-11-06``; "" when nobody says."""
    alerts: tuple[str, ...]
    """Names of the alerts that it answers."""
    severity: str
    est_minutes: float | None
    sections: tuple[Section, ...]
    steps: tuple[Step, ...]
    links: tuple[Link, ...] = ()

    def step(self, name: str) -> Step | None:
        """The step of this id, None when there is none."""
        return next((step for step in self.steps if step.id == name), None)

    def expressions(self) -> Iterator[str]:
        """The PromQL of its steps, each once."""
        return iter(dict.fromkeys(step.does.expr for step in self.steps
                                  if isinstance(step.does, Check | Query) and step.does.expr))
