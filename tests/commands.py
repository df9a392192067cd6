"""Running the command line: in this process, or in one of its own that a server in this one can answer."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner, Result

from triage.cli import cli

EXAMPLES = Path(__file__).parents[1] / "triage" / "notebook" / "examples"
NOWHERE = "http://127.0.0.1:1"
"""Nobody listens there."""


def run(*words: object, env: Mapping[str, str] | None = None) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words], prog_name="triage", env=env)


async def process(*words: object, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of a process of its own, so that a server here can answer it."""
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "triage", *(str(word) for word in words), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, **(env or {})})
    out, err = await started.communicate()
    return started.returncode or 0, out.decode(), err.decode()
