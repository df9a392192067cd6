"""YAML written by people, read safely: positions kept, duplicate keys refused, size, depth and aliases limited.

PyYAML's constructor forgets lines and lets a later key win silently; both hide mistakes in documents that decide
who is woken up. So the node tree is walked here, with the scalar rules of PyYAML's safe loader.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from triage.errors import Finding, InvalidDocument
from triage.text import clean

MAX_BYTES = 1_000_000
MAX_DEPTH = 24
MAX_NODES = 50_000
"""Nodes after aliases are followed: a small file can stand for billions of them."""
MAX_TEXT = 20_000
"""Characters kept of one text."""

_TAG = "tag:yaml.org,2002:"
_YAML_TAGS = frozenset({"binary", "bool", "float", "int", "map", "merge", "null", "omap", "pairs", "seq", "set", "str",
                        "timestamp", "value", "yaml"})
_NAMED = re.compile(r"(undefined alias|undefined tag handle|duplicate anchor|unknown directive)\b.*", re.DOTALL)
"""What PyYAML repeats of a text that begins with ``*``, ``!``, ``&`` or ``%``, which may be a password."""

PathKey = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


class _SafeLoader(yaml.SafeLoader):
    """YAML 1.1 safe loader, except that only ``true`` and ``false`` are booleans and dates stay text.

    ``no``, ``on`` and ``off`` are country codes and states in these documents, not booleans; ``1:30`` and ``010`` are
    slips, not 90 and 8; and ``1e-4`` is a number, as in YAML 1.2.
    """


_RULES: Sequence[tuple[str, str, str]] = (
    (f"{_TAG}bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    (f"{_TAG}int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    (f"{_TAG}float", r"^[-+]?(?:[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)$"
     r"|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$", "-+.0123456789"),
)
_SafeLoader.yaml_implicit_resolvers = {
    letter: [(tag, rule) for tag, rule in rules if tag in (f"{_TAG}null", f"{_TAG}merge")]
    for letter, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _rule, _letters in _RULES:
    _SafeLoader.add_implicit_resolver(_tag, re.compile(_rule), list(_letters))


@dataclass
class Document:
    """A parsed document with the line of every path in it."""

    file: str
    content: Any
    """Plain dicts, lists, strings, numbers, booleans and None; foreign strings are cleaned."""
    lines: dict[PathKey, int]
    findings: list[Finding] = field(default_factory=list)

    def line(self, path: Sequence[str | int]) -> int | None:
        """The line of ``path``, or of its nearest parent that stands in the file."""
        for end in range(len(path), -1, -1):
            found = self.lines.get(tuple(path[:end]))
            if found is not None:
                return found
        return None

    def finding(self, path: Sequence[str | int], message: str, hint: str = "", code: str = "invalid",
                severity: str = "error") -> Finding:
        """A finding at ``path`` of this document."""
        return Finding("warning" if severity == "warning" else "error", self.file, self.line(path), dotted(path),
                       message, hint, code)


def dotted(path: Sequence[str | int]) -> str:
    """``("spec", "slos", 0)`` as ``spec.slos[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else clean(part, limit=80)
    return text


def load(path: Path, display: str | None = None) -> Document:
    """Read and parse the file at ``path``.

    Raises :class:`InvalidDocument` when nothing of it can be used (unreadable, not UTF-8, too large, not YAML);
    duplicate keys and the like are left in ``findings``.
    """
    name = clean(display or str(path))
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        reason = clean(error.strerror or error)
        raise InvalidDocument([Finding("error", name, None, "", f"cannot be read: {reason}",
                                       "check the path and its permissions", "unreadable")]) from None
    if len(raw) > MAX_BYTES:
        raise InvalidDocument([Finding("error", name, None, "", f"is larger than {MAX_BYTES:,} bytes",
                                       "keep data out of it: reference it by URI and digest", "too-large")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InvalidDocument([Finding("error", name, line, "", "is not UTF-8 text", "save it as UTF-8",
                                       "encoding")]) from None
    return parse(text, name)


def parse(text: str, file: str) -> Document:
    """Parse ``text``; ``file`` is the name that findings carry. Raises as :func:`load` does."""
    try:
        loader = _SafeLoader(text)
        try:
            node = loader.get_single_node()
            document = Document(file, None, {})
            if node is not None:
                document.content = _Builder(loader, document).build(node, (), 0)
            return document
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        problem = _NAMED.sub(r"\1", error.problem or "unreadable")
        raise InvalidDocument([Finding("error", file, line, "", f"is not YAML: {clean(problem)}",
                                       "check the indentation and quotes there", "yaml")]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InvalidDocument([Finding("error", file, line, "", "holds a character that YAML does not allow: "
                                       f"{clean(chr(error.character)) if isinstance(error.character, int) else '?'}",
                                       "remove it, or write it as an escape in double quotes", "yaml")]) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InvalidDocument([Finding("error", file, None, "", f"is not YAML: {clean(error, limit=200)}", "",
                                       "yaml")]) from None


class _Builder:
    """Turns PyYAML's nodes into plain data, noting lines and counting what aliases expand to."""

    def __init__(self, loader: yaml.SafeLoader, document: Document) -> None:
        self._loader = loader
        self._document = document
        self._left = MAX_NODES

    def _refuse(self, node: yaml.Node, message: str, hint: str, code: str) -> InvalidDocument:
        line = node.start_mark.line + 1
        return InvalidDocument([Finding("error", self._document.file, line, "", message, hint, code)])

    def build(self, node: yaml.Node, path: PathKey, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise self._refuse(node, f"stands for more than {MAX_NODES:,} values once aliases are followed",
                               "write less, or fewer aliases", "too-large")
        if depth > MAX_DEPTH:
            raise self._refuse(node, f"is nested deeper than {MAX_DEPTH} levels", "flatten it", "too-deep")
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            self._expect_tag(node, "map", path)
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            self._expect_tag(node, "seq", path)
            return [self.build(child, (*path, index), depth + 1) for index, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: PathKey, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        document = self._document
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                document.findings.append(Finding("error", document.file, line, dotted(path),
                                                 "has a key that is not plain text", "use a word as key", "key"))
                continue
            key = clean(key_node.value, limit=200)
            if key_node.tag == f"{_TAG}merge":
                document.findings.append(Finding("error", document.file, line, dotted(path),
                                                 "uses a merge key (<<)", "write the fields out", "merge-key"))
                continue
            here = (*path, key)
            if key in result:
                first = document.lines.get(here)
                document.findings.append(Finding("error", document.file, line, dotted(here),
                                                 f"is given twice, first in line {first}", "keep one of them",
                                                 "duplicate-key"))
                continue
            document.lines[here] = line
            result[key] = self.build(value_node, here, depth + 1)
        return result

    def _scalar(self, node: yaml.Node, path: PathKey) -> Any:
        kind = node.tag.removeprefix(_TAG)
        if kind == "str":
            return clean(node.value, multiline=True, limit=MAX_TEXT)
        if kind in ("int", "float", "bool", "null"):
            try:
                return self._loader.construct_object(node)
            except (ValueError, KeyError, IndexError):
                # Only a written-out tag (!!int "x") gets here, or a number of thousands of digits.
                self._report(node, path, f"is not a usable {kind}", "write it without a tag")
                return None
        self._expect_tag(node, "str", path)
        return None

    def _expect_tag(self, node: yaml.Node, kind: str, path: PathKey) -> None:
        if node.tag != _TAG + kind:
            # A password that begins with "!" reads as a tag: only those of YAML itself are repeated.
            known = f"the tag !!{kind_of}" if (kind_of := node.tag.removeprefix(_TAG)) in _YAML_TAGS else "a tag"
            self._report(node, path, f"has {known}, which is not read",
                         "use plain text, numbers, true or false, lists and mappings; quote a text that begins with !")

    def _report(self, node: yaml.Node, path: PathKey, message: str, hint: str) -> None:
        self._document.findings.append(Finding("error", self._document.file, node.start_mark.line + 1, dotted(path),
                                               message, hint, "tag"))


_MESSAGES: Mapping[str, Callable[[dict[str, Any]], str]] = {
    "missing": lambda e: "is missing",
    "extra_forbidden": lambda e: "is not a known field",
    "union_tag_not_found": lambda e: f"does not say its {e['ctx']['discriminator'].strip(chr(39))}",
    "union_tag_invalid": lambda e: (f"has the {e['ctx']['discriminator'].strip(chr(39))} {e['ctx']['tag']}, which must "
                                    f"be one of {e['ctx']['expected_tags']}"),
    "literal_error": lambda e: f"must be one of {e['ctx']['expected']}",
    "string_type": lambda e: f"must be text, not {_said(e['input'])}",
    "int_type": lambda e: f"must be a whole number, not {_said(e['input'])}",
    "float_type": lambda e: f"must be a number, not {_said(e['input'])}",
    "bool_type": lambda e: f"must be true or false, not {_said(e['input'])}",
    "list_type": lambda e: f"must be a list, not {_said(e['input'])}",
    "tuple_type": lambda e: f"must be a list, not {_said(e['input'])}",
    "dict_type": lambda e: f"must be a mapping, not {_said(e['input'])}",
    "model_type": lambda e: f"must be a mapping, not {_said(e['input'])}",
    "model_attributes_type": lambda e: f"must be a mapping, not {_said(e['input'])}",
    "value_error": lambda e: str(e["ctx"]["error"]),
    "finite_number": lambda e: "must be a finite number",
    "greater_than": lambda e: f"must be above {e['ctx']['gt']:g}, not {_said(e['input'])}",
    "greater_than_equal": lambda e: f"must be at least {e['ctx']['ge']:g}, not {_said(e['input'])}",
    "less_than": lambda e: f"must be under {e['ctx']['lt']:g}, not {_said(e['input'])}",
    "less_than_equal": lambda e: f"must be at most {e['ctx']['le']:g}, not {_said(e['input'])}",
    "too_short": lambda e: f"needs at least {e['ctx']['min_length']}, not {e['ctx']['actual_length']}",
    "string_too_long": lambda e: f"is longer than {e['ctx']['max_length']} characters",
}


def _said(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return f'"{clean(value, limit=60)}"' if isinstance(value, str) else clean(value, limit=60)


def validate(document: Document, model: type[Model]) -> Model:
    """``document`` as ``model``, or :class:`InvalidDocument` with every error at once, lines and hints included."""
    findings = list(document.findings)
    if document.content is None and not findings:
        raise InvalidDocument([Finding("error", document.file, None, "", "is empty",
                                       "write it; what was to fill it may have failed", "empty")])
    try:
        result = model.model_validate(document.content if document.content is not None else {})
    except ValidationError as error:
        for item in error.errors(include_url=False):
            findings.append(_translated(document, model, dict(item)))
    else:
        if not findings:
            return result
    findings.sort(key=lambda f: (f.line or 0, f.field))
    raise InvalidDocument(findings)


def _translated(document: Document, model: type[BaseModel], error: dict[str, Any]) -> Finding:
    # An empty document is validated as an empty mapping.
    path = _path_in({} if document.content is None else document.content, error["loc"])
    kind = error["type"]
    say = _MESSAGES.get(kind)
    message = say(error) if say else _lower_first(str(error["msg"]))
    # A validator may add what to do behind the last line break; pydantic has only one text.
    message, _, hint = message.rpartition("\n") if "\n" in message else (message, "", "")
    message, hint = clean(message, limit=400), clean(hint, limit=400)
    if kind == "extra_forbidden":
        known = _fields_at(model, error["loc"][:-1])
        near = difflib.get_close_matches(str(error["loc"][-1]), known, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(known))}" if known else ""
    elif kind == "missing":
        hint = f"add {error['loc'][-1]}"
    return document.finding(path, message, hint, kind.replace("_", "-"))


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _path_in(content: Any, location: Sequence[str | int]) -> PathKey:
    """pydantic's location without the tags of unions, which are no part of the document."""
    path: list[str | int] = []
    here = content
    for index, part in enumerate(location):
        last = index == len(location) - 1
        inside = part in here if isinstance(here, dict) else isinstance(part, int) and part < _length(here)
        if inside:
            here = here[part]
        elif last and isinstance(here, dict) and isinstance(part, str) and not part.startswith("<"):
            here = None
        else:
            continue
        path.append(part)
    return tuple(path)


def _length(content: Any) -> int:
    return len(content) if isinstance(content, list) else 0


def _fields_at(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """Names of the fields that the model at ``location`` knows; [] when it cannot be told."""
    found: Any = model
    for part in location:
        if isinstance(part, int):
            continue
        candidates = _models_in(found) if not isinstance(found, type) else [found]
        following: Any = None
        for candidate in candidates:
            if not issubclass(candidate, BaseModel):
                continue
            if part in candidate.model_fields:
                following = candidate.model_fields[part].annotation
                break
            if part == candidate.__name__ or part == getattr(candidate, "union_tag", None):
                following = candidate
                break
        if following is None:
            continue
        found = following
    models = [found] if isinstance(found, type) else _models_in(found)
    return [name for m in models if isinstance(m, type) and issubclass(m, BaseModel) for name in m.model_fields]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    out: list[type[BaseModel]] = []
    for argument in getattr(annotation, "__args__", ()):
        out.extend(_models_in(argument))
    return out
