"""JUnit XML of ``triage notebook run``: a test case for each cell."""

from __future__ import annotations

from triage.cells import words
from triage.cells.outputs import Text
from triage.cells.protocol import Outcome
from triage.cells.results import CellRun, Run
from triage.report.junit import add_case, document, new_suite
from triage.signals.reading import Verdict

_FAILING = frozenset({"fail", "unknown"})
_MOST_OUTPUT = 4_000


def run_junit(run: Run) -> str:
    """The run as one test suite: a case for each cell that was asked for, and for others that did not finish.

    A cell that raises, does not end or decides ``fail`` is a failure, one that decides ``unknown`` or could not be run
    an error; ``warn`` is skipped with its sentence, as is a cell that another one kept from running.
    """
    suite = new_suite(f"triage notebook run {run.model}", "", run.started_at)
    if run.trouble:
        add_case(suite, run.model, "runner", Verdict.UNKNOWN, run.trouble, _FAILING)
    for cell in run.cells:
        if cell.part == "asked" or cell.status == "fail":
            add_case(suite, run.model, cell.id, _verdict(cell), _sentence(cell), _FAILING, cell.seconds or 0.0)
    return document(suite)


def _verdict(cell: CellRun) -> Verdict:
    if cell.outcome is Outcome.NOT_RUN:
        return Verdict.NOT_JUDGED
    return Verdict.PASS if cell.status is None else words.verdict_of(cell.status)


def _sentence(cell: CellRun) -> str:
    told = [words.verdict_sentence(each) for each in cell.verdicts]
    if cell.may_lack_verdict:
        told.insert(0, words.dropped_sentence(cell))
    if cell.outcome is not Outcome.FINISHED or not told:
        told.insert(0, words.end_sentence(cell))
    if cell.raised is not None:
        told.append(cell.raised.traceback)
    told += [output.text for output in cell.outputs if isinstance(output, Text)]
    return "\n".join(told)[:_MOST_OUTPUT]
