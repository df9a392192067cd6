"""Findings of ``triage notebook lint`` as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from triage.errors import Finding
from triage.report.json import dump

LINT_SCHEMA = "triage.lint/v1"


def lint_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """One line per finding, in the form that editors and CI systems jump to: ``file:line: error: field: message``."""
    for finding in findings:
        where = finding.file if finding.line is None else f"{finding.file}:{finding.line}"
        field = f"{finding.field}: " if finding.field else ""
        hint = f" ({finding.hint})" if finding.hint else ""
        yield f"{where}: {finding.severity}: {field}{finding.message}{hint} [{finding.code}]"


def lint_json(findings: Sequence[Finding]) -> str:
    """``triage.lint/v1``: counts and every finding with all its fields."""
    errors, warnings = _counts(findings)
    return dump({"schema": LINT_SCHEMA, "errors": errors, "warnings": warnings,
                 "findings": [asdict(finding) for finding in findings]})


def summary(findings: Sequence[Finding]) -> str:
    """How many there are: ``2 errors, 1 warning``."""
    if not findings:
        return "nothing found"
    said = [f"{count} {word}{'' if count == 1 else 's'}"
            for count, word in zip(_counts(findings), ("error", "warning"), strict=True) if count]
    return ", ".join(said)


def exit_code(findings: Sequence[Finding]) -> int:
    """0 nothing found, 1 warnings only, 2 errors."""
    return 2 if any(f.severity == "error" for f in findings) else 1 if findings else 0


def _counts(findings: Sequence[Finding]) -> tuple[int, int]:
    errors = sum(f.severity == "error" for f in findings)
    return errors, len(findings) - errors
