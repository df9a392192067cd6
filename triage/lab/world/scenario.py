"""Scenarios: what goes wrong in the lab, since when, and the truth about it. Read from ``triage/lab/scenarios/*.yaml``.

The shape, with every field (durations are text such as ``40m``, ``3h``, ``2d``, or a number of seconds)::

    name: canary-latency                # the file's name without .yaml
    title: The canary of fraud-scorer is slow
    summary: One or two sentences for the list; they must not give the cause away.
    failure_modes: [F5]                 # F1 .. F10 of the seed document, S1 .. S4 for its scenarios; [] when none
    seed: 11                            # optional, 0
    opens_on: fraud-scorer              # the model whose screen the demo opens; optional: the fleet
    opens_at: "14:05"                   # time of day at which it opens; optional: whatever it is by UTC
    starts: 40m                         # how long before the opening it began to go wrong; optional, 40m

    releases:                           # optional; a model that is not named runs its usual version alone
      - model: fraud-scorer
        stable: "7"                     # version with the rest of the traffic; optional: the usual one
        stable_since: 12d               # how long before the opening it got there; optional, 21d
        canary: "8"                     # optional: without it `stable` runs alone
        since: 3h                       # how long before the opening the canary got its first traffic
        weight: 10                      # percent of the traffic; or steps, each with the weight from then on
        steps: [{weight: 10, since: 3h}, {weight: 25, since: 1h}]   # instead of since and weight
        plan: [10, 25, 50]              # weights of the rollout's steps; optional: those of the manifest
        arm: canary                     # or shadow: it gets a copy of the traffic (weight percent of it)
        approved: true                  # registry tags of the canary: validation_status=approved, approved_by=...
        approved_by: model-risk         # optional; not with approved: false
        withdrawn: ["7"]                # optional: versions with the tag validation_status=withdrawn

    faults:                             # optional: [] is a healthy fleet
      - kind: latency                   # a key of KINDS (kinds.py)
        model: fraud-scorer
        version: "8"                    # optional: every version
        feature: amount                 # for the kinds that need one
        subgroup: PL                    # optional, for kind quality
        store: payments_profile         # for the kinds that need one
        magnitude: 2.5                  # meaning and range: KINDS[kind]
        onset: 0s                       # seconds after the start of the incident (`starts`); negative is before; 0
        ramp: 5m                        # grows linearly to its magnitude within; optional, 0
        lasts: 30m                      # from the onset; optional: for good
        message: "KeyError: 'amount_eur'"   # last line of the stack traces in the logs; optional: the kind's own

    truth:
      root_cause: Version 8 parses amounts twice.
      right_actions:                    # at least one; `do` is one of ACTIONS
        - {do: rollback, model: fraud-scorer, to: "7", why: Only the canary is slow.}
      harmful_actions:
        - {do: promote, model: fraud-scorer, why: It would make every payment slow.}
      why: How the facts tell it from what it resembles.

A fault hits a *version*, *feature*, *store* or the whole model, never a metric: which series show it, and how much,
follows from the simulation. A version that has no traffic shows nothing until traffic reaches it, which is how a bad
rollback target is written: a fault of ``version: "7"`` while ``"8"`` runs alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from triage.lab.world.fleet import FLEET, Member
from triage.lab.world.kinds import ACTIONS, KINDS
from triage.lab.world.yaml_reading import Problem, Reader, read

FOLDER = Path(__file__).resolve().parent.parent / "scenarios"

Arm = Literal["canary", "shadow"]


_WITH_TARGET = frozenset({"rollback"})
_FAILURE_MODES = tuple(f"F{i}" for i in range(1, 11)) + tuple(f"S{i}" for i in range(1, 5))


@dataclass(frozen=True, slots=True)
class WeightStep:
    """A weight of the canary in percent, from ``since`` seconds before the opening on."""

    weight: float
    since: float


@dataclass(frozen=True, slots=True)
class Release:
    """Which versions of a model run at the opening and how they got there. Ages are seconds before the opening."""

    model: str
    stable: str
    stable_since: float
    canary: str | None = None
    steps: tuple[WeightStep, ...] = ()
    """Oldest first; () without a canary."""
    plan: tuple[float, ...] = ()
    """Weights (percent) of the rollout's steps; () means those of the model's manifest."""
    arm: Arm = "canary"
    approved: bool = True
    approved_by: str = ""
    withdrawn: tuple[str, ...] = ()
    """Versions that the registry has withdrawn."""

    @property
    def since(self) -> float | None:
        """Age of the canary; None without one."""
        return self.steps[0].since if self.steps else None


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. Times are seconds relative to the opening (negative is before)."""

    kind: str
    model: str
    magnitude: float
    onset: float
    ramp: float = 0.0
    end: float | None = None
    """None: it does not end by itself."""
    version: str | None = None
    """None: all versions."""
    feature: str | None = None
    subgroup: str | None = None
    store: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """Something that helps or harms."""

    do: str
    why: str
    model: str | None = None
    to: str | None = None
    """Version to roll back to; None where it does not apply."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What a perfect engineer would have found."""

    root_cause: str
    right_actions: tuple[Action, ...]
    harmful_actions: tuple[Action, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """A day in the life of the fleet."""

    name: str
    title: str
    summary: str
    truth: Truth
    failure_modes: tuple[str, ...] = ()
    seed: int = 0
    opens_on: str | None = None
    opens_at: float | None = None
    """Time of day in the fleet's time zone, seconds after midnight; None: UTC, whatever it is."""
    starts: float = 2400.0
    """Seconds before the opening."""
    releases: tuple[Release, ...] = ()
    faults: tuple[Fault, ...] = ()

    def release(self, model: str) -> Release:
        """The release of a model: the scenario's, or its usual version alone."""
        for release in self.releases:
            if release.model == model:
                return release
        return Release(model, FLEET[model].stable, _STABLE_SINCE)


_STABLE_SINCE = 21 * 86400.0


class ScenarioError(Exception):
    """A scenario cannot be used; ``problems`` holds everything that is wrong with it, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


def available(folder: Path = FOLDER) -> tuple[str, ...]:
    """Names of the scenarios in a folder, sorted."""
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def load(name: str, folder: Path = FOLDER) -> Scenario:
    """The scenario of that name. Raises :class:`ScenarioError` with all that is wrong, or with the names there are."""
    path = folder / f"{name}.yaml"
    known = available(folder)
    if name not in known:
        hint = f"known here: {', '.join(known) or 'none'}"
        raise ScenarioError([Problem(path.name, None, "", "does not exist", hint)])
    return parse(path.read_bytes().decode("utf-8", "replace"), path.name)


def parse(text: str, file: str) -> Scenario:
    """A scenario from YAML; ``file`` is the name that problems carry. Raises :class:`ScenarioError`."""
    reader = read(text, file)
    scenario = None if reader.problems else _scenario(reader, Path(file).stem)
    if scenario is None or reader.problems:
        raise ScenarioError(sorted(reader.problems, key=lambda problem: problem.line or 0))
    return scenario


def _scenario(root: Reader, stem: str) -> Scenario:
    root.only("name", "title", "summary", "failure_modes", "seed", "opens_on", "opens_at", "starts", "releases",
              "faults", "truth")
    name = root.text("name")
    if name and name != stem:
        root.problem("name", f"is {name}, but the file is {stem}.yaml", "give both the same name")
    starts = root.duration("starts", 2400.0)
    return Scenario(
        name=name, title=root.text("title"), summary=root.text("summary"),
        failure_modes=tuple(item.choice("", _FAILURE_MODES) for item in root.items("failure_modes")),
        seed=int(root.number("seed", 0.0, low=0.0, whole=True)),
        opens_on=root.choice("opens_on", tuple(FLEET)) if root.has("opens_on") else None,
        opens_at=_time_of_day(root), starts=starts,
        releases=_releases(root), faults=tuple(_fault(item, starts) for item in root.items("faults")),
        truth=_truth(root.inside("truth")))


def _time_of_day(root: Reader) -> float | None:
    if not root.has("opens_at"):
        return None
    text = root.text("opens_at")
    found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", text)
    if text and not found:
        root.problem("opens_at", "is no time of day", 'write it as "14:05", in quotes')
    if not found:
        return None
    return int(found[1]) * 3600.0 + int(found[2]) * 60.0


def _member(reader: Reader) -> Member | None:
    return FLEET.get(reader.choice("model", tuple(FLEET)))


def _version(reader: Reader, field: str, member: Member | None, default: str) -> str:
    if member is None or not reader.has(field):
        return default
    return reader.choice(field, member.versions)


def _releases(root: Reader) -> tuple[Release, ...]:
    found: dict[str, Release] = {}
    for item in root.items("releases"):
        release = _release(item)
        if release.model in found:
            item.problem("model", f"has {release.model} a second time", "write one release for each model")
        found[release.model] = release
    return tuple(found.values())


def _release(item: Reader) -> Release:
    item.only("model", "stable", "stable_since", "canary", "since", "weight", "steps", "plan", "arm", "approved",
              "approved_by", "withdrawn")
    member = _member(item)
    stable = _version(item, "stable", member, member.stable if member else "")
    stable_since = item.duration("stable_since", _STABLE_SINCE)
    canary = _version(item, "canary", member, "") or None
    steps = _steps(item)
    if canary is None:
        for field in ("since", "weight", "steps", "arm", "plan"):
            if item.has(field):
                item.problem(field, "is given, but there is no canary", "name the canary, or remove it")
        steps = ()
    elif canary == stable:
        item.problem("canary", "is the stable version too", "name another version")
    elif not steps:
        item.problem("since", "is missing", "say since when the canary has traffic, and its weight (or steps)")
    elif steps[0].since >= stable_since:
        item.problem("stable_since", "is not before the canary", "the stable version must be the older one")
    arm: Arm = "shadow" if item.choice("arm", ("canary", "shadow"), "canary") == "shadow" else "canary"
    if arm == "shadow" and member and member.rollout == "argo":
        item.problem("arm", "is shadow, but its Rollout copies no traffic", "shadow a model without a Rollout")
    plan = tuple(value.number("", 0.0, low=0.0, high=100.0) for value in item.items("plan"))
    approved = item.truth("approved", True)
    if not approved and item.has("approved_by"):
        item.problem("approved_by", "is given, but approved is false", "remove one of them")
    return Release(member.name if member else "", stable, stable_since, canary, steps, plan, arm, approved,
                   item.text("approved_by", "") if approved else "",
                   tuple(each.choice("", member.versions if member else ()) for each in item.items("withdrawn")))


def _steps(item: Reader) -> tuple[WeightStep, ...]:
    if item.has("steps"):
        for field in ("since", "weight"):
            if item.has(field):
                item.problem(field, "is given beside steps", "keep one of them")
        steps = tuple(_step(step) for step in item.items("steps"))
        if any(late.since >= early.since for early, late in pairwise(steps)):
            item.problem("steps", "are not in the order of time", "write the oldest first")
        return steps
    return (_weight_since(item, default_weight=10.0),) if item.has("since") else ()


def _step(step: Reader) -> WeightStep:
    step.only("weight", "since")
    return _weight_since(step)


def _weight_since(reader: Reader, default_weight: float | None = None) -> WeightStep:
    return WeightStep(reader.number("weight", default_weight, low=0.0, high=100.0), reader.duration("since", None))


def _fault(item: Reader, starts: float) -> Fault:
    item.only("kind", "model", "version", "feature", "subgroup", "store", "magnitude", "onset", "ramp", "lasts",
              "message")
    name = item.choice("kind", tuple(KINDS))
    member = _member(item)
    kind = KINDS.get(name)
    magnitude = 1.0
    if kind is not None:
        magnitude = item.number("magnitude", kind.default, low=kind.low, high=kind.high)
        if member and kind.models and member.name not in kind.models:
            item.problem("model", f"cannot have the fault {name}", f"models that can: {', '.join(kind.models)}")
        for field in ("version", "feature", "subgroup", "store"):
            if field in kind.needs and not item.has(field):
                item.problem(field, "is missing", f"the fault {name} hits one {field}")
            elif item.has(field) and field not in kind.needs and field not in kind.allows:
                # A version may be added wherever a feature is meant: only that version reads it wrongly.
                item.problem(field, f"means nothing to the fault {name}", "remove it")
    choices = {"version": member.versions, "feature": member.features, "subgroup": member.subgroups,
               "store": member.stores} if member else {}
    parts = {field: item.choice(field, known) for field, known in choices.items() if item.has(field)}
    onset = item.duration("onset", 0.0, negative=True) - starts
    lasts = item.duration("lasts", None) if item.has("lasts") else None
    return Fault(name, member.name if member else "", magnitude, onset, item.duration("ramp", 0.0),
                 None if lasts is None else onset + lasts, message=item.text("message", "") or None, **parts)


def _truth(item: Reader) -> Truth:
    item.only("root_cause", "right_actions", "harmful_actions", "why")
    right = tuple(_action(action) for action in item.items("right_actions"))
    if item.has("right_actions") and not right:
        item.problem("right_actions", "is empty", "name at least one; `do: nothing` and `do: wait` are actions too")
    elif not item.has("right_actions"):
        item.problem("right_actions", "is missing", "name at least one")
    return Truth(item.text("root_cause"), right, tuple(_action(action) for action in item.items("harmful_actions")),
                 item.text("why"))


def _action(item: Reader) -> Action:
    item.only("do", "model", "to", "why")
    do = item.choice("do", ACTIONS)
    member = _member(item) if item.has("model") else None
    to = _version(item, "to", member, "") or None
    if to and do and do not in _WITH_TARGET:
        item.problem("to", f"means nothing to {do}", "remove it")
    return Action(do, item.text("why"), member.name if member else None, to)


def as_json(scenario: Scenario) -> dict[str, Any]:
    """What those who play it may know of a scenario: everything but its truth."""
    return {"name": scenario.name, "title": scenario.title, "summary": scenario.summary,
            "failure_modes": list(scenario.failure_modes), "opens_on": scenario.opens_on}
