"""``local``: plain Python in a namespace of its own. For scripts, tests, and children that run in parallel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .cells.dialect import PlainPython
from .handler import Address, HandlerQueries, SubcallFunction
from .in_process import InProcessEnvironment

__all__ = ["LocalREPL"]


class LocalREPL(InProcessEnvironment):
    """Runs model code in a private namespace of this process.

    It is not a sandbox: the code can do whatever the process can. Many can run at once, in parallel threads.
    The arguments are those of ``IPythonREPL`` in its mode ``in_process``.
    """

    name = "local"

    def __init__(  # noqa: PLR0913 - the arguments are the field's
        self,
        context_payload: Any = None,
        *,
        setup_code: str | None = None,
        custom_tools: Mapping[str, Any] | None = None,
        cell_timeout: float | None = None,
        max_concurrent_subcalls: int = 4,
        lm_handler_address: Address | None = None,
        subcall_fn: SubcallFunction | None = None,
        depth: int = 1,
        persistent: bool = False,
    ) -> None:
        super().__init__(
            {"__name__": "__main__"},
            PlainPython(),
            HandlerQueries(subcall_fn, lm_handler_address, depth=depth, max_concurrent=max_concurrent_subcalls),
            custom_tools=custom_tools,
            cell_timeout=cell_timeout,
            persistent=persistent,
        )
        self._begin(context_payload, setup_code)
