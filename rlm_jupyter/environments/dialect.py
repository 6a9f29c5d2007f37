"""How source text becomes Python, and a value becomes a display: plain Python's way, and IPython's."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from rlm_jupyter.core.describe import describe

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["Dialect", "IPythonDialect", "PlainPython"]

_REPR_LIMIT = 1_000_000


class Dialect(Protocol):
    """What the executor leaves to the language of the cells."""

    def transform(self, code: str) -> str:
        """Return the source as Python text."""

    def transform_tree(self, tree: ast.Module) -> ast.Module:
        """Return the tree that is run."""

    def format(self, value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the value's display by MIME type, and its metadata."""

    @contextmanager
    def cell(self, namespace: dict[str, Any], *, transformed: bool) -> Iterator[None]:
        """Stand around the running of one cell."""


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

    @contextmanager
    def cell(self, namespace: dict[str, Any], *, transformed: bool) -> Iterator[None]:
        """Do nothing around a cell."""
        yield


class IPythonDialect:
    """What a shell's cells may hold: magics, shell escapes, its AST transformers and its display formatters.

    The shell's ``run_cell`` is not used: inside a magic it publishes its own result, rewrites ``_``, fires the cell
    events and leaks an error message (measured; see docs/decisions.md).
    """

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
    def cell(self, namespace: dict[str, Any], *, transformed: bool) -> Iterator[None]:
        """Point magics at the cell's own namespace, and show the figures that it drew in its own output."""
        user_ns = self._shell.user_ns
        swapped = transformed and namespace is not user_ns
        if swapped:
            self._shell.user_ns = namespace
        try:
            with self._shell.builtin_trap, _own_figures():
                yield
        finally:
            if swapped:
                self._shell.user_ns = user_ns


@contextmanager
def _own_figures() -> Iterator[None]:
    """Lay the user's open figures aside for a cell; show and close those that it drew, also when it failed.

    The inline backend would show them at the end of the user's cell, in it, and ``plt.show()`` would take the user's.
    """
    figures = _inline_figures()
    users = dict(figures)
    aside = figures
    aside.clear()
    try:
        yield
    finally:
        figures = _inline_figures()  # the cell may have been the first to draw
        drawn = [manager.canvas.figure for manager in figures.values()]
        figures.clear()
        aside.update(users)
        if drawn:
            from IPython.display import display

            display(*drawn)


def _inline_figures() -> dict[int, Any]:
    """Return pyplot's open figures by number, where the inline backend shows them: the very dict, to change."""
    helpers = sys.modules.get("matplotlib._pylab_helpers")
    inline = sys.modules.get("matplotlib_inline.backend_inline")
    if helpers is None or inline is None or "inline" not in sys.modules["matplotlib"].get_backend():
        return {}
    figures: dict[int, Any] = helpers.Gcf.figs
    return figures
