"""``ipython`` in this process: IPython's cells in a private shell, beside the user's or without one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .cells.dialect import IPythonDialect, Step, own_variables
from .handler import Address, HandlerQueries, SubcallFunction
from .in_process import InProcessEnvironment
from .ipython import IPythonREPL
from .shells.instance import within
from .shells.private import PrivateShell

__all__ = ["PrivateIPythonREPL"]


class _PrivateDialect(IPythonDialect):
    """The cells of a private shell, which keeps their history: ``In``, ``Out``, ``_``."""

    _history_is_anothers = False

    def __init__(self, shell: PrivateShell) -> None:
        super().__init__(shell)
        self._private = shell

    def transform(self, code: str) -> str:
        """Return the source with magics and shell escapes as calls, and note it as the next input."""
        source = super().transform(code)
        self._private.begin_cell(source, code)
        return source

    def format(self, value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the value's display by the shell's formatters, and keep it as ``_`` and in ``Out``."""
        self._private.displayhook.update_user_ns(value)
        return super().format(value)

    @contextmanager
    def cell(self, namespace: dict[str, Any]) -> Iterator[Step]:
        """Let IPython find this shell wherever the cell asks for one."""
        with within(self._private), super().cell(namespace) as step:
            yield step


class PrivateIPythonREPL(InProcessEnvironment, IPythonREPL):
    """Runs model code in a private IPython shell of this process: magics, ``!shell``, displays, ``In`` and ``Out``.

    It is not a sandbox: the code can do whatever the process can, and ``%cd`` goes there for all of it.
    """

    name = "ipython"
    kernel_mode = "in_process"

    def __init__(  # noqa: PLR0913 - the arguments are those of both modes
        self,
        context_payload: Any = None,
        *,
        kernel_mode: str = "in_process",
        kernel_name: str | None = None,
        cell_timeout: float | None = None,
        startup_timeout: float = 60.0,
        subcall_timeout: float | None = None,
        max_concurrent_subcalls: int = 4,
        setup_code: str | None = None,
        custom_tools: Mapping[str, Any] | None = None,
        lm_handler_address: Address | None = None,
        subcall_fn: SubcallFunction | None = None,
        depth: int = 1,
        persistent: bool = False,
    ) -> None:
        unused = {"kernel_name": kernel_name, "startup_timeout": startup_timeout, "subcall_timeout": subcall_timeout}
        self.check({"kernel_mode": kernel_mode, "custom_tools": custom_tools, **unused})
        self._shell = PrivateShell()
        super().__init__(
            self._shell.user_ns,
            _PrivateDialect(self._shell),
            HandlerQueries(subcall_fn, lm_handler_address, depth=depth, max_concurrent=max_concurrent_subcalls),
            custom_tools=custom_tools,
            cell_timeout=cell_timeout,
            persistent=persistent,
        )
        self._hidden = self._shell.user_ns_hidden
        self._begin(context_payload, setup_code)

    check = staticmethod(IPythonREPL.check)

    def guide(self) -> str:
        """Return what the system prompt says of this environment."""
        return (
            "This REPL is IPython: the value of a block's last expression is shown (no print needed), `display()` "
            "shows tables and figures, top-level `await`, `%magics` and `!shell` work, `Out` and `_` hold earlier "
            "values, and what was assigned before an exception is kept. What another program prints you see of "
            "`!command` only; call `subprocess.run` with `capture_output=True`."
        )

    def variables(self) -> dict[str, Any]:
        """Return the public names that code sees; the scaffold's, the shell's and modules are left out."""
        return own_variables(self._shell, super().variables())

    def cleanup(self) -> None:
        """Give everything back, contexts and histories too. May be called twice."""
        if not self._closed:
            super().cleanup()
            self._shell.close()
