"""What a cell defines and what it needs, proven from its source without running it.

The model is marimo's: a cell defines names and refers to names, and a name that it refers to and does not define comes
from the last cell above that defines it. ``symtable`` knows the scopes; ``ast`` knows what cannot be known: star
imports, magics, ``exec`` and ``globals()``, and objects that another cell changes in place.
"""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

_KNOWN = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__", "__builtins__", "_", "__", "___", "In", "Out",
                                     "get_ipython", "display", "exit", "quit", "__debug__"}
_DYNAMIC = frozenset({"exec", "eval", "globals", "locals", "vars", "get_ipython", "__import__", "compile"})
_MUTATORS = frozenset({"append", "extend", "insert", "remove", "pop", "clear", "update", "setdefault", "add", "discard",
                       "sort", "reverse", "popitem", "drop", "fillna", "rename", "set_index", "reset_index"})
_IN_PLACE = frozenset({"drop", "fillna", "rename", "set_index", "reset_index"})


@dataclass(frozen=True, slots=True)
class Names:
    """What a cell has to do with names of the notebook."""

    defines: frozenset[str]
    needs: frozenset[str]
    """Names from other cells; builtins left out."""
    changes: frozenset[str]
    """Names of other cells whose objects it changes in place."""
    doubts: tuple[str, ...]
    """Why the above may not be all, each in a few words; empty when it is proven."""


@lru_cache(maxsize=1024)
def names_of(source: str) -> Names:
    """What ``source`` defines and needs. A source that cannot be parsed has only doubts."""
    try:
        tree = ast.parse(source)
        table = symtable.symtable(source, "<cell>", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        first = next((row.strip() for row in source.splitlines() if row.strip().startswith(("%", "!", "?"))), None)
        if first is not None:
            return Names(frozenset(), frozenset(), frozenset(), ("it uses a magic or a shell command",))
        where = f" (line {error.lineno})" if isinstance(error, SyntaxError) and error.lineno else ""
        return Names(frozenset(), frozenset(), frozenset(), (f"it is not Python{where}",))
    defines = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    defines |= _globals_assigned(table)
    needs = {name for name in _referenced(table) if name not in _KNOWN}
    early = _used_before_assigned(tree.body, set()) & defines
    doubts = list(_doubts(tree))
    changed = _changed(tree) - (defines - early)
    return Names(frozenset(defines), frozenset((needs - defines) | (early - _KNOWN)), frozenset(changed & needs),
                 tuple(dict.fromkeys(doubts)))


def _referenced(table: symtable.SymbolTable) -> set[str]:
    """Names of the module's scope that this scope or one inside refers to."""
    top = table.get_type() == "module"
    found = {s.get_name() for s in table.get_symbols()
             if s.is_referenced() and (top or s.is_global())}
    for child in table.get_children():
        found |= _referenced(child)
    return found


def _globals_assigned(table: symtable.SymbolTable) -> set[str]:
    found: set[str] = set()
    for child in table.get_children():
        found |= {s.get_name() for s in child.get_symbols() if s.is_declared_global() and s.is_assigned()}
        found |= _globals_assigned(child)
    return found


def _used_before_assigned(body: Iterable[ast.stmt], assigned: set[str]) -> set[str]:
    """Names that are read before the cell itself assigns them: ``df = df.dropna()`` needs another cell's ``df``.

    ``assigned`` is what may have been assigned so far, and grows; a name that one branch assigns counts as assigned.
    """
    early: set[str] = set()
    for statement in body:
        here, inside = _parts(statement)
        early |= {name for part in here for name in _reads(part)} - assigned
        assigned |= {name for part in here for name in _walrus(part)}
        assigned |= _targets(statement)
        for block in inside:
            own = set(assigned)
            early |= _used_before_assigned(block, own)
            assigned |= own
    return early


def _parts(statement: ast.stmt) -> tuple[list[ast.AST], list[list[ast.stmt]]]:
    """(what a statement evaluates before it binds anything, the blocks inside it)."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        arguments = statement.args
        return [*statement.decorator_list, *arguments.defaults, *(d for d in arguments.kw_defaults if d)], []
    if isinstance(statement, ast.ClassDef):
        return [*statement.decorator_list, *statement.bases, *statement.keywords], []
    if isinstance(statement, ast.Try | ast.TryStar):
        handlers: list[list[ast.stmt]] = [_handled(each) for each in statement.handlers]
        kinds: list[ast.AST] = [each.type for each in statement.handlers if each.type is not None]
        return kinds, [statement.body, *handlers, statement.orelse, statement.finalbody]
    if isinstance(statement, ast.Match):
        return [statement.subject], [case.body for case in statement.cases]
    here: list[ast.AST] = []
    inside: list[list[ast.stmt]] = []
    for name, value in ast.iter_fields(statement):
        if name in ("body", "orelse") and isinstance(value, list):
            inside.append(value)
        elif isinstance(value, ast.AST):
            here.append(value)
        elif isinstance(value, list):
            here += [each for each in value if isinstance(each, ast.AST)]
    if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        # Its target is read, too, though the syntax tree says that it is only stored.
        here.append(ast.Name(statement.target.id, ast.Load()))
    return here, inside


def _handled(handler: ast.ExceptHandler) -> list[ast.stmt]:
    if handler.name is None:
        return handler.body
    named: ast.stmt = ast.Assign([ast.Name(handler.name, ast.Store())], ast.Constant(None))
    return [named, *handler.body]


def _reads(node: ast.AST) -> set[str]:
    """Names that are read where ``node`` is evaluated; what comprehensions and lambdas bind is theirs."""
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Load) else set()
    found = {name for child in ast.iter_child_nodes(node) for name in _reads(child)}
    if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
        # The first iterable is read outside.
        bound = {name for each in node.generators for name in _stored(each.target)}
        return (found - bound) | _reads(node.generators[0].iter)
    if isinstance(node, ast.Lambda):
        return found - {arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)}
    return found


def _walrus(node: ast.AST) -> set[str]:
    return {each.target.id for each in ast.walk(node) if isinstance(each, ast.NamedExpr)}


def _stored(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}


def _targets(statement: ast.stmt) -> set[str]:
    """Names that a statement itself binds, its blocks left out."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
    if isinstance(statement, ast.Match):
        return {each.name for case in statement.cases for each in ast.walk(case.pattern)
                if isinstance(each, ast.MatchAs | ast.MatchStar) and each.name is not None}
    if isinstance(statement, ast.With | ast.AsyncWith):
        return {name for item in statement.items if item.optional_vars is not None
                for name in _stored(item.optional_vars)}
    targets = [getattr(statement, "target", None), *getattr(statement, "targets", [])]
    return {name for target in targets if isinstance(target, ast.AST) for name in _stored(target)}


def _doubts(tree: ast.Module) -> list[str]:
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            found.append(f"it imports everything from {node.module or '.'}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _DYNAMIC:
            found.append(f"it calls {node.func.id}()")
        elif isinstance(node, ast.Delete):
            found.append("it deletes a name")
    return found


def _changed(tree: ast.Module) -> set[str]:
    """Names whose objects are changed in place at the top of the cell: ``df["x"] = 1``, ``rows.append(1)``."""
    found: set[str] = set()
    inside: set[ast.AST] = {below for node in ast.walk(tree)
                            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                            for below in ast.walk(node)}
    for node in ast.walk(tree):
        if node in inside:
            continue
        if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            found |= _root(node.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _MUTATORS:
            in_place = any(word.arg == "inplace" and isinstance(word.value, ast.Constant) and word.value.value is True
                           for word in node.keywords)
            if node.func.attr not in _IN_PLACE or in_place:
                found |= _root(node.func.value)
    return found


def _root(node: ast.expr) -> set[str]:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()
