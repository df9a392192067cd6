"""Places of a Markdown text that a link can lead to, as git sites name them. Pure."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt

from triage.runbook.document import split_front_matter

_HTML = re.compile(r"<[a-z][^>]*?\s(?:id|name)\s*=\s*[\"']?([^\"'\s>]+)", re.IGNORECASE)
_DROPPED = re.compile(r"[^\w\- ]")


def anchors(text: str) -> frozenset[str]:
    """The anchors of every heading of ``text``, and those written in HTML.

    A heading's anchor is its text in lower case without punctuation, blanks as hyphens; the second one of the same text
    ends in ``-1`` (GitHub's rule, which GitLab and Gitea share for such texts).
    """
    out: set[str] = set()
    tokens = MarkdownIt("commonmark").parse(split_front_matter(text)[1])
    for before, token in zip([None, *tokens], tokens, strict=False):
        if before is not None and before.type == "heading_open":
            plain = "".join(child.content for child in token.children or () if child.type in ("text", "code_inline"))
            slug = _DROPPED.sub("", plain.strip().lower()).replace(" ", "-")
            number, name = 0, slug
            while name in out:
                number += 1
                name = f"{slug}-{number}"
            out.add(name)
        for each in (token, *(token.children or ())):
            if each.type in ("html_block", "html_inline"):
                out.update(_HTML.findall(each.content))
    return frozenset(out)
