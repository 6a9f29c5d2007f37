"""Where the cells of a trace notebook play: the notebook's own namespace, with the scaffold that the run had."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from rlm_jupyter.core.results import REPLResult
from rlm_jupyter.environments.cells.dialect import Dialect, IPythonDialect, PlainPython, Step, own_variables
from rlm_jupyter.environments.cells.figures import own_figures
from rlm_jupyter.environments.cells.private_loop import no_running_loop
from rlm_jupyter.environments.handler import HandlerQueries
from rlm_jupyter.environments.in_process import InProcessEnvironment

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["Stage"]

_SHARED = "jupyter"
"""The environment whose code saw the notebook's variables."""


class Stage(InProcessEnvironment):
    """Runs a recorded block in the shell's namespace as the environment of its run ran it.

    ``value`` is that of the last block's last expression, None when it has none. ``before`` are the names that are not
    the run's, though they stand in the same namespace.
    """

    name = "play"
    _gives_functions = True

    def __init__(self, shell: InteractiveShell, environment: str, before: frozenset[str]) -> None:
        self._shell = shell
        self.value: Any = None
        self._before = before
        self._hides = environment != _SHARED
        self._others: AbstractSet[str] = before if self._hides else frozenset()
        self.shows_figures = True
        dialect: Dialect = _Plain(self) if environment == "local" else _Cells(shell, self, environment)
        super().__init__(shell.user_ns, dialect, HandlerQueries())
        self._hidden = shell.user_ns_hidden
        self._provided = frozenset({"display"}) if environment != _SHARED else frozenset()

    def variables(self) -> dict[str, Any]:
        """Return the public names that code saw: of a run with a namespace of its own, those made since it began."""
        own = own_variables(self._shell, super().variables())
        return {name: value for name, value in own.items() if name not in self._others | self._provided}

    def hide(self, seen: AbstractSet[str], *, listed: bool) -> None:
        """Leave out of ``variables`` what was there before the run, but for what its code had ``seen``.

        In a namespace that was the notebook's own, where the recording ``listed`` what there was.
        """
        if self._hides or listed:
            self._hides = True
            self._others = self._before - seen

    def played(self, code: str, *, in_a_loop: bool, shows_figures: bool) -> REPLResult:
        """Run a block.

        ``in_a_loop``: it found itself in a running event loop, as code of a kernel does; ``shows_figures``: those that
        it drew were shown at its end, as a kernel does it.
        """
        self.value, self.shows_figures = None, shows_figures
        with nullcontext() if in_a_loop else no_running_loop():
            return self.execute_code(code)


class _Plain(PlainPython):
    """Plain Python, whose figures nobody showed."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def format(self, value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the value's repr, and keep the value."""
        self._stage.value = value
        return super().format(value)

    @contextmanager
    def cell(self, namespace: dict[str, Any]) -> Iterator[Step]:
        """Lay the notebook's figures aside in each step, and drop those that the cell drew."""
        del namespace
        yield own_figures().in_place


class _Cells(IPythonDialect):
    """The cells of a shell; what ``_`` and ``Out`` held, they kept themselves, except in the notebook's own."""

    def __init__(self, shell: InteractiveShell, stage: Stage, environment: str) -> None:
        super().__init__(shell)
        self._history_is_anothers = environment == _SHARED
        self._stage = stage

    def format(self, value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the value's display by the shell's formatters, and keep the value."""
        self._stage.value = value
        return super().format(value)

    @contextmanager
    def cell(self, namespace: dict[str, Any]) -> Iterator[Step]:
        """Stand around a cell as a shell's does, and show its figures where they were shown."""
        self._shows_figures = self._stage.shows_figures
        with super().cell(namespace) as step:
            yield step
