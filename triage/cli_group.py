"""How a command line is understood: commands, model names, options that hold everywhere, and how it ends.

Every start passes here, so nothing heavy is imported: click and the light modules of the bottom layer only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import click
from click.shell_completion import CompletionItem

from triage.errors import InvalidDocument, TriageError
from triage.overrides import Overrides
from triage.text import clean

USAGE = 64
"""Exit code of whatever is wrong with the command line, the configuration or a document (``EX_USAGE``)."""
INTERNAL = 70
"""Exit code of a fault of our own (``EX_SOFTWARE``), which no verdict of ``check`` may be mistaken for."""
INTERRUPTED = 130
PIPE_CLOSED = 141
THEMES = ("auto", "dark", "light", "colour-blind", "16-colour", "no-colour")
SCREEN_COMMAND = "open"
_GIVEN = "triage.given"
_LIKENESS = 0.8
_SHORTEST_BEGINNING = 3
_TRACEBACK_LIMIT = 20_000

F = TypeVar("F", bound=Callable[..., Any])


class Decorator(Protocol):
    """Adds options or arguments to the function of a command."""

    def __call__(self, function: F, /) -> F: ...


class Span(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A duration with its unit."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from triage.quantities import parse_duration
        if isinstance(value, float):
            return value
        try:
            return parse_duration(value)
        except ValueError as error:
            message, _, hint = clean(error, multiline=True).partition("\n")
            self.fail(f"{message}; {hint}" if hint else message, param, ctx)


class Likely(click.Choice):  # type: ignore[type-arg,unused-ignore]
    """One of some words; of a slip it says what it was likely meant to be."""

    def __init__(self, choices: Sequence[str], others: Mapping[str, str]) -> None:
        """``others``: words that people use for some of them."""
        super().__init__(choices)
        self._others = others

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As click's, with the question."""
        if value not in self.choices:
            import difflib
            low = str(value).lower()
            near = self._others.get(low) or next(iter(difflib.get_close_matches(low, self.choices, n=1)), "")
            meant = f"; did you mean: {near}" if near else ""
            raise click.BadParameter(f'"{clean(value, limit=100)}" is none of them{meant}\n'
                                     f"There are: {', '.join(self.choices)}", ctx, param)
        return super().convert(value, param, ctx)


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep what was given, wherever it stood: before a command or after it, the later one counts."""
    if value is None or value == () or value is False:
        return
    if "" in (value if param.multiple else (value,)):
        # A variable of a script that is not set must not lead to another place than the one that was meant.
        raise click.BadParameter("it is empty: name one, or leave the option out", ctx, param)
    given = ctx.meta.setdefault(_GIVEN, {})
    given[param.name] = (*given.get(param.name, ()), *value) if param.multiple else value


def _option(*names: str, **more: Any) -> Decorator:
    return click.option(*names, expose_value=False, callback=_remember, **more)


def _all_of(*options: Decorator) -> Decorator:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function
    return decorate


ascii_only: Decorator = _option("--ascii", is_flag=True, help="Draw with ASCII characters only.")
where: Decorator = _all_of(
    _option("--config", metavar="FILE", type=click.Path(), help="Configuration file, in place of triage.yaml."),
    _option("--context", metavar="NAME", help="Context of the configuration to work in."),
    _option("--notebooks", metavar="FOLDER", type=click.Path(), multiple=True,
            help="Model notebook, or folder of them. Repeatable."),
    _option("--prometheus", metavar="URL", help="Prometheus, in place of the context's."),
    _option("--alertmanager", metavar="URL", help="Alertmanager, in place of the context's."),
    _option("--interval", metavar="TIME", type=Span(), help="Time between refreshes, such as 5s; at least 1s."),
)
"""The options that say where the facts come from."""
writes: Decorator = _option("--write", is_flag=True, help="Let guarded actions change the environment; without it "
                            "nothing is executed.")
screen: Decorator = _all_of(
    _option("--alert", metavar="TEXT", help="Open on the reason of this alert: fingerprint, labels or URL."),
    _option("--theme", type=click.Choice(THEMES), help="Colours of the screen."),
)


def given(name: str) -> Any:
    """The value of an option of :data:`where`, :data:`screen`, :data:`writes` or :data:`ascii_only`; None when it was
    not given."""
    found: Mapping[str, Any] = click.get_current_context().meta.get(_GIVEN, {})
    return found.get(name)


def overrides() -> Overrides:
    """What the command line says about the configuration."""
    return Overrides(config=given("config"), context=given("context"), notebooks=given("notebooks") or (),
                     prometheus_url=given("prometheus"), alertmanager_url=given("alertmanager"),
                     interval=given("interval"))


def assignments(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Values by name of an option that takes NAME=VALUE and may be repeated."""
    out = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f'"{clean(text, limit=100)}" is no NAME=VALUE', param_hint=option)
        out[name] = value
    return out


def complete_model(ctx: click.Context, param: click.Parameter | None, incomplete: str) -> list[CompletionItem]:
    """Names of models that begin with ``incomplete``. Silent whatever goes wrong."""
    try:
        with ctx.scope(cleanup=False):
            return [CompletionItem(name) for name in model_names(overrides()) if name.startswith(incomplete)]
    except Exception:
        return []


def model_names(wanted: Overrides) -> list[str]:
    """Names of the models in the notebooks of the context, without asking any server."""
    from dataclasses import replace

    from triage.config import activate
    from triage.notebook.load import load_all

    # Completion needs no server, so that none is named must not end it.
    active = activate(replace(wanted, prometheus_url=wanted.prometheus_url or "http://localhost"))
    loaded = load_all(active.notebooks)
    return list(dict.fromkeys([n.name for n in loaded.notebooks] + [b.name for b in loaded.broken]))


class TriageGroup(click.Group):
    """The commands. A first word that is none of them names a model, unless it looks like a slip."""

    def resolve_command(self, ctx: click.Context,
                        args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with ``triage MODEL`` for ``triage open MODEL``."""
        word = args[0]
        if word in self.commands or word.startswith("-"):
            return super().resolve_command(ctx, args)
        if not ctx.resilient_parsing:
            meant = self._meant(word)
            if meant is not None:
                ctx.fail(f"there is no command {clean(word)}; did you mean: triage {meant}\n"
                         f"A model of that name is opened by: triage {SCREEN_COMMAND} {clean(word)}")
        return SCREEN_COMMAND, self.commands[SCREEN_COMMAND], args

    def _meant(self, word: str) -> str | None:
        """The command that ``word`` is likely a slip of."""
        import difflib
        low = word.lower()
        words = {"help": "--help", "version": "--version"}
        for name, command in self.commands.items():
            if isinstance(command, click.Group):
                words.update((nested, f"{name} {nested}") for nested in command.commands)
        if low in words:
            return words[low]
        near = difflib.get_close_matches(low, self.commands, n=1, cutoff=_LIKENESS)
        if near:
            return near[0]
        long_enough = len(low) >= _SHORTEST_BEGINNING
        return next((name for name in self.commands if long_enough and name.startswith(low)), None)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands, options and models."""
        found = super().shell_complete(ctx, incomplete)
        return found if incomplete.startswith("-") else found + complete_model(ctx, None, incomplete)

    def invoke(self, ctx: click.Context) -> Any:
        """As click's; a reader that went away ends the command silently."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # The interpreter flushes once more on its way out and would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return PIPE_CLOSED
        return result

    def main(self, *args: Any, **more: Any) -> Any:
        """Run, say on stderr what went wrong, and exit. A command's own return value is its exit code."""
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        try:
            code = super().main(*args, **{**more, "standalone_mode": False})
        except click.exceptions.Abort:
            code = INTERRUPTED
        except click.ClickException as error:
            error.show()
            code = USAGE
        except TriageError as error:
            click.echo(sentence(error), err=True)
            code = error.exit_code
        except Exception:
            import traceback
            told = clean(traceback.format_exc(), multiline=True, limit=_TRACEBACK_LIMIT)
            click.echo(f"{told.rstrip()}\ntriage: a fault in triage itself; the lines above say where", err=True)
            code = INTERNAL
        sys.exit(code if isinstance(code, int) else 0)


def sentence(error: TriageError) -> str:
    """The error as it stands on stderr: what is wrong, then what to do; every finding of a document."""
    if isinstance(error, InvalidDocument):
        lines = [f"  {finding.sentence()}" for finding in error.findings]
        return "\n".join([f"triage: cannot go on: {len(lines)} "
                          f"{'finding' if len(lines) == 1 else 'findings'}", *lines])
    return f"triage: {error.message}" + "".join(f"\n  {line}" for line in error.hint.splitlines())


def formats(*names: str) -> Decorator:
    """The option ``--format``; the first of ``names`` is the default."""
    return click.option("--format", "output", type=click.Choice(names), default=names[0], show_default=True,
                        help="How to write it.")


def model_argument(*, required: bool = False) -> Decorator:
    """The argument that names a model, completed from the notebooks."""
    return click.argument("model", required=required, shell_complete=complete_model)
