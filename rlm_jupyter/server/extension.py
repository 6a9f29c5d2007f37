"""The extension: its traits, and which part hears of what."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.extension.application import ExtensionApp
from traitlets import Float, Integer, Unicode, default

from .off_loop import off_loop

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

    from .services import Services

__all__ = ["RLMExtension"]


class RLMExtension(ExtensionApp):
    """Keeps the sessions of every notebook, and writes a trace notebook beside it."""

    name = "rlm_jupyter"
    load_other_extensions = True

    store_path = Unicode(
        config=True,
        help="The SQLite file in which sessions and runs are kept. Only its owner can read it. It belongs on a local "
        "disk: SQLite's journal needs one.",
    )
    max_runs = Integer(
        10_000, min=1, allow_none=True, config=True, help="How many runs are kept; beyond that the oldest ones go."
    )
    max_days = Float(
        365.0, allow_none=True, config=True, help="For how many days a run is kept; None: however old it is."
    )
    max_bytes = Integer(
        2_000_000_000,
        min=1_000_000,
        allow_none=True,
        config=True,
        help="How large the store may grow, in bytes; the oldest runs go.",
    )
    trace_location = Unicode(
        "beside",
        config=True,
        help="Where trace notebooks are written: 'beside' the notebook, 'nowhere', or a folder below the server's root "
        "directory, in which they stand under the notebook's own path.",
    )
    trace_interval = Float(
        5.0, min=1.0, config=True, help="How many seconds pass at least between two writes of a trace notebook while a "
        "run is under way."
    )  # fmt: skip

    @default("store_path")
    def _default_store_path(self) -> str:
        return str(Path(jupyter_data_dir()) / "rlm_jupyter" / "store.sqlite3")

    _services: Services | None = None

    def initialize_handlers(self) -> None:
        """Put the routes under ``/rlm-jupyter/``."""
        from .routes.table import ROUTES

        self.handlers.extend(ROUTES)

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Begin to listen, now that the event loop runs and every extension is loaded.

        The parts are imported only now, and in a thread: nobody waits for them when Lab starts.
        """
        services = await off_loop(import_module, "rlm_jupyter.server.services")
        made: Services = services.Services.of(self, serverapp)
        await made.start()
        self._services = self.settings["rlm_jupyter"] = serverapp.web_app.settings["rlm_jupyter"] = made

    async def stop_extension(self) -> None:
        """Write what is still to be written, and let go of kernels and store."""
        services, self._services = self._services, None
        if services is not None:
            await services.stop()
