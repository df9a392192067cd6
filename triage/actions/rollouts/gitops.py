"""Who keeps an object as it is written down elsewhere, and what that does to a change by hand."""

from __future__ import annotations

_UNDOES = {
    "Argo CD": "Argo CD owns it: with self-heal it puts {what} back within seconds (argo-rollouts#3720); {then}",
    "Flux": "Flux owns it: its next reconciliation puts {what} back; {then}",
    "Helm": "Helm owns it: the next helm upgrade puts {what} back; {then}",
}


def owner_warning(managed_by: str, what: str, then: str) -> tuple[str, ...]:
    """What the owner will do to a change of the specification; () without one.

    ``managed_by`` as in the facts, ``what`` it puts back, ``then`` what to do about it. A change of the status alone
    (abort, promote, retry) is not undone: no owner writes it.
    """
    sentence = _UNDOES.get(managed_by)
    if sentence is None:
        return () if not managed_by else (f"{managed_by} owns it and may put {what} back; {then}",)
    return (sentence.format(what=what, then=then),)
