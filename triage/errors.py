"""The exception tree, and findings: what is wrong in a document, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


class TriageError(Exception):
    """Root of every error that triage raises on purpose.

    ``str()`` of it is one sentence for a person; ``hint`` says what to do next ("" when nothing is known).
    """

    exit_code = 64
    """Process exit code when it ends a command (``EX_USAGE``)."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong in a file written by a person."""

    severity: Severity
    file: str
    line: int | None
    """1-based line in ``file``; None when the whole file is meant."""
    field: str
    """Dotted path in the document, such as ``spec.slos[0].objective``; "" for the document itself."""
    message: str
    hint: str = ""
    code: str = "invalid"
    """Stable short name, to search for or to silence."""

    def sentence(self) -> str:
        """``file:line: field: message (hint)``, the form that editors can jump to."""
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        field = f" {self.field}:" if self.field else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}:{field} {self.message}{hint}"


class InvalidDocument(TriageError):
    """A document could not be used; ``findings`` holds every error found, not only the first."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings: Sequence[Finding] = tuple(findings)
        errors = [f for f in self.findings if f.severity == "error"]
        first = errors[0].sentence() if errors else "the document cannot be used"
        more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
        super().__init__(first + more)
