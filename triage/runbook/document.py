"""Reading a runbook: Markdown that any git site shows well, with a fenced ``triage`` block for every step.

markdown-it-py parses the Markdown (CommonMark, as Textual and Rich use it); the front matter and the blocks are YAML
and read as strictly as manifests. A step's title is the heading above its block (the third level and deeper), or the
text of the list item that the block stands in; every error of the file is reported at once, with its line.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from markdown_it import MarkdownIt
from markdown_it.token import Token

from triage import strict_yaml
from triage.errors import Finding, InvalidDocument
from triage.runbook.blocks import BLOCKS, Block, FrontMatter
from triage.runbook.steps import Branch, Link, Prose, Runbook, Section, Step
from triage.text import clean

MAX_BYTES = 1_000_000
FENCE = "triage"
_RULE = "---"
_SECTION_LEVEL = 2
"""Of headings: under it stand sections, deeper ones are titles of steps."""
_DEEPEST = 100
"""Lists in lists and quotes in quotes that are looked into."""

_Model = TypeVar("_Model", bound=Block | FrontMatter)


def read_text(path: Path, display: str | None = None) -> str:
    """The text of the file at ``path``. Raises :class:`InvalidDocument` when it cannot be read or is no UTF-8 text."""
    name = clean(display or str(path))
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidDocument([Finding("error", name, None, "", f"cannot be read: {clean(error.strerror or error)}",
                                       "check the path and its permissions", "unreadable")]) from None
    if len(raw) > MAX_BYTES:
        raise InvalidDocument([Finding("error", name, None, "", f"is larger than {MAX_BYTES:,} bytes",
                                       "a runbook is read at night: keep it short", "too-large")])
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise InvalidDocument([Finding("error", name, raw[: error.start].count(b"\n") + 1, "", "is not UTF-8 text",
                                       "save it as UTF-8", "encoding")]) from None


def digest(text: str) -> str:
    """What tells two texts of a runbook apart."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def parse_runbook(text: str, file: str) -> Runbook:
    """Read ``text``; ``file`` is the name that findings carry. Raises :class:`InvalidDocument` with every error."""
    reader = _Reader(file, text)
    runbook = reader.read()
    if reader.findings or runbook is None:
        raise InvalidDocument(sorted(reader.findings, key=lambda finding: finding.line or 0))
    return runbook


@dataclass
class _Item:
    """A list item, or what follows the step in it."""

    text: str = ""
    prose: list[Prose] = field(default_factory=list)


@dataclass
class _Open:
    """What is written since the last step or heading."""

    section: str = ""
    title: str = ""
    title_line: int = 0
    used: bool = False
    """Whether the title has its step."""
    prose: list[Prose] = field(default_factory=list)
    items: list[_Item] = field(default_factory=list)
    """The list items that are open, outermost first."""
    section_prose: list[Prose] = field(default_factory=list)


class _Reader:
    """One pass over the tokens."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._front, self._body, self._body_line = split_front_matter(text)
        self.findings: list[Finding] = []
        self._heading = ""
        self._sections: list[Section] = []
        self._steps: list[Step] = []
        self._links: list[Link] = []
        self._blocks = 0
        self._open = _Open()

    def read(self) -> Runbook | None:
        """The runbook; None, or one not to be used, when there are findings."""
        front = self._front_matter()
        self._walk(MarkdownIt("commonmark", {"maxNesting": _DEEPEST}).parse(self._body))
        self._close_section()
        self._check_ids()
        if front is None:
            return None
        if not self._blocks:
            self._say(None, "has no steps", f"add a fenced block that begins with ```{FENCE}", "no-steps")
        return Runbook(front.id, front.title or self._heading or front.id, self._file, front.owner, front.reviewed,
                       tuple(front.alerts), front.severity, front.est_minutes, tuple(self._sections),
                       tuple(replace(step, number=number) for number, step in enumerate(self._steps, 1)),
                       tuple(self._links))

    def _say(self, line: int | None, message: str, hint: str, code: str, where: str = "") -> None:
        self.findings.append(Finding("error", self._file, line, where, message, hint, code))

    def _front_matter(self) -> FrontMatter | None:
        if self._front is None:
            self._say(1, "has no front matter", "begin with --- and id, owner, reviewed and alerts, then ---",
                      "front-matter")
            return None
        return self._validated("\n" + self._front, FrontMatter, "")

    def _validated(self, text: str, model: type[_Model], where: str) -> _Model | None:
        """``text`` as ``model``; empty lines before it make its lines those of the file."""
        try:
            return strict_yaml.validate(strict_yaml.parse(text, self._file), model)
        except InvalidDocument as error:
            self.findings += [replace(f, field=".".join(part for part in (where, f.field) if part))
                              for f in error.findings]
            return None

    def _walk(self, tokens: Sequence[Token]) -> None:
        for place, token in enumerate(tokens):
            line = self._body_line + (token.map[0] if token.map else 0) + 1
            if token.nesting == 1:
                if token.type == "list_item_open":
                    self._open.items.append(_Item())
            elif token.nesting == -1:
                if token.type == "list_item_close":
                    self._leave_item()
            elif token.type == "inline":
                self._links += [Link(target, line) for target in _targets(token)]
                self._text(_plain(token), tokens[place - 1], line)
            elif token.type == "fence" and token.info.split()[:1] == [FENCE]:
                self._step(token, line)
            elif token.type in ("fence", "code_block"):
                self._prose(Prose(clean(token.content.rstrip("\n"), multiline=True, limit=4000), "code"))

    def _text(self, text: str, opened: Token, line: int) -> None:
        if opened.type == "heading_open":
            level = int(opened.tag[1:])
            if level == 1:
                self._heading = self._heading or text
            elif level == _SECTION_LEVEL:
                self._close_section()
                self._open = _Open(section=text, items=self._open.items)
            else:
                self._settle_title()
                self._open.title, self._open.title_line, self._open.used = text, line, False
        elif self._open.items:
            item = self._open.items[-1]
            if item.text:
                item.prose.append(Prose(text))
            else:
                item.text = text
        else:
            self._prose(Prose(text))

    def _prose(self, prose: Prose) -> None:
        if prose.text:
            (self._open.prose if self._open.title and not self._open.used else self._open.section_prose).append(prose)

    def _leave_item(self) -> None:
        """What has no step is text of the item around it, else of the heading."""
        item = self._open.items.pop()
        around = next((each for each in reversed(self._open.items) if each.text), None)
        for prose in (Prose(item.text, "item"), *item.prose) if item.text else ():
            if around is not None:
                around.prose.append(prose)
            else:
                self._prose(prose)

    def _settle_title(self) -> None:
        """A heading without a step is text of its section."""
        if self._open.title and not self._open.used:
            self._open.section_prose += [Prose(self._open.title), *self._open.prose]
        self._open.prose = []

    def _close_section(self) -> None:
        self._settle_title()
        if self._open.section or self._open.section_prose:
            self._sections.append(Section(self._open.section, tuple(self._open.section_prose)))

    def _step(self, token: Token, line: int) -> None:
        self._blocks += 1
        text = "\n" * line + token.content
        kind, name = _kind_and_id(text)
        where = f"step {name}" if name else "step"
        if kind not in BLOCKS:
            known = ", ".join(BLOCKS)
            message = f"has the kind {clean(kind, limit=60)}, which there is not" if kind else "does not say its kind"
            self._say(line, message, f"one of: {known}", "kind", where)
            return
        item = next((each for each in reversed(self._open.items) if each.text), None)
        title = item.text if item is not None else "" if self._open.used else self._open.title
        block = self._validated(text, BLOCKS[kind], where)
        if not title:
            self._say(line, "has no title", "write a heading above it (###), or put it into a list item", "no-title",
                      where)
        if block is not None:
            prose = tuple(item.prose if item is not None else self._open.prose)
            self._steps.append(Step(block.id, title, block.does(), self._open.section, prose, block.when, block.owner,
                                    block.budget, line=line))
        if item is not None:
            item.text, item.prose = "", []
        else:
            self._open.used, self._open.prose = True, []

    def _check_ids(self) -> None:
        """Names stand once, what is named exists, and the way only leads on."""
        places: dict[str, int] = {}
        for place, step in enumerate(self._steps):
            if step.id in places:
                self._say(step.line, f"has a name that line {self._steps[places[step.id]].line} has already",
                          "give it another id", "duplicate-step", f"step {step.id}")
            places.setdefault(step.id, place)
        for place, step in enumerate(self._steps):
            for target in step.leads_to():
                if target not in places:
                    self._unknown(step, target, "goes to", places)
                elif places[target] <= place:
                    self._say(step.line, f"goes back to {target}",
                              "the way only leads on: repeat the step further down", "backward-goto",
                              f"step {step.id}")
            for name in _asked_about(step):
                if name not in places:
                    self._unknown(step, name, "rests on", places)
                elif places[name] >= place:
                    self._say(step.line, f"rests on {name}, which comes later", "ask about earlier steps only",
                              "forward-condition", f"step {step.id}")

    def _unknown(self, step: Step, name: str, how: str, places: dict[str, int]) -> None:
        self._say(step.line, f"{how} {name}, which there is not", nearest(name, places), "unknown-step",
                  f"step {step.id}")


def _asked_about(step: Step) -> Iterator[str]:
    conditions = [step.when] if step.when is not None else []
    if isinstance(step.does, Branch):
        conditions += [choice.when for choice in step.does.choices]
    return (term.step for condition in conditions for term in condition.terms())


def split_front_matter(text: str) -> tuple[str | None, str, int]:
    """(front matter, body, lines before the body); None without front matter."""
    lines = text.split("\n")
    if lines[0].rstrip() != _RULE:
        return None, text, 0
    end = next((n for n, row in enumerate(lines[1:], 1) if row.rstrip() == _RULE), None)
    if end is None:
        return None, text, 0
    return "\n".join(lines[1:end]), "\n".join(lines[end + 1:]), end + 1


def _kind_and_id(text: str) -> tuple[str, str]:
    """What a block says of itself, before it is known to be right; "" where it does not."""
    try:
        content = strict_yaml.parse(text, "").content
    except InvalidDocument:
        # Said again, with its place, when the block is read as a note.
        return "note", ""
    if not isinstance(content, dict):
        return "", ""
    kind, name = content.get("kind"), content.get("id")
    return kind if isinstance(kind, str) else "", clean(name, limit=60) if isinstance(name, str) else ""


def _plain(token: Token) -> str:
    """The text without its marks; line breaks are spaces."""
    parts = []
    for child in token.children or ():
        if child.type in ("text", "code_inline"):
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif child.type == "image":
            parts.append(child.content)
    return clean(" ".join("".join(parts).split()), limit=4000)


def _targets(token: Token) -> Iterator[str]:
    for child in token.children or ():
        target = child.attrs.get({"link_open": "href", "image": "src"}.get(child.type, ""), "")
        if isinstance(target, str) and target:
            yield clean(target)


def nearest(name: str, known: Iterable[str]) -> str:
    """What to do about a name that there is not: the likeliest of ``known``, else all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"there are: {', '.join(names) or 'none'}"
