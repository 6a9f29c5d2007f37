"""The parts of the extension, and which of them hears of what the others find out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from .changes import Changes
from .housekeeping import Housekeeping
from .intake import Intake
from .link import Link
from .notebooks import Notebooks
from .off_loop import off_loop
from .pulse import Pulse
from .reception import Reception
from .reviewers import Reviewers
from .root import root_of
from .store import Store
from .tap import Tap
from .trace_files import TraceFiles

if TYPE_CHECKING:
    from jupyter_events import EventLogger
    from jupyter_server.serverapp import ServerApp
    from jupyter_server.services.kernels.kernelmanager import MappingKernelManager

    from .extension import RLMExtension

__all__ = ["Services"]

_log = logging.getLogger(__name__)

_LAST_WORDS = 0.5
"""Seconds for which kernels are heard after the server was told to stop: an answer may have been given just now."""

_STOPPING = 3.0
"""Seconds that one part may take to stop."""


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
    reviewers: Reviewers
    pulse: Pulse = field(default_factory=Pulse)

    @classmethod
    def of(cls, extension: RLMExtension, serverapp: ServerApp) -> Services:
        """Return the parts, made as the extension's traits say, and introduced to each other."""
        path = Path(extension.store_path).expanduser()
        store = Store(
            path,
            root_of(serverapp.contents_manager),
            max_runs=extension.max_runs,
            max_days=extension.max_days,
            max_bytes=extension.max_bytes,
        )
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
        reviewers = Reviewers(link)
        trace_files.on_written.append(reception.written)
        housekeeping = Housekeeping(store, kernel_manager.list_kernel_ids)

        intake.on_change.extend([changes.announce, trace_files.changed, housekeeping.changed])
        housekeeping.on_change.extend([changes.announce, trace_files.changed])
        intake.on_hello.extend([reviewers.hello, reception.hello])  # in this order: the welcome then takes nobody away
        intake.on_ask.append(reception.asked)
        intake.on_steered.append(changes.steered)
        tap.on_gone.extend([reception.gone, reviewers.gone, changes.gone])
        notebooks.on_moved.extend([reception.moved, changes.moved])
        notebooks.on_settled.append(reception.settled)
        return cls(
            kernel_manager,
            store,
            link,
            intake,
            tap,
            notebooks,
            trace_files,
            changes,
            reception,
            housekeeping,
            reviewers,
        )

    async def start(self) -> None:
        """Begin to listen. A store that cannot be used just now keeps nobody from that: it is tried again."""
        self.pulse.start()
        await self.notebooks.start()
        self.intake.start()
        await self.tap.start()
        self.housekeeping.start()

    async def stop(self) -> None:
        """Take in what has come, write what is still to be written, and let go of everything.

        In a bounded time, whatever hangs: kernels are shut down only after this.
        """
        self.pulse.stop()
        self.reviewers.close()
        if self.tap.kernels()["heard"]:
            await asyncio.sleep(_LAST_WORDS)
        steps: list[tuple[str, Callable[[], Awaitable[object]]]] = [
            ("housekeeping", self.housekeeping.stop),
            ("tap", self.tap.stop),
            ("intake", self.intake.stop),
            ("trace notebooks", self.trace_files.flush),
            ("reception", self.reception.close),
            ("link", self.link.stop),
            ("notebooks", self.notebooks.stop),
            ("changes", self.changes.close),
            ("store", lambda: off_loop(self.store.close)),
        ]
        for name, stop in steps:
            try:
                await asyncio.wait_for(stop(), _STOPPING)
            except Exception as error:  # noqa: BLE001 - the others are stopped all the same
                _log.warning("Stopping: the %s did not end well (%s: %s).", name, type(error).__name__, error)
