"""Where every step of a runbook stands, from what is recorded: the way through it, and what lies off the way. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from triage.runbook.condition import Condition, Term
from triage.runbook.run import Record, Run, Status
from triage.runbook.steps import Branch, Check, Query, Runbook, Step, Wait


class StepState(StrEnum):
    """How a step stands. The value is the word on screen."""

    PENDING = "pending"
    """Its turn has not come, or it is not known yet whether it comes."""
    READY = "ready"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    BLOCKED = "blocked"
    """Its turn, and it cannot be decided; ``note`` says why."""
    NOT_APPLICABLE = "not applicable"


SETTLED = frozenset({StepState.PASSED, StepState.FAILED, StepState.SKIPPED, StepState.NOT_APPLICABLE})
_SHOWN_AS = {Status.RUNNING: StepState.RUNNING, Status.HOLDING: StepState.RUNNING, Status.PASSED: StepState.PASSED,
             Status.FAILED: StepState.FAILED, Status.UNKNOWN: StepState.BLOCKED, Status.SKIPPED: StepState.SKIPPED}


@dataclass(frozen=True, slots=True)
class Standing:
    """One step and how it stands."""

    step: Step
    state: StepState
    record: Record
    note: str = ""
    """Why it is not its turn, not applicable or blocked; "" otherwise."""
    ready_at: float = 0.0
    """Unix seconds since when it could be done; 0 while it is pending or not applicable."""
    ends_at: float | None = None
    """Of a wait that runs: when it is over."""
    leads_to: str = ""
    """Step that the way leads to from here, once somebody takes it; "" when it leads on, or has been taken."""

    @property
    def needs_decision(self) -> bool:
        """Whether a failed check asks where to go."""
        return self.state is StepState.FAILED and bool(self.leads_to)

    @property
    def is_looked_at(self) -> bool:
        """Whether its expression is of interest at present."""
        return isinstance(self.step.does, Check | Query) and self.state not in (
            StepState.PENDING, StepState.NOT_APPLICABLE, StepState.SKIPPED)

    def left_seconds(self, now: float) -> float | None:
        """What is left of its budget, negative beyond it; None while it is not its turn, and where it has none."""
        budget = self.step.budget_seconds
        if budget is None or not self.ready_at or self.state in SETTLED or self.state is StepState.PENDING:
            return None
        return budget - (now - self.ready_at)


def standings(runbook: Runbook, run: Run, now: float) -> tuple[Standing, ...]:
    """Every step in the order of the runbook, as of ``now`` (Unix seconds)."""
    way = _Way(runbook, run, now)
    for step in runbook.steps:
        way.meet(step)
    return tuple(way.met)


def current(found: Sequence[Standing]) -> Standing | None:
    """The step that waits for a person, else the one that runs, else one that is blocked; None when all is done."""
    person = (s for s in found if s.needs_decision
              or (s.state in (StepState.READY, StepState.BLOCKED) and not isinstance(s.step.does, Check | Query)))
    running = (s for s in found if s.state is StepState.RUNNING)
    blocked = (s for s in found if s.state is StepState.BLOCKED)
    return next((s for each in (person, running, blocked) for s in each), None)


def is_finished(found: Sequence[Standing]) -> bool:
    """Whether nothing is left to do; numbers to look at never are."""
    return all(s.state in SETTLED or isinstance(s.step.does, Query) for s in found)


@dataclass
class _Way:
    """The way through the steps, as far as it has been followed."""

    runbook: Runbook
    run: Run
    now: float
    met: list[Standing] = field(default_factory=list)
    _known: dict[str, Standing] = field(default_factory=dict)
    _jump: str = ""
    """Step that the way has jumped to and not yet reached."""
    _jumped_from: int = 0
    _gate: str = ""
    """Why nothing that follows has its turn."""
    _entered: set[str] = field(default_factory=set)
    """Steps that somebody went to."""
    _possible: dict[str, int] = field(default_factory=dict)
    """Steps that somebody may still go to, with the number of the step that leads there."""
    _since: float = 0.0
    """When the last step before was settled by somebody."""

    def __post_init__(self) -> None:
        self._targets = {target for step in self.runbook.steps for target in step.leads_to()}
        self._since = self.run.opened.at if self.run.opened is not None else self.now

    def meet(self, step: Step) -> None:
        """Follow the way by one step."""
        record = self.run.record(step.id)
        off = self._off_the_way(step)
        if off is not None:
            state, note = off
            if record.status is Status.SKIPPED or (record.status is not Status.NONE
                                                   and not isinstance(step.does, Check)):
                # What was done or skipped stays so, although the way now leads past it.
                state = _SHOWN_AS[record.status]
            self._add(Standing(step, state, record, note))
            if state is StepState.PENDING:
                self._lead(step)
            return
        if isinstance(step.does, Wait):
            self._wait(step, record, step.does.seconds)
        elif isinstance(step.does, Branch) and record.status is Status.NONE:
            self._branch(step, record, step.does)
        else:
            self._plain(step, record)

    def _off_the_way(self, step: Step) -> tuple[StepState, str] | None:
        """Why it is not this step's turn; None when it is."""
        if self._jump and self._jump != step.id:
            return StepState.NOT_APPLICABLE, f"{self._jumped_from} leads past it"
        if self._jump == step.id:
            self._jump = ""
        elif step.id in self._targets and step.id not in self._entered:
            if step.id in self._possible:
                return StepState.PENDING, f"if {self._possible[step.id]} leads here"
            return StepState.NOT_APPLICABLE, "nothing leads here"
        if step.when is not None:
            holds = self._holds(step.when)
            words = self._in_words(step.when)
            if holds is False:
                return StepState.NOT_APPLICABLE, f"only if {words}"
            if holds is None:
                return StepState.PENDING, f"if {words}"
        if self._gate:
            return StepState.PENDING, self._gate
        return None

    def _wait(self, step: Step, record: Record, seconds: float) -> None:
        open_step = next((s for s in self.met if s.state not in SETTLED and not isinstance(s.step.does, Check | Query)),
                         None)
        if record.status is Status.SKIPPED:
            self._add(Standing(step, StepState.SKIPPED, record, ready_at=self._since))
            self._since = max(self._since, record.since)
        elif open_step is not None or self.run.opened is None:
            after = f"after {open_step.step.number}" if open_step is not None else ""
            self._add(Standing(step, StepState.PENDING, record, after))
            self._gate = f"after {step.number}"
        elif self.now < self._since + seconds:
            self._add(Standing(step, StepState.RUNNING, record, ready_at=self._since, ends_at=self._since + seconds))
            self._gate = f"after {step.number}"
        else:
            self._add(Standing(step, StepState.PASSED, Record(Status.PASSED, self._since + seconds),
                               ready_at=self._since))
            self._since += seconds

    def _branch(self, step: Step, record: Record, does: Branch) -> None:
        goto, undecided = "", ""
        for choice in does.choices:
            holds = self._holds(choice.when)
            if holds is None:
                undecided = self._in_words(choice.when, only_open=True)
                break
            if holds:
                goto = choice.goto
                break
        note = f"not known yet: {undecided}" if undecided else "" if goto else "no choice holds: skip it, or ask"
        state = StepState.READY if goto else StepState.PENDING if undecided else StepState.BLOCKED
        self._add(Standing(step, state, record, note, self._since, leads_to=goto))
        self._lead(step)
        self._gate = self._gate or f"after {step.number}"

    def _plain(self, step: Step, record: Record) -> None:
        state = _SHOWN_AS.get(record.status, StepState.READY)
        leads_to = ""
        if isinstance(step.does, Check):
            if record.goto:
                self._follow(step, record.goto)
            elif step.does.on_fail and state is StepState.FAILED:
                leads_to = step.does.on_fail
                self._lead(step)
                self._gate = self._gate or f"after {step.number}"
            elif step.does.on_fail and state not in SETTLED:
                self._lead(step)
        elif isinstance(step.does, Branch):
            if record.goto:
                self._follow(step, record.goto)
            else:
                # Skipped: whoever skipped it chooses by hand.
                self._entered.update(step.leads_to())
        self._add(Standing(step, state, record, record.text if state is StepState.BLOCKED else "", self._since,
                           leads_to=leads_to))
        if not isinstance(step.does, Check):
            self._since = max(self._since, record.since)

    def _follow(self, step: Step, goto: str) -> None:
        # The target is gone from an edited runbook: the way leads on.
        if self.runbook.step(goto) is not None:
            self._entered.add(goto)
            self._jump, self._jumped_from = goto, step.number

    def _lead(self, step: Step) -> None:
        for target in step.leads_to():
            self._possible.setdefault(target, step.number)

    def _add(self, standing: Standing) -> None:
        self.met.append(standing)
        self._known[standing.step.id] = standing

    def _holds(self, condition: Condition) -> bool | None:
        return condition.holds(self._happened)

    def _happened(self, term: Term) -> bool | None:
        standing = self._known.get(term.step)
        if standing is None or standing.state is StepState.NOT_APPLICABLE:
            return False
        if standing.state not in SETTLED:
            return None
        if term.outcome == "answered":
            return standing.record.answer.casefold() == term.answer.casefold()
        return str(standing.state) == term.outcome

    def _in_words(self, condition: Condition, *, only_open: bool = False) -> str:
        """``1 failed or 3 passed``: steps by their number, as they are shown."""
        if only_open:
            numbers = dict.fromkeys(self._known[term.step].step.number for term in condition.terms()
                                    if self._happened(term) is None)
            return " and ".join(str(number) for number in numbers)
        return " or ".join(" and ".join(self._term_in_words(term) for term in terms)
                           for terms in condition.alternatives)

    def _term_in_words(self, term: Term) -> str:
        step = self.runbook.step(term.step)
        name = str(step.number) if step is not None else term.step
        return f"{name} {term.outcome}" + (f" {term.answer}" if term.outcome == "answered" else "")
