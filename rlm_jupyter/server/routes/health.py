"""How the extension is: what it has received, what it keeps, and what went wrong."""

from __future__ import annotations

import asyncio

from jupyter_server.auth.decorator import authorized
from tornado import web

import rlm_jupyter
from rlm_jupyter.server.off_loop import off_loop

from .base import RLMHandler

__all__ = ["HealthHandler"]

_PATIENCE = 3.0
"""Seconds that the store may take to answer."""

_SLOW = 0.5
"""Seconds by which the event loop may be late."""


class HealthHandler(RLMHandler):
    """``health``."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Tell how the extension is. No path of the machine is in it."""
        from rlm_jupyter.server.store import StoreError

        services = self.services
        try:
            store = await asyncio.wait_for(off_loop(services.store.stats), _PATIENCE)
        except StoreError:
            store = {"problem": "It cannot be read just now. The server's log says why."}
        except asyncio.TimeoutError:
            store = {"problem": "Another program has held it for a while."}
        seconds = services.pulse.worst
        trace_files = {path: self._inside(text) for path, text in services.trace_files.problems().items()}
        well = seconds < _SLOW and not trace_files and "problem" not in store
        await self.reply(
            {
                "status": "ok" if well else "impaired",
                "version": rlm_jupyter.__version__,
                "store": store,
                "intake": services.intake.stats(),
                "kernels": services.tap.kernels(),
                "trace_files": trace_files,
                "loop": {"ok": seconds < _SLOW, "seconds": seconds},
            }
        )

    def _inside(self, text: str) -> str:
        """Return the text without the folder that the server serves: what it says of the machine is in the log."""
        folder = str(getattr(self.contents_manager, "root_dir", ""))
        return text.replace(folder, "") if len(folder) > 1 else text
