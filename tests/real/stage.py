"""Real servers to try triage on: ``python -m tests.real.stage [--state healthy|failing] [-- COMMAND...]``.

Starts an exporter with live metrics, a Prometheus that scrapes it every second and knows its last 30 days, and an
Alertmanager with the alerts that follow; writes a ``triage.yaml`` (context ``stage``, notebooks: the examples) into a
folder of its own; then runs COMMAND with ``TRIAGE_CONFIG`` set, or waits for ctrl-c. Whatever happens, everything ends
with it. The exit code is the command's.

    python -m tests.real.stage --state failing -- triage fraud-scorer
    python -m tests.real.stage --known -- triage status --format json
    python -m tests.real.stage                     # then use the printed addresses from another terminal

``--state failing``: the canary (version 8) of fraud-scorer has answered slowly and with errors for 40 minutes.
``--known`` adds the models of known truth (``tests/real/known.py``): idle, stopped, reset, hostile labels and so on.

It needs the Debian packages ``prometheus`` and ``prometheus-alertmanager``, and some ten seconds to start.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from tests.real import history, notebooks, rules, servers, worlds
from tests.real.servers import PROJECT, Server

EXAMPLES = PROJECT / "triage" / "notebook" / "examples"


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs."""

    folder: Path
    epoch: float
    """Unix time at which history ends and live scraping begins."""
    exporter: Server
    prometheus: Server
    alertmanager: Server
    config: Path
    """The ``triage.yaml`` that points at it."""


@contextmanager
def staged(folder: Path, world_name: str, *, grid: history.Grid = history.MONTH,
           tell: Callable[[str], None] = lambda _: None) -> Iterator[Stage]:
    """Everything of a world (a key of :data:`tests.real.worlds.WORLDS`), ended when the block is left."""
    world = worlds.WORLDS[world_name]()
    epoch = float(int(time.time()))
    rules_file = rules.rules_file(folder / "rules.yml", world.groups)
    with ExitStack() as stack:
        with ThreadPoolExecutor(1) as pool:
            past = pool.submit(history.write_blocks, folder, world.targets, epoch, grid, world.recorded)
            tell("writing 30 days of history ...")
            # Started from this thread: the kernel ties children to the thread that made them.
            exporter = stack.enter_context(servers.exporter(folder / "exporter", world_name, epoch))
            alertmanager = stack.enter_context(
                servers.alertmanager(folder / "alertmanager", rules.alertmanager_config()))
            database = past.result()
        prometheus = stack.enter_context(servers.prometheus(
            folder / "prometheus",
            rules.prometheus_config(world.targets, exporter.url, rules=rules_file, alertmanager_url=alertmanager.url),
            tsdb=database, flags=["--enable-feature=native-histograms"]))
        tell("waiting for the first scrape ...")
        # Prometheus begins to scrape five seconds after its start, and no setting changes that.
        servers.wait_for(lambda: _scraped_since(prometheus, epoch) == len(world.targets),
                         "live samples of every target", prometheus)
        folders = [EXAMPLES] if world_name != "known" else []
        if "known" in world_name:
            folders.append(notebooks.write(folder / "notebooks"))
        config = triage_yaml(folder, prometheus.url, alertmanager.url, folders)
        yield Stage(folder, epoch, exporter, prometheus, alertmanager, config)


def _scraped_since(prometheus: Server, epoch: float) -> int:
    query = urllib.parse.urlencode({"query": f"count(timestamp(up) > {epoch!r})"})
    with urllib.request.urlopen(f"{prometheus.url}/api/v1/query?{query}", timeout=5.0) as answer:
        result = json.load(answer)["data"]["result"]
    return int(result[0]["value"][1]) if result else 0


def triage_yaml(folder: Path, prometheus_url: str, alertmanager_url: str | None, folders: Sequence[Path]) -> Path:
    """Write the configuration of triage for a stage and return its path."""
    context: dict[str, Any] = {"prometheus": {"url": prometheus_url}}
    if alertmanager_url is not None:
        context["alertmanager"] = {"url": alertmanager_url}
    path = folder / "triage.yaml"
    path.write_text(yaml.safe_dump({"apiVersion": "triage/v1alpha1", "kind": "Config", "current_context": "stage",
                                    "notebooks": [str(f) for f in folders], "contexts": {"stage": context}},
                                   sort_keys=False), encoding="utf-8")
    path.chmod(0o600)
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stage; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m tests.real.stage", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", choices=("healthy", "failing"), default="healthy")
    parser.add_argument("--known", action="store_true", help="add the models of known truth")
    parser.add_argument("--folder", type=Path, help="keep everything in this folder (default: a temporary one)")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what to run, after --")
    options = parser.parse_args(arguments)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    began = time.monotonic()
    try:
        with ExitStack() as stack:
            if options.folder is None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="triage-stage-")))
            else:
                folder = options.folder.resolve()
                folder.mkdir(parents=True)
            world = options.state + ("+known" if options.known else "")
            stage = stack.enter_context(staged(folder, world, tell=_say))
            _say(f"ready after {time.monotonic() - began:.1f} s")
            return _run(command, stage) if command else _wait(stage)
    except KeyboardInterrupt:
        return 130
    except FileExistsError as error:
        _say(f"{error.filename} exists: name a new folder")
    except (servers.ServerMissing, servers.ServerFailed) as error:
        _say(str(error))
    return 1


def _run(command: Sequence[str], stage: Stage) -> int:
    environ = {**os.environ, "TRIAGE_CONFIG": str(stage.config), "STAGE_PROMETHEUS": stage.prometheus.url,
               "STAGE_ALERTMANAGER": stage.alertmanager.url, "STAGE_EXPORTER": stage.exporter.url}
    try:
        child = subprocess.Popen(command, env=environ)
    except OSError as error:
        _say(f"{command[0]} cannot be run: {error.strerror}")
        return 127
    # ctrl-c is for the command; it decides when it is over.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        status = child.wait()
    finally:
        signal.signal(signal.SIGINT, before)
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(servers.STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
    return status if status >= 0 else 128 - status


def _wait(stage: Stage) -> int:
    _say(f"""
  Prometheus    {stage.prometheus.url}
  Alertmanager  {stage.alertmanager.url}
  exporter      {stage.exporter.url}   (POST /JOB/down and /JOB/up)
  logs          {stage.folder}

  export TRIAGE_CONFIG={stage.config}
  triage

ctrl-c ends everything.""")
    while True:
        for server in (stage.exporter, stage.prometheus, stage.alertmanager):
            if server.process.poll() is not None:
                raise servers.ServerFailed(f"{server.name} ended by itself\n{server.log_tail()}")
        time.sleep(1.0)


def _leave(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
