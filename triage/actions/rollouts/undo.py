"""To which revision a rollback goes: always a named one with its template, never "the previous"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from triage.actions.rollouts.images import Reported
from triage.actions.system import Refusal
from triage.facts.rollouts import Revision, RolloutFacts
from triage.sources.kubernetes import Json
from triage.sources.rollouts.objects import inner, labels_of, text
from triage.text import clean

REVISION_PREFIX = "revision:"
"""Before the controller's number of a revision, where a version alone does not say which is meant."""
_MOST_NAMED = 6
_SHORT_DIGEST = 19


@dataclass(frozen=True, slots=True)
class Goal:
    """What is gone back to."""

    revision: Revision
    template: Json
    """Its pod template as it is sent: without the label that the controller gives each ReplicaSet."""


def named(revision: Revision | None) -> str:
    """``v7``, or the revision's number where nothing names the version."""
    if revision is None:
        return "no version"
    if revision.version:
        return f"v{revision.version.removeprefix('v')}"
    return f"revision {revision.number}" if revision.number is not None else f"hash {revision.pod_hash or '?'}"


def in_full(revision: Revision) -> str:
    """``v7 (revision 3, fraud:7)``."""
    number = "no revision yet" if revision.number is None else f"revision {revision.number}"
    image = f", {revision.image}" if revision.image else ""
    return f"{named(revision)} ({number}{image})"


def plain_template(template: Json, hash_label: str) -> Json:
    """A pod template without what a controller adds to it in a ReplicaSet."""
    metadata = {key: value for key, value in inner(template, "metadata").items()
                if not (key == "creationTimestamp" and value is None)}
    if "labels" in metadata:
        metadata["labels"] = {key: value for key, value in labels_of(template).items() if key != hash_label}
    return {**template, "metadata": metadata}


def choose(to: str, facts: RolloutFacts, policy: str) -> Revision | Refusal:
    """The revision that ``to`` names: a version, or ``revision:3``.

    Without a name it is the stable version while another one is on its way, else the version of the manifest's policy
    (``policy``, "" for none). What is not one revision is refused with those there are.
    """
    if facts.incomplete is not None:
        return Refusal(f"the revisions are not known: {facts.incomplete.sentence()}", facts.incomplete.hint)
    if not to:
        if facts.canary is not None and facts.stable is not None:
            return facts.stable if facts.stable.number is not None else _gone(named(facts.stable), facts)
        if not policy:
            return Refusal("no version to go back to is named", f"name one of {_choices(facts.revisions, facts.wanted)}"
                           "; or set rollback.last_known_good in the manifest")
        to = policy
    if to.startswith(REVISION_PREFIX):
        number = to.removeprefix(REVISION_PREFIX)
        found = [each for each in facts.revisions if str(each.number) == number]
    else:
        found = [each for each in facts.revisions if each.number is not None and _same(each.version, to)]
    if not found:
        return _gone(clean(to, limit=80), facts)
    if len(found) > 1:
        return Refusal(f"{clean(to, limit=80)} names {len(found)} revisions",
                       f"say which: {', '.join(f'{REVISION_PREFIX}{each.number} ({each.image})' for each in found)}")
    return found[0]


def _same(version: str, to: str) -> bool:
    return version == to or (version != "" and version.removeprefix("v") == to.removeprefix("v"))


def _gone(name: str, facts: RolloutFacts) -> Refusal:
    return Refusal(f"there is no ReplicaSet of {name} to go back to",
                   f"there are: {_choices(facts.revisions, None)}; what is older than revisionHistoryLimit is gone: "
                   "deploy it again")


def _choices(revisions: Sequence[Revision], but: Revision | None) -> str:
    there = [each for each in revisions if but is None or each.pod_hash != but.pod_hash]
    more = f" and {len(there) - _MOST_NAMED} more" if len(there) > _MOST_NAMED else ""
    return (", ".join(in_full(each) for each in there[:_MOST_NAMED]) or "none") + more


def find_goal(to: str, facts: RolloutFacts, sets: Sequence[Json], policy: str, hash_label: str,
              present: Json) -> Goal | Refusal:
    """What ``to`` names (see :func:`choose`) with its template; refused when ``present`` is that template already."""
    revision = choose(to, facts, policy)
    goal = revision if isinstance(revision, Refusal) else _with_template(revision, sets, hash_label)
    if isinstance(goal, Refusal) or goal.template != plain_template(present, hash_label):
        return goal
    aborted = "; it is aborted: retry starts it again" if facts.aborted else ""
    return Refusal(f"{in_full(goal.revision)} is what the specification asks for already",
                   f"name another version{aborted}")


def _with_template(revision: Revision, sets: Sequence[Json], hash_label: str) -> Goal | Refusal:
    """The revision with the template of its ReplicaSet."""
    for each in sets:
        if text(inner(each, "metadata").get("name")) == revision.replica_set and inner(each, "spec", "template"):
            return Goal(revision, plain_template(inner(each, "spec", "template"), hash_label))
    return Refusal(f"the ReplicaSet of {named(revision)} has no template", "deploy that version again")


def image_warning(revision: Revision, images: Reported) -> tuple[str, ...]:
    """What to know of an image that is not pinned."""
    if revision.image_digest or not revision.image:
        return ()
    runs = images.of(revision).digest
    other = f", which need not be {runs[:_SHORT_DIGEST]}" if runs else ""
    return (f"{named(revision)} names its image by tag ({revision.image}), not by digest: a new pod runs what the tag "
            f"names now{other}",)
