"""The extension: its traits, and which part hears of what."""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.extension.application import ExtensionApp
from traitlets import Bunch, Float, Integer, TraitError, Unicode, default, validate

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
        365.0,
        min=0.0,
        allow_none=True,
        config=True,
        help="For how many days a run is kept; 0: only while it is under way. None: however old it is.",
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

    @validate("trace_location")
    def _valid_trace_location(self, proposal: Bunch) -> str:
        location = str(proposal["value"]).strip("/") or "beside"
        if ".." in location.split("/"):
            msg = f"trace_location = {location!r}: name a folder below the server's root, 'beside' or 'nowhere'."
            raise TraitError(msg)
        return location

    @validate("max_days")
    def _valid_max_days(self, proposal: Bunch) -> float | None:
        days: float | None = proposal["value"]
        if days is not None and math.isnan(days):
            msg = "max_days = nan: say a number of days, or None for runs of any age."
            raise TraitError(msg)
        return days

    @default("store_path")
    def _default_store_path(self) -> str:
        return str(Path(jupyter_data_dir()) / "rlm_jupyter" / "store.sqlite3")

    problem: str | None = None
    """Why the extension does nothing, if it does not."""

    _services: Services | None = None

    def initialize_handlers(self) -> None:
        """Put the routes under ``/rlm-jupyter/``."""
        from .routes.table import ROUTES

        self.handlers.extend(ROUTES)

    def _link_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Take over the configuration; with a value that cannot be used, nothing is done that was not meant so."""
        try:
            super()._link_jupyter_server_extension(serverapp)
        except TraitError as error:
            self.problem = f"A setting cannot be used: {error}"
            raise

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Begin to listen, now that the event loop runs and every extension is loaded.

        The parts are imported only now, and in a thread: nobody waits for them when Lab starts.
        """
        if self.problem is not None:
            self.log.critical("rlm_jupyter keeps nothing and writes nothing. %s", self.problem)
            return
        try:
            services = await off_loop(import_module, "rlm_jupyter.server.services")
            made: Services = services.Services.of(self, serverapp)
            self._services = self.settings["rlm_jupyter"] = serverapp.web_app.settings["rlm_jupyter"] = made
            await made.start()
        except Exception as error:
            self.problem = f"The extension could not start: {type(error).__name__}: {error}"
            raise

    async def stop_extension(self) -> None:
        """Write what is still to be written, and let go of kernels and store."""
        services, self._services = self._services, None
        if services is not None:
            await services.stop()
