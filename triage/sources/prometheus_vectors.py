"""Instant vectors read from their bytes: of what is spelt as it was in the last answer only times and values are new.

A refresh of a large fleet brings fifty thousand samples with the labels that the last one had. Making each of them from
JSON, to find that nothing but a number is new, took most of the time of reading it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import repeat
from typing import NamedTuple, cast

from pydantic_core import from_json

from triage.facts.samples import Answer, Labels, Sample
from triage.sources.prometheus_answers import LabelCache, OtherShape, open_envelope

_VALUE = re.compile(rb',"value":\[([0-9]{1,12}(?:\.[0-9]{1,9})?),"([0-9A-Za-z.+-]{1,40})"\]')
_HEAD = re.compile(rb'(\{"status":"success",(?:"isPartial":(?:true|false),)?"data":\{"resultType":"vector","result":\[)'
                   rb'\{"metric":')
_NEXT = b'},{"metric":'
_sample = cast("Callable[[tuple[Labels, float, float]], Sample]", partial(tuple.__new__, Sample))


class Spelt(NamedTuple):
    """An answer without its times and values."""

    rest: bytes
    """All but those; a zero byte stands for each element's."""
    labels: Sequence[Labels]
    warnings: tuple[str, ...]
    infos: tuple[str, ...]


class KnownLabels:
    """Labels of the newest answer to one query, to be used again where the next answer has the same ones."""

    __slots__ = ("by_spelling", "in_order", "spelt")

    def __init__(self) -> None:
        self.in_order: Sequence[Labels] = ()
        """As its samples came."""
        self.by_spelling: Mapping[bytes, Labels] = {}
        """By the bytes before each value; empty where those are not spelt as most servers do."""
        self.spelt: Spelt | None = None
        """The whole answer; None where ``by_spelling`` is empty. One thing, because threads read and write it."""


def read_vector(body: bytes, known: KnownLabels, asked_for: float | None,
                redact: Callable[[str], str]) -> Answer | None:
    """``body`` as :func:`~triage.sources.prometheus_answers.parse_answer` reads it; None where that one has to.

    Read here are vectors that are spelt as most servers do, and hold numbers and labels only. Labels that are spelt as
    those of the answer that ``known`` was last given with are the very same objects.
    """
    opened = _HEAD.match(body)
    if opened is None:
        return None
    again = _with_other_values(body, known.spelt, asked_for)
    if again is not None:
        return again
    # A quote within a text has a backslash before it. So nothing in a label looks like a value, unless what is then
    # left of that label is no JSON.
    pieces = _VALUE.split(body)
    before, times, values, rest = pieces[:-1:3], pieces[1::3], pieces[2::3], pieces[-1]
    if not before or not rest.startswith(b"}]"):
        return None
    before[0] = _NEXT + before[0][opened.end():]
    try:
        # What is around the elements is a document, too: one without any.
        envelope = open_envelope(from_json(opened[1] + rest[1:]), redact)
        labels, are_new = _labels(before, known.by_spelling)
        moments = [*map(float, times)] if len(set(times)) > 1 else [float(times[0])] * len(times)
        samples = tuple(map(_sample, zip(labels, map(float, values), moments, strict=True)))
    except (OtherShape, ValueError):
        return None
    if not (isinstance(envelope.data, dict) and envelope.data.get("result") == []):
        return None
    known.in_order = labels
    if are_new:
        known.by_spelling = dict(zip(before, labels, strict=True))
    known.spelt = Spelt(b"\0".join(pieces[::3]), labels, envelope.warnings, envelope.infos)
    return Answer(moments[0] if asked_for is None else asked_for, samples, (), (), envelope.warnings, envelope.infos)


def _with_other_values(body: bytes, before: Spelt | None, asked_for: float | None) -> Answer | None:
    """The last answer with the values of ``body``, which all are of one time, where nothing else is another; or None.

    A number in the place of a number, and a text without quotes in that of such a one, leave a document what it is.
    """
    first = None if before is None else _VALUE.search(body)
    if before is None or first is None:
        return None
    value = re.compile(rb',"value":\[' + re.escape(first[1]) + rb',"([0-9A-Za-z.+-]{1,40})"\]')
    # A zero byte that stands in the body is none of these: then there are too few values.
    rest, count = value.subn(b"\0", body)
    if rest != before.rest or count != len(before.labels):
        return None
    at = float(first[1])
    try:
        samples = tuple(map(_sample, zip(before.labels, map(float, value.findall(body)), repeat(at), strict=False)))
    except ValueError:
        return None
    return Answer(at if asked_for is None else asked_for, samples, (), (), before.warnings, before.infos)


def _labels(before: Sequence[bytes], known: Mapping[bytes, Labels]) -> tuple[list[Labels], bool]:
    """The labels that are spelt so, and whether they are others than those known.

    Raises :class:`OtherShape` and ValueError where something else is spelt there.
    """
    found = [*map(known.get, before)]
    if None not in found:
        return cast("list[Labels]", found), len(known) != len(found)
    cache, labels = LabelCache(), []
    for spelt, item in zip(before, found, strict=True):
        if item is None:
            if not spelt.startswith(_NEXT):
                raise OtherShape("something else stands between two values")
            item = cache.labels(from_json(spelt[len(_NEXT):]), "an element of the result")
        labels.append(item)
    return labels, True
