"""The extension: its traits, and which part hears of what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.extension.application import ExtensionApp
from traitlets import Float, Integer, Unicode, default

if TYPE_CHECKING:
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

    def initialize_settings(self) -> None:
        """Make the parts, which begin their work with the server."""
        from .services import Services

        if self.serverapp is not None:  # it is not before the extension is linked
            self._services = self.settings["rlm_jupyter"] = Services.of(self, self.serverapp)

    def initialize_handlers(self) -> None:
        """Put the routes under ``/rlm-jupyter/``."""
        from .routes.table import ROUTES

        self.handlers.extend(ROUTES)

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Begin to listen, now that the event loop runs."""
        if self._services is not None:
            await self._services.start()

    async def stop_extension(self) -> None:
        """Write what is still to be written, and let go of kernels and store."""
        if self._services is not None:
            await self._services.stop()
