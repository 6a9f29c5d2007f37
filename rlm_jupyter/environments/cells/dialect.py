"""How source text becomes Python, and a value becomes a display: plain Python's way, and IPython's."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from rlm_jupyter.core.describe import describe
from rlm_jupyter.environments.shells.history import own_history
from rlm_jupyter.environments.shells.namespace import working_in

from .figures import own_figures, show
from .mime_data import TEXT_LIMIT
from .own_state import OwnState

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["Dialect", "IPythonDialect", "PlainPython", "Step", "own_variables"]

Step: TypeAlias = Callable[[], AbstractContextManager[None]]
"""What stands around the running of code, and not around its waiting."""

_REPR_LIMIT = TEXT_LIMIT // 4  # of the value: a character may take ten in its repr


class Dialect(Protocol):
    """What the executor leaves to the language of the cells."""

    def transform(self, code: str) -> str:
        """Return the source as Python text."""

    def transform_tree(self, tree: ast.Module) -> ast.Module:
        """Return the tree that is run."""

    def format(self, value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the value's display by MIME type, and its metadata."""

    def cell(self, namespace: dict[str, Any]) -> AbstractContextManager[Step]:
        """Stand around one cell, and say what stands around each of its steps: from one ``await`` to the next."""


class PlainPython:
    """Python as it is, with no magics."""

    def transform(self, code: str) -> str:
        """Return the source as it is."""
        return code

    def transform_tree(self, tree: ast.Module) -> ast.Module:
        """Return the tree as it is."""
        return tree

    def format(self, value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the value's repr; of a text that is very long, its beginning."""
        if isinstance(value, str | bytes) and len(value) > _REPR_LIMIT:
            return {"text/plain": f"{value[:_REPR_LIMIT]!r}... ({describe(value, 0)})"}, {}
        return {"text/plain": repr(value)}, {}

    def cell(self, namespace: dict[str, Any]) -> AbstractContextManager[Step]:
        """Do nothing around a cell."""
        return nullcontext(nullcontext)


class IPythonDialect:
    """What a shell's cells may hold: magics, shell escapes, its AST transformers and its display formatters.

    The shell's ``run_cell`` is not used: inside a magic it publishes its own result, rewrites ``_``, fires the cell
    events and leaks an error message (measured; see docs/decisions.md).
    """

    _history_is_anothers = True
    _shows_figures = True

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell

    def transform(self, code: str) -> str:
        """Return the source with magics and shell escapes as calls."""
        transformed: str = self._shell.transform_cell(code)
        return transformed

    def transform_tree(self, tree: ast.Module) -> ast.Module:
        """Return the tree after the shell's own AST transformers."""
        transformed: ast.Module = self._shell.transform_ast(tree)
        return transformed

    def format(self, value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the value's display by the shell's formatters."""
        if isinstance(value, str | bytes) and len(value) > _REPR_LIMIT:
            return PlainPython().format(value)
        formatter: Any = self._shell.display_formatter
        data, metadata = formatter.format(value)
        return dict(data), dict(metadata)

    @contextmanager
    def cell(self, namespace: dict[str, Any]) -> Iterator[Step]:
        """Let magics work in the cell's own namespace, and show the figures that it drew in its own output.

        The user's figures, and the user's history where the namespace is the user's, are laid aside in each step.
        """
        figures = own_figures()
        states: list[OwnState[Any]] = [figures]
        if self._history_is_anothers and namespace is self._shell.user_ns:
            states.append(own_history(namespace))

        @contextmanager
        def step() -> Iterator[None]:
            with ExitStack() as stack:
                for state in states:
                    stack.enter_context(state.in_place())
                yield

        with working_in(self._shell, namespace), self._shell.builtin_trap:
            try:
                yield step
            finally:
                show(figures.own if self._shows_figures else {})


def own_variables(shell: InteractiveShell, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables without modules and without what the shell has put there itself."""
    hidden = shell.user_ns_hidden
    return {
        name: value
        for name, value in variables.items()
        if not issubclass(type(value), ModuleType) and not (name in hidden and hidden[name] is value)
    }
