"""What a cell defines and what it needs, proven from its source without running it.

The model is marimo's: a cell defines names and refers to names, and a name that it refers to and does not define comes
from the last cell above that defines it. ``symtable`` knows the scopes; ``ast`` knows what cannot be known: star
imports, magics, ``exec`` and ``globals()``, and objects that another cell changes in place.
"""

from __future__ import annotations

import ast
import builtins
import symtable
from dataclasses import dataclass

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
    early = _used_before_assigned(tree, defines)
    doubts = list(_doubts(tree))
    changed = _changed(tree) - (defines - early)
    return Names(frozenset(defines), frozenset((needs - defines) | (early & needs)), frozenset(changed & needs),
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


def _used_before_assigned(tree: ast.Module, defines: set[str]) -> set[str]:
    """Names that the cell assigns and that its statements read before: ``df = df.dropna()`` needs another ``df``."""
    assigned: set[str] = set()
    early: set[str] = set()
    for statement in tree.body:
        deferred = isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if not deferred:
            early |= {name for name in _loads(statement) if name in defines and name not in assigned}
        if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name) \
                and statement.target.id not in assigned:
            early.add(statement.target.id)
        assigned |= _bound(statement)
    return early


def _loads(statement: ast.stmt) -> set[str]:
    """Names that a statement reads and does not itself bind in a comprehension, lambda, loop or ``with``."""
    own = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    own |= {arg.arg for node in ast.walk(statement) if isinstance(node, ast.Lambda | ast.FunctionDef)
            for arg in [*node.args.args, *node.args.kwonlyargs, *node.args.posonlyargs]}
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        # The value is read before the targets are bound.
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        own -= {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
            and node.id not in own}


def _bound(statement: ast.stmt) -> set[str]:
    found = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(statement):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
    return found


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
