"""``jupyter``: the user's live kernel. The model's code runs beside the user's, on the same objects.

Three ways to share, besides none: names that the model bound are handed out (mode A), chosen names are handed in
(mode B), or the code runs in the user's namespace itself (mode C).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rlm_jupyter.core.errors import ConfigurationError
from rlm_jupyter.core.protocols import Queries
from rlm_jupyter.core.results import NamespaceChanges, RLMChatCompletion

from .cells.dialect import IPythonDialect, own_variables
from .changes import Snapshot
from .handler import Address, HandlerQueries, SubcallFunction
from .in_process import InProcessEnvironment
from .occupancy import at_work
from .scaffold import Answer
from .shells.instance import process_shell
from .unbroken import done_at_the_end

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["JupyterREPL"]


class JupyterREPL(InProcessEnvironment):
    """Runs model code in the live kernel, in a private namespace or in the user's own.

    ``sync_from_user_ns`` lets the code see the user's variables, all or those named in ``sync_vars``, by reference;
    ``sync_to_user_ns`` hands the names that it bound to the user. With both and no ``sync_vars``, the code runs in the
    user's namespace. The other arguments are those of ``IPythonREPL`` in its mode ``in_process``. Raises
    ``ConfigurationError`` outside IPython and for names that are not defined.
    """

    name = "jupyter"
    in_threads = False

    def __init__(  # noqa: PLR0913 - the arguments are the field's
        self,
        context_payload: Any = None,
        *,
        sync_from_user_ns: bool = False,
        sync_to_user_ns: bool = False,
        sync_vars: Sequence[str] | None = None,
        setup_code: str | None = None,
        custom_tools: Mapping[str, Any] | None = None,
        cell_timeout: float | None = None,
        max_concurrent_subcalls: int = 4,
        lm_handler_address: Address | None = None,
        subcall_fn: SubcallFunction | None = None,
        depth: int = 1,
        persistent: bool = False,
        shell: InteractiveShell | None = None,
    ) -> None:
        self._shell = shell if shell is not None else _live_shell()
        self._user_ns: dict[str, Any] = self._shell.user_ns
        self._sync_vars = _checked_names(sync_vars, sync_from=sync_from_user_ns)
        self._sync_from, self._sync_to = sync_from_user_ns, sync_to_user_ns
        self.shares_user_ns = sync_from_user_ns and sync_to_user_ns and sync_vars is None
        self.gives_to_user = sync_to_user_ns
        """Whether what code binds is bound in the notebook, too."""
        namespace = self._user_ns if self.shares_user_ns else {"__name__": "__main__"}
        super().__init__(
            namespace,
            IPythonDialect(self._shell),
            HandlerQueries(subcall_fn, lm_handler_address, depth=depth, max_concurrent=max_concurrent_subcalls),
            borrowed=self.shares_user_ns,
            custom_tools=custom_tools,
            cell_timeout=cell_timeout,
            persistent=persistent,
        )
        self._hidden = self._shell.user_ns_hidden
        self._handed_in: dict[str, Any] = {}
        self._handed_out: dict[str, Any] = {}
        self._gives_functions = sync_to_user_ns
        self._changes = NamespaceChanges()
        self._begin(context_payload, setup_code)

    @staticmethod
    def check(arguments: Mapping[str, Any]) -> None:
        """Raise ``ConfigurationError`` for arguments of the constructor that cannot be used, making nothing."""
        InProcessEnvironment.check(arguments)
        _checked_names(arguments.get("sync_vars"), sync_from=bool(arguments.get("sync_from_user_ns")))

    def guide(self) -> str:
        """Return what the system prompt says of this environment."""
        place = (
            "the user's own notebook: the variables there are the user's, the same objects, so change or delete only "
            "what you were asked to; new names stay in the notebook"
            if self.shares_user_ns
            else "the user's notebook kernel, in a namespace of your own"
        )
        return (
            f"This REPL is a Jupyter kernel: {place}. A block behaves as a notebook cell does: the value of its last "
            "expression is shown (no print needed), tables and figures are kept with the answer and described to you, "
            "top-level `await`, `%magics` and `!shell` work, and what was assigned before an exception is kept. What "
            "another program prints you see of `!command` only; call `subprocess.run` with `capture_output=True`."
        )

    def variables(self) -> dict[str, Any]:
        """Return the public names that code sees; the scaffold's, the shell's and modules are left out."""
        return own_variables(self._shell, super().variables())

    def changes(self) -> NamespaceChanges:
        """Return what the last run changed in the notebook."""
        return self._changes

    def cleanup(self) -> None:
        """Give everything back, contexts and histories too. May be called twice."""
        super().cleanup()
        self._handed_out = {}

    @contextmanager
    def set_aside(self, names: Mapping[str, Any], instead: Mapping[str, Any]) -> Iterator[frozenset[str]]:
        """Set names aside; those that are put back are the notebook's again where they were handed out to it."""
        handed_out = {name: value for name, value in self._handed_out.items() if name in names}

        def hand_out_again() -> None:
            for name, value in handed_out.items():
                if name not in self._handed_out and self._namespace.get(name, self) is value:
                    self._user_ns.setdefault(name, value)
                    self._handed_out[name] = value

        with done_at_the_end(hand_out_again), super().set_aside(names, instead) as aside:
            yield aside

    @contextmanager
    def _laid(self, queries: Queries, answer: Answer) -> Iterator[None]:
        """Have the scaffold laid out, and the user's variables handed in; say what changed in the notebook.

        Raises ``ConfigurationError`` in a thread where the kernel runs no cells, and while another run is in the way.
        """
        with at_work(shares_user_ns=self.shares_user_ns):
            self._changes = NamespaceChanges()
            before = self._snapshot()
            try:
                self._hand_in()
                with super()._laid(queries, answer):
                    yield
            finally:
                self._forget_handed_in()
                if before is not None:
                    self._changes = before.changes(self._user_ns)

    @contextmanager
    def _cell(self) -> Iterator[list[RLMChatCompletion]]:
        """Stand around a cell, and hand out what it bound."""
        with super()._cell() as calls:
            try:
                yield calls
            finally:
                self._hand_out()

    def _snapshot(self) -> Snapshot | None:
        """Return the notebook's names as they are now, or None where nothing of the model's can reach them."""
        if not (self._sync_from or self._sync_to):
            return None
        looked_into = self._sync_vars if self._sync_from else ()
        return Snapshot(self._user_ns, ignored=self._shell.user_ns_hidden, looked_into=looked_into)

    def _hand_in(self) -> None:
        """Bind the user's variables in the private namespace: the same objects under the same names."""
        if self.shares_user_ns or not self._sync_from:
            return
        if self._sync_vars is None:
            hidden = self._shell.user_ns_hidden
            names = [name for name in self._user_ns if not name.startswith("_") and name not in hidden]
        else:
            names = list(self._sync_vars)
            missing = [name for name in names if name not in self._user_ns]
            if missing:
                msg = f"sync_vars names what the notebook does not define: {', '.join(missing)}. Define it first."
                raise ConfigurationError(msg)
        self._handed_in = {name: self._user_ns[name] for name in names}
        self._namespace.update(self._handed_in)

    def _forget_handed_in(self) -> None:
        """Let go of the user's values: they may be large, and the user may want them gone.

        Functions that were handed out go on finding theirs in the private namespace, where they look for them.
        """
        handed_in, self._handed_in = self._handed_in, {}
        if self._sync_to:
            return
        for name, value in handed_in.items():
            if self._namespace.get(name, self) is value:
                del self._namespace[name]

    def _hand_out(self) -> None:
        """Bind in the notebook what the model bound, and take back what it deleted again."""
        if self.shares_user_ns or not self._sync_to:
            return
        bound = {
            name: value
            for name, value in self._namespace.items()
            if not name.startswith("_")
            and name not in self._overlay.names
            and self._handed_in.get(name, self) is not value
        }
        for name, value in bound.items():
            if name not in self._handed_out or self._handed_out[name] is not value:
                self._user_ns[name] = value
        for name in self._handed_out.keys() - bound.keys():
            if self._user_ns.get(name, self) is self._handed_out[name]:
                del self._user_ns[name]
        self._handed_out = bound


def _live_shell() -> InteractiveShell:
    # Not get_ipython(): within a private shell's cell that is the private shell.
    shell = process_shell()
    if shell is None:
        msg = "environment='jupyter' runs in a live IPython or Jupyter kernel, and there is none here. Use 'local'."
        raise ConfigurationError(msg)
    return shell


def _checked_names(names: Sequence[str] | None, *, sync_from: bool) -> tuple[str, ...] | None:
    if names is None:
        return None
    if isinstance(names, str):
        msg = f"sync_vars takes a list of names: write sync_vars=[{names!r}]."
        raise ConfigurationError(msg)
    if not sync_from:
        msg = "sync_vars names what the model sees, which needs sync_from_user_ns=True as well."
        raise ConfigurationError(msg)
    return tuple(names)
