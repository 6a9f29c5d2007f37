"""The parts of the extension, and which of them hears of what the others find out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from .changes import Changes
from .housekeeping import Housekeeping
from .intake import Intake
from .link import Link
from .notebooks import Notebooks
from .off_loop import off_loop
from .reception import Reception
from .store import Store
from .tap import Tap
from .trace_files import TraceFiles

if TYPE_CHECKING:
    from jupyter_events import EventLogger
    from jupyter_server.serverapp import ServerApp
    from jupyter_server.services.kernels.kernelmanager import MappingKernelManager

    from .extension import RLMExtension
    from .store import Change

__all__ = ["Services"]


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes find in the settings under ``rlm_jupyter``."""

    kernel_manager: MappingKernelManager
    store: Store
    link: Link
    intake: Intake
    tap: Tap
    notebooks: Notebooks
    trace_files: TraceFiles
    changes: Changes
    reception: Reception
    housekeeping: Housekeeping

    @classmethod
    def of(cls, extension: RLMExtension, serverapp: ServerApp) -> Services:
        """Return the parts, made as the extension's traits say, and introduced to each other."""
        path = Path(extension.store_path).expanduser()
        store = Store(path, max_runs=extension.max_runs, max_days=extension.max_days, max_bytes=extension.max_bytes)
        kernel_manager, bus = serverapp.kernel_manager, cast("EventLogger", serverapp.event_logger)
        link = Link(kernel_manager)
        notebooks = Notebooks(serverapp, store)
        intake = Intake(store, link, notebooks.current)
        tap = Tap(kernel_manager, bus, intake, link)
        trace_files = TraceFiles(
            serverapp.contents_manager,
            store,
            notebooks,
            location=extension.trace_location,
            interval=extension.trace_interval,
        )
        changes = Changes(bus, store)
        reception = Reception(link, store, notebooks)
        housekeeping = Housekeeping(store)

        intake.on_change.extend([changes.announce, trace_files.changed, housekeeping.changed])
        intake.on_hello.append(reception.hello)
        intake.on_ask.append(reception.asked)
        intake.on_steered.append(changes.steered)
        tap.on_gone.append(reception.gone)
        notebooks.on_moved.extend([reception.moved, changes.moved])
        notebooks.on_settled.append(reception.settled)
        return cls(kernel_manager, store, link, intake, tap, notebooks, trace_files, changes, reception, housekeeping)

    async def start(self) -> None:
        """Begin to listen; what an earlier server left under way is ended first."""
        alive = self.kernel_manager.list_kernel_ids()
        left: list[Change] = await off_loop(self.store.abandon, None, alive=alive)
        await self.notebooks.start()
        self.intake.start()
        for change in left:
            self.changes.announce(change)
            self.trace_files.changed(change)
        await self.tap.start()
        self.housekeeping.start()

    async def stop(self) -> None:
        """Take in what has come, write what is still to be written, and let go of everything."""
        await self.housekeeping.stop()
        await self.tap.stop()
        await self.intake.stop()
        await self.trace_files.flush()
        await self.reception.close()
        await self.link.stop()
        await self.notebooks.stop()
        await self.changes.close()
        await off_loop(self.store.close)
