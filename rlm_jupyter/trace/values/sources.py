"""What is written as its name, or as its source: modules, what they hold, and functions and classes of the notebook."""

from __future__ import annotations

import ast
import importlib
import linecache
import re
import symtable
import sys
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, TypeGuard

__all__ = ["behind", "made_again", "names_in", "source_of", "sourced"]

_LONGEST = 200_000
"""Characters of a cell or file in which a definition is looked for."""

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*){0,20}")
_NAMED = (FunctionType, BuiltinFunctionType, type)
_METACLASSES = frozenset({"abc", "enum", "pydantic._internal._model_construction"})
_BY_NAME = frozenset(
    "FINAL_VAR SHOW_VARS __dict__ __globals__ __main__ dir ev eval exec f_globals f_locals getattr globals locals "
    "user_global_ns user_ns vars".split()
)
"""What finds a variable by a name that is given as a text."""

_BY_KEY = frozenset({"get", "pop", "setdefault"})
"""What finds, in a mapping, a value by a key that is given as a text."""

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def sourced(value: Any) -> tuple[str, Any] | None:
    """Return how the value is told: ``module`` and its name, ``import`` and where it is, ``source`` and what it says.

    An ``instance`` of a class of the notebook that derives from no other is told as that and its attributes. None of
    other values, also of functions with variables of another function's (closures) and of what was defined where its
    source is not known.
    """
    kind = type(value)
    if kind is ModuleType:
        name = vars(value).get("__name__")
        return ("module", name) if _is_module(name) and sys.modules.get(name) is value else None
    if kind not in _NAMED and not (issubclass(kind, type) and kind.__module__ in _METACLASSES):
        return _instance(value)
    place = _place(value)
    if place is not None:
        return "import", place
    source = source_of(value)
    return ("source", [value.__name__, source]) if source is not None else None


def source_of(value: Any) -> str | None:
    """Return the source of a function or class of the notebook, which stands in ``__main__``; None of others."""
    if type(value) is FunctionType:
        code = value.__code__
        plain = value.__closure__ is None and not vars(value)
        return _definition(code.co_filename, code.co_name, code.co_firstlineno) if plain and _is_own(value) else None
    is_class = issubclass(type(value), type) and (type(value) is type or type(value).__module__ in _METACLASSES)
    return _class_source(value) if is_class and _is_own(value) else None


def behind(value: Any) -> str | None:
    """Return the source of a function or class of the notebook, and of an instance that of its class."""
    told = sourced(value)
    return told[1][1] if told is not None and told[0] in ("source", "instance") else None


def names_in(source: str) -> list[str]:
    """Return the names that the source reads from its namespace, each once, in order; all its words if it is no Python.

    The variables of its functions and comprehensions are not among them. What it quotes is, for that may be a name that
    is looked up; unless it is the key of something that the source has bound itself, and that is no namespace.
    """
    try:
        nodes = list(_without_own(ast.parse(source)))
        scoped = any(isinstance(each, _FUNCTIONS) for each in nodes)
        shared = _shared(symtable.symtable(source, "<source>", "exec")) if scoped else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return list(dict.fromkeys(re.findall(r"[^\W\d]\w*", source)))
    keys = _keys(nodes)
    named: list[tuple[int, int, str]] = []
    for each in nodes:
        read = each.target if isinstance(each, ast.AugAssign) else each  # total += 1
        if isinstance(read, ast.Name):
            stored = read is each and isinstance(read.ctx, ast.Store)
            if not stored and (shared is None or read.id in shared):
                named.append((read.lineno, read.col_offset, read.id))
        elif isinstance(read, ast.Constant) and read not in keys and _is_identifier(read.value):
            named.append((read.lineno, read.col_offset, read.value))  # "rows" in globals()
    return list(dict.fromkeys(name for _, _, name in sorted(named)))


def _is_identifier(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and value.isidentifier()


def _keys(nodes: list[ast.AST]) -> set[ast.AST]:
    """Return what is plainly the key of something that these nodes have bound; nothing if they look up variables."""
    bound: set[str] = set()
    keys: list[tuple[ast.expr, ast.expr]] = []
    for each in nodes:
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            bound.add(each.id)
        elif isinstance(each, ast.arg):
            bound.add(each.arg)
        elif isinstance(each, ast.Subscript):
            keys.append((each.value, each.slice))
        elif isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr in _BY_KEY:
            keys.extend((each.func.value, key) for key in each.args[:1])
        if _name_of(each) in _BY_NAME:
            return set()
    return {key for value, key in keys if _root(value) in bound}


def _name_of(node: ast.AST) -> Any:
    """Return the name that a node reads, imports or quotes, as far as it does."""
    for kind, part in ((ast.Name, "id"), (ast.Attribute, "attr"), (ast.alias, "name"), (ast.Constant, "value")):
        if isinstance(node, kind):
            return getattr(node, part)
    return None


def _root(node: ast.AST) -> str | None:
    """Return the name that a chain of attributes, keys and calls begins with."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def _without_own(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree, but the names that comprehensions bind, where they are read in them.

    From Python 3.12 on, a table of symbols has these among those of the scope around.
    """
    waiting: list[tuple[ast.AST, frozenset[str]]] = [(tree, frozenset())]
    while waiting:
        node, own = waiting.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in own:
            continue
        yield node
        if not isinstance(node, _COMPREHENSIONS):
            waiting.extend((child, own) for child in ast.iter_child_nodes(node))
            continue
        first, targets = node.generators[0].iter, [each.target for each in node.generators]
        named = (name for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))
        within = own | {name.id for name in named if isinstance(name.ctx, ast.Store)}
        waiting.append((first, own))
        parts = (part for each in (node, *node.generators) for part in ast.iter_child_nodes(each))
        waiting.extend(
            (part, within) for part in parts if part is not first and not isinstance(part, ast.comprehension)
        )


def _shared(table: symtable.SymbolTable) -> set[str]:
    """Return the names of a scope, and of those within it, that are not a function's own."""
    names: set[str] = set()
    waiting = [table]
    while waiting:
        each = waiting.pop()
        in_function = each.get_type() not in ("module", "class")
        names.update(name.get_name() for name in each.get_symbols() if not in_function or name.is_global())
        waiting.extend(each.get_children())
    return names


def made_again(name: str, told: Any, namespace: dict[str, Any]) -> Any:
    """Return the module, or what else ``sourced`` told: it imports, and it runs the source that it is given.

    An instance is of the class that the namespace has under that name. Raises ``ImportError`` and ``AttributeError``
    for what is not there, and whatever the source raises.
    """
    if name == "source":
        return _defined(told[0], told[1], namespace)
    if name == "instance":
        kind = namespace.get(told[0])
        made = object.__new__(kind if type(kind) is type else _defined(told[0], told[1], namespace))
        vars(made).update(told[2])
        return made
    module, _, path = told.partition(":") if name == "import" else (told, "", "")
    found: Any = importlib.import_module(module)
    for each in path.split(".") if path else ():
        found = getattr(found, each)
    return found


def _defined(name: str, source: str, namespace: dict[str, Any]) -> Any:
    own: dict[str, Any] = {}
    namespace.setdefault("__name__", "__main__")
    exec(compile(source, "<recorded>", "exec"), namespace, own)  # noqa: S102 - who asks for it wants it run
    return own[name]


def _instance(value: Any) -> tuple[str, Any] | None:
    """Return the class's name and source, and the attributes, which are read past any code of the class."""
    kind = type(value)
    if type(kind) is not type or kind.__mro__ != (kind, object) or "__dict__" not in vars(kind):
        return None
    source = source_of(kind)
    return ("instance", [kind.__name__, source, vars(kind)["__dict__"].__get__(value)]) if source is not None else None


def _is_module(name: Any) -> bool:
    return type(name) is str and name != "__main__" and _DOTTED.fullmatch(name) is not None


def _is_own(value: Any) -> bool:
    return value.__module__ == "__main__" and type(value.__name__) is str


def _place(value: Any) -> str | None:
    """Return ``module:name`` where the value can be imported from; None where it cannot."""
    module, name = value.__module__, value.__qualname__
    if not _is_module(module) or type(name) is not str or not _DOTTED.fullmatch(name):
        return None
    found: Any = sys.modules.get(module)
    for each in name.split("."):
        if type(found) not in (ModuleType, type):
            return None
        found = vars(found).get(each)
    return f"{module}:{name}" if found is value else None


def _class_source(value: type) -> str | None:
    """Return the source of a class that has a function of its own, for only these know in which file they stand."""
    for each in vars(value).values():
        code = each.__code__ if type(each) is FunctionType else None
        found = _definition(code.co_filename, value.__name__, code.co_firstlineno, within=True) if code else None
        if found is not None:
            return found
    return None


def _definition(file: str, name: str, line: int, *, within: bool = False) -> str | None:
    """Return the source of a definition that begins on this line of the file, or that the line is ``within``."""
    text = "".join(linecache.getlines(file))
    if not text or len(text) > _LONGEST:
        return None
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for node in tree.body:
        if isinstance(node, _DEFINITIONS) and node.name == name:
            first = min((each.lineno for each in node.decorator_list), default=node.lineno)
            last = node.end_lineno or node.lineno
            if first == line or (within and first <= line <= last):
                return "\n".join(text.split("\n")[first - 1 : last])
    return None
