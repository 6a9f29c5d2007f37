"""Who decides about the code blocks of which kernels: each says so again and again, and is forgotten otherwise."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlm_jupyter.trace.wire import Hello

    from .link import Link

__all__ = ["LIFETIME", "Reviewers"]

LIFETIME = 60.0
"""Seconds for which a reviewer is there without saying so again."""


@dataclass(slots=True)
class _Kernel:
    """The reviewers of a kernel, each with what ends its time, and what the kernel was told; None: that is unknown."""

    ends: dict[str, asyncio.TimerHandle] = field(default_factory=dict)
    told: bool | None = False


class Reviewers:
    """Tells a kernel when its first reviewer comes and when the last one goes; all of it is for the event loop."""

    def __init__(self, link: Link, lifetime: float = LIFETIME) -> None:
        self._link = link
        self._kernels: dict[str, _Kernel] = {}
        self.lifetime = lifetime

    def present(self, kernel_id: str) -> bool:
        """Return whether anybody decides about the code blocks of this kernel."""
        kernel = self._kernels.get(kernel_id)
        return kernel is not None and bool(kernel.ends)

    async def put(self, kernel_id: str, reviewer_id: str) -> bool:
        """Note that this reviewer is there, for a lifetime from now; False when the kernel cannot be told.

        One who was there already stays all the same: a kernel that is restarting is told when it says hello.
        """
        kernel = self._kernels.setdefault(kernel_id, _Kernel())
        renewed = self._end(kernel, reviewer_id)
        later = asyncio.get_running_loop().call_later
        kernel.ends[reviewer_id] = later(self.lifetime, self._expire, kernel_id, reviewer_id)
        if self._link.reach(kernel_id) is not None and await self._tell(kernel_id):
            return True
        if not renewed:
            self._end(kernel, reviewer_id)
            self._drop(kernel_id)
        return False

    async def delete(self, kernel_id: str, reviewer_id: str) -> bool:
        """Take this reviewer away, if it is there; False when the kernel cannot be told."""
        kernel = self._kernels.setdefault(kernel_id, _Kernel())
        self._end(kernel, reviewer_id)
        told = self._link.reach(kernel_id) is not None and await self._tell(kernel_id)
        self._drop(kernel_id)
        return told

    def hello(self, kernel_id: str, _: Hello | None = None) -> None:
        """Tell a kernel that has loaded the extension, or greeted anew, if somebody is there: it knows of nobody."""
        from rlm_jupyter.trace.wire import Reviewer

        kernel = self._kernels.get(kernel_id)
        if kernel is not None and kernel.ends:
            kernel.told = True
            self._link.post(kernel_id, Reviewer(present=True))

    def gone(self, kernel_id: str) -> None:
        """Note that the kernel's process has ended: the next one knows of nobody, and is told when it says hello."""
        kernel = self._kernels.get(kernel_id)
        if kernel is not None:
            kernel.told = False
            self._drop(kernel_id)

    def close(self) -> None:
        """Let go of everybody; the kernels are not told, who hear it of the next server."""
        for kernel in self._kernels.values():
            for end in kernel.ends.values():
                end.cancel()
        self._kernels.clear()

    async def _tell(self, kernel_id: str) -> bool:
        """Say how it is, unless the kernel knows."""
        from rlm_jupyter.trace.wire import Reviewer

        kernel = self._kernels[kernel_id]
        present = bool(kernel.ends)
        if kernel.told == present:
            return True
        kernel.told = present
        if await self._link.send(kernel_id, Reviewer(present=present)):
            return True
        kernel.told = None
        return False

    def _expire(self, kernel_id: str, reviewer_id: str) -> None:
        from rlm_jupyter.trace.wire import Reviewer

        kernel = self._kernels[kernel_id]
        del kernel.ends[reviewer_id]
        if not kernel.ends and kernel.told is not False:
            kernel.told = False
            self._link.post(kernel_id, Reviewer(present=False))
        self._drop(kernel_id)

    @staticmethod
    def _end(kernel: _Kernel, reviewer_id: str) -> bool:
        """Take a reviewer away; return whether it was there."""
        end = kernel.ends.pop(reviewer_id, None)
        if end is not None:
            end.cancel()
        return end is not None

    def _drop(self, kernel_id: str) -> None:
        kernel = self._kernels.get(kernel_id)
        if kernel is not None and not kernel.ends and kernel.told is False:
            del self._kernels[kernel_id]
