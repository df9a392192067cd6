"""The commands of the lab: ``triage demo`` and ``triage lab``. The only door of the product to it."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from triage.cli_group import THEMES, complete_model
from triage.errors import TriageError
from triage.overrides import Overrides

if TYPE_CHECKING:
    from triage.lab.child import LabProcess

BANNER = "LAB"
"""Stands on every screen of the demo."""
DEFAULT_SCENARIO = "canary-latency"
_KILL_SWITCH = "TRIAGE_READONLY"
"""As ``triage.actions.freeze`` names it, which the first frame does not wait for."""
_NAME = "lab"
"""What plans call its systems: its address is another one each time."""
_MOST_COLUMNS, _MOST_ROWS = 500, 300
_PACKAGE = Path(__file__).parent
_NOTEBOOKS = (_PACKAGE / "notebook" / "examples", _PACKAGE / "lab" / "notebooks")
_SCENARIOS = _PACKAGE / "lab" / "scenarios"


def scenario_names() -> list[str]:
    """Names of the scenarios, without reading them: the first frame does not wait for YAML."""
    return sorted(path.stem for path in _SCENARIOS.glob("*.yaml"))


class _Scenario(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """The name of a scenario."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        names = scenario_names()
        if value not in names:
            import difflib

            from triage.text import clean
            near = difflib.get_close_matches(str(value), names, n=1)
            self.fail(f"there is no scenario {clean(value)}; " + (f"did you mean {near[0]}?" if near else
                      f"there are: {', '.join(names)}"), param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem
        return [CompletionItem(name) for name in scenario_names() if name.startswith(incomplete)]


class _Size(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Columns and rows, as 120x40."""

    name = "WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        width, cross, height = str(value).partition("x")
        found = (int(width), int(height)) if cross and width.isdecimal() and height.isdecimal() else (0, 0)
        if not (1 <= found[0] <= _MOST_COLUMNS and 1 <= found[1] <= _MOST_ROWS):
            from triage.text import clean
            self.fail(f'"{clean(value, limit=40)}" is not a size: columns x rows, such as 80x24, at most '
                      f"{_MOST_COLUMNS}x{_MOST_ROWS}", param, ctx)
        return found


_scenario = click.option("--scenario", type=_Scenario(), default=DEFAULT_SCENARIO, show_default=True,
                         help="What is going on in the world; see triage demo --list.")
_speed = click.option("--speed", type=click.FloatRange(0, 600), default=1.0, show_default=True,
                      help="Seconds of the world's time in a second; 0 stands still.")
_seed = click.option("--seed", type=int, help="Other chances, the same scenario.")


@click.command()
@click.argument("model", required=False, shell_complete=complete_model)
@_scenario
@_speed
@_seed
@click.option("--size", type=_Size(), metavar="WxH", help="Draw the screen in this size, such as 80x24.")
@click.option("--list", "listing", is_flag=True, help="List the scenarios and end.")
@click.option("--theme", type=click.Choice(THEMES), default="auto", help="Colours of the screen.")
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII characters only.")
def demo(model: str | None, scenario: str, speed: float, seed: int | None, size: tuple[int, int] | None,
         listing: bool, theme: str, ascii_only: bool) -> int:
    """Be on call for six models of a simulated world, in a process beside the screen.

    No server, no network, no account: the world answers on loopback in the protocols of Prometheus, Alertmanager,
    MLflow, Kubernetes and Loki, and the screen asks it as it would ask the real ones. Nothing of your configuration
    is used. Actions can be tried: it is as with --write, and only this world is changed. With TRIAGE_READONLY=1 not
    even this one is.

    \b
    Examples:
      triage demo
      triage demo --list
      triage demo --scenario schema-break --speed 10
      triage demo loan-approval --size 80x24
    """
    if listing:
        _list()
        return 0
    if not all(s is not None and s.isatty() for s in (sys.__stdin__, sys.__stderr__)):
        raise TriageError("the screen needs a terminal", "without one: triage lab serve, then triage status")
    from triage.cli_sights import Past
    from triage.lab.clock import LabClock
    from triage.live.feed import LiveFeed
    from triage.tui.app import run_app
    now = time.time()
    clock = LabClock(now, now, speed)
    _forget_environment()
    with contextlib.ExitStack() as running:
        def begun() -> Overrides:
            # Not before the feed asks, which it does behind the first frame: being born, the world takes a processor.
            from triage.lab.child import Birth, LabProcess
            born = running.enter_context(LabProcess(Birth(scenario, clock, seed)))
            # What is worked through here is forgotten with the world it was about, also when the demo is killed.
            os.environ["TRIAGE_STATE"] = str(born.folder / "state")
            return configured(born, writes=True)

        return run_app(LiveFeed(begun, clock=clock), model=model, theme_name=theme,
                       glyphs="ascii" if ascii_only else "auto", banner=BANNER, size=size,
                       write=True, past=Past)


def _forget_environment() -> None:
    """The demo looks at nothing but the lab, whatever the environment says about the user's own servers. A kill switch
    stays on."""
    for name in [name for name in os.environ if name.startswith("TRIAGE_") and name != _KILL_SWITCH]:
        del os.environ[name]


def configured(lab: LabProcess, *, writes: bool = False, second: bool = False) -> Overrides:
    """Write a ``triage.yaml`` for the lab into its private folder: the product is configured as for any servers.

    ``writes``: with the token that may change the world where actions need it. ``second``: as another person who may,
    in a file beside it.

    Raises :class:`TriageError` when the lab has ended.
    """
    import yaml

    failure = lab.failure()
    if failure is not None:
        raise TriageError(f"the lab ended: {failure}", "triage lab serve shows more")
    colleague = (("token-of-a-colleague", lab.second_token),) if second else ()
    for name, secret in (("token", lab.read_token), ("token-that-writes", lab.token), *colleague):
        path = lab.folder / name
        path.touch(mode=0o600)
        path.write_text(secret)
    credentials = {"bearer_token": {"file": str(lab.folder / "token")}}
    mine = "token-of-a-colleague" if second else "token-that-writes" if writes else "token"
    changing = {"bearer_token": {"file": str(lab.folder / mine)}}
    document = {
        "apiVersion": "triage/v1alpha1", "kind": "Config",
        "notebooks": [str(path) for path in _notebooks(lab.birth.scenario)],
        "contexts": {lab.birth.scenario: {
            "prometheus": {"url": f"{lab.url}/prometheus", **credentials},
            "alertmanager": {"url": f"{lab.url}/alertmanager", "name": _NAME, **changing},
            "registry": {"kind": "mlflow", "url": f"{lab.url}/mlflow", "name": _NAME, **changing},
            "kubernetes": {"url": f"{lab.url}/kubernetes", "name": _NAME, **changing},
            "logs": {"kind": "loki", "url": f"{lab.url}/loki", "model_label": "app", **credentials},
        }},
    }
    path = lab.folder / ("triage-colleague.yaml" if second else "triage.yaml")
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return Overrides(config=str(path))


def _notebooks(scenario: str) -> list[Path]:
    """The notebook that the scenario is about first, because the screen opens on the first."""
    from triage.lab.world.scenario import load
    first = load(scenario).opens_on
    folders = sorted(path.parent for root in _NOTEBOOKS for path in root.glob("*/manifest.yaml"))
    return sorted(folders, key=lambda folder: folder.name != first)


def _list() -> None:
    from triage.lab.world.scenario import load
    from triage.report.console import show
    from triage.report.scenarios import scenarios_text
    rows = [(s.name, s.opens_on or "all", s.title) for s in map(load, scenario_names())]
    show(lambda plain: scenarios_text(rows, plain))


@click.group()
def lab() -> None:
    """The simulated world of triage demo, for other programs and for drills.

    \b
    Examples:
      triage lab serve --scenario canary-latency
      triage lab screenshots
    """


@lab.command()
@_scenario
@_speed
@_seed
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1.  [default: any free one]")
@click.option("--enable-feature", "features", multiple=True, type=click.Choice(["promql-experimental-functions"]),
              help="As Prometheus' own option: limitk and limit_ratio.")
@click.option("--write", is_flag=True, help="Let the configuration hold the token that may change the world, to try "
              "triage act --write.")
def serve(scenario: str, speed: float, seed: int | None, port: int, features: tuple[str, ...], write: bool) -> int:
    """Let a world answer on loopback until ctrl-c, and say how to look at it.

    The first line on stdout is the address, the second one the configuration to use with triage --config or
    $TRIAGE_CONFIG. Every request needs the bearer token that lies in the file token beside it.

    \b
    Examples:
      triage lab serve
      triage lab serve --port 9900 --scenario features-stale --speed 10
      triage lab serve --write
    """
    from triage.lab.child import Birth, LabProcess
    from triage.lab.clock import LabClock
    now = time.time()
    try:
        process = LabProcess(Birth(scenario, LabClock(now, now, speed), seed, features), port)
    except OSError as error:
        raise TriageError(f"port {port} cannot be used: {error.strerror}", "name another, or none") from None
    with process:
        with contextlib.suppress(OSError):
            process.wait_until_complete()
        wanted = configured(process, writes=write)
        colleague = configured(process, second=True) if write else None
        click.echo(process.url)
        click.echo(wanted.config)
        click.echo(f"the lab runs; look at it from another terminal, ctrl-c ends it:\n"
                   f"  triage --config {wanted.config}\n"
                   f"  curl -H \"Authorization: Bearer $(cat {process.folder}/token)\" "
                   f"'{process.url}/prometheus/api/v1/query?query=up'\n"
                   f"under that address: /prometheus /alertmanager /mlflow /kubernetes /loki /pipelines\n"
                   f"{process.folder}/token reads, {process.folder}/token-that-writes may change the world", err=True)
        if colleague is not None:
            click.echo(f"as a colleague, who approves what you share:\n  triage --config {colleague.config} --write",
                       err=True)
        while (failure := process.failure()) is None:
            time.sleep(0.5)
        raise TriageError(f"the lab ended: {failure}")


@lab.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default="screenshots")
@click.option("--check", is_flag=True, help="Write nothing; end with 1 and name the pictures that are not up to date.")
def screenshots(folder: Path, check: bool) -> int:
    """Make the pictures of the documentation in FOLDER (default: screenshots), the same bytes each time.

    \b
    Examples:
      triage lab screenshots
      triage lab screenshots --check
    """
    from triage import cli_pictures
    if not check:
        for path in cli_pictures.write(folder):
            click.echo(path)
        return 0
    differing = cli_pictures.differing(folder)
    for name in differing:
        click.echo(f"triage: {folder / name}.svg is not what the program draws now; make it with: triage lab "
                   "screenshots", err=True)
    return 1 if differing else 0
