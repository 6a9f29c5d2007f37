"""Where model code runs: ``local``, ``jupyter`` (the user's live kernel), ``ipython`` (a private shell, or a kernel).

Those of this process stand on the same executor. Nothing here talks to a model: model calls go to the ``Queries`` of
the run, or of the REPL that is used by hand.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlm_jupyter.core.protocols import SupportsPersistence

    from .choice import get_environment
    from .ipython import IPythonREPL
    from .jupyter import JupyterREPL
    from .local import LocalREPL

__all__ = ["IPythonREPL", "JupyterREPL", "LocalREPL", "SupportsPersistence", "get_environment"]

_HOMES = {
    "IPythonREPL": ".ipython",
    "JupyterREPL": ".jupyter",
    "LocalREPL": ".local",
    "SupportsPersistence": "rlm_jupyter.core.protocols",
    "get_environment": ".choice",
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use: loading the extension must be quick."""
    home = _HOMES.get(name)
    if home is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(home, __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
