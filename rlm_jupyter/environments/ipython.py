"""``ipython``: a Python of its own with IPython's cells, in this process or in a kernel beside it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.results import REPLResult

from .arguments import check_arguments
from .handler import Address, SubcallFunction

__all__ = ["IPythonREPL"]

R = TypeVar("R", bound="IPythonREPL")

_KERNEL_ONLY: dict[str, object] = {"kernel_name": None, "startup_timeout": 60.0, "subcall_timeout": None}
"""What only a kernel uses, with its defaults."""


class IPythonREPL:
    """Runs model code as IPython does, apart from the user's namespace.

    ``kernel_mode="in_process"`` is a private shell in this process; ``"subprocess"`` a kernel that Jupyter starts, by
    default with this Python, or with the kernelspec named ``kernel_name``. Times are in seconds: ``cell_timeout`` ends
    a cell; ``startup_timeout`` (of the kernel) and ``subcall_timeout`` (of one query) are the subprocess's alone.
    ``setup_code`` runs first. Outside a run, queries are answered by ``subcall_fn(prompt, model)`` or by the handler at
    ``lm_handler_address``, which is told the ``depth``, ``max_concurrent_subcalls`` at a time. ``persistent`` tells
    others that this REPL is kept from one completion to the next.

    Raises ``ConfigurationError`` for what cannot be used, setup code that fails included.
    """

    name = "ipython"

    kernel_mode: str
    execute_code: Callable[[str], REPLResult]
    aexecute_code: Callable[[str], Coroutine[Any, Any, REPLResult]]
    add_context: Callable[..., int]
    add_history: Callable[..., int]
    get_context_count: Callable[[], int]
    get_history_count: Callable[[], int]
    update_handler_address: Callable[[Address], None]
    cleanup: Callable[[], None]

    if TYPE_CHECKING:

        @property
        def locals(self) -> Mapping[str, Any]:
            """A live view of the namespace, or a summary of the kernel's; empty after ``cleanup()``."""

        @property
        def lm_handler_address(self) -> Address | None:
            """Where model calls are answered that are made outside a run: host and port."""

    def __new__(  # noqa: PLR0913 - the arguments are those of both modes
        cls,
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
    ) -> IPythonREPL:
        """Return a REPL of the mode's own class, which is made with the same arguments."""
        if cls is not IPythonREPL:
            return super().__new__(cls)
        cls.check(
            {
                "context_payload": context_payload,
                "kernel_mode": kernel_mode,
                "kernel_name": kernel_name,
                "cell_timeout": cell_timeout,
                "startup_timeout": startup_timeout,
                "subcall_timeout": subcall_timeout,
                "max_concurrent_subcalls": max_concurrent_subcalls,
                "setup_code": setup_code,
                "custom_tools": custom_tools,
                "lm_handler_address": lm_handler_address,
                "subcall_fn": subcall_fn,
                "depth": depth,
                "persistent": persistent,
            }
        )
        return super().__new__(_KINDS[kernel_mode]())

    @staticmethod
    def check(arguments: Mapping[str, Any]) -> None:
        """Raise ``ConfigurationError`` for arguments of the constructor that cannot be used, making nothing."""
        check_arguments(arguments)
        mode = arguments.get("kernel_mode", "in_process")
        if mode not in ("in_process", "subprocess"):
            msg = f"There is no kernel_mode {mode!r}. There are: 'in_process', 'subprocess'."
            raise ConfigurationError(msg)
        unused = [name for name, default in _KERNEL_ONLY.items() if arguments.get(name, default) != default]
        if mode == "in_process" and unused:
            msg = f"{', '.join(unused)}: only kernel_mode='subprocess' uses this. Choose that mode, or leave it out."
            raise ConfigurationError(msg)

    @staticmethod
    def takes_its_time(arguments: Mapping[str, Any]) -> bool:
        """Return whether making it takes long enough to be done beside an event loop: a kernel has to start."""
        return arguments.get("kernel_mode") == "subprocess"

    def __enter__(self: R) -> R:
        """Return itself, to be cleaned up at the end of the block."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Clean up."""
        self.cleanup()


def _in_process() -> type[IPythonREPL]:
    from .private_ipython import PrivateIPythonREPL

    return PrivateIPythonREPL


def _subprocess() -> type[IPythonREPL]:
    from .subprocess import SubprocessREPL

    return SubprocessREPL


_KINDS: dict[str, Callable[[], type[IPythonREPL]]] = {"in_process": _in_process, "subprocess": _subprocess}
