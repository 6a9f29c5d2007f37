"""The trace notebook of one notebook: written, moved along with it, and deleted with it."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any

from rlm_jupyter.trace.file_names import beside, numbered

from .off_loop import off_loop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlm_jupyter.trace.notebooks.draft import Step, TraceDraft
    from rlm_jupyter.trace.trace import Trace

    from .contents import Contents

__all__ = ["TraceFile"]

_STILL = 1.0
"""Seconds for which a torn file is left to itself: a front end that saves a large notebook empties the file first."""

_LOOKED_INTO = 300
"""Notebooks of a folder that are searched for the name of a recording before it is deleted."""


class TraceFile:
    """Where the trace of a notebook is, and what was written there. Its methods are called one at a time (``lock``).

    ``place`` says where the trace of a notebook of some path belongs; None where none is written. ``beside`` says that
    it is the notebook's own folder: then the folder is there, or else it was renamed a moment ago. ``earlier`` loads
    the notebook's runs, the first one first, for a file that was torn.
    """

    def __init__(
        self,
        contents: Contents,
        place: Callable[[str], str | None],
        earlier: Callable[[], Sequence[Callable[[], Trace | None]]],
        *,
        beside: bool,
    ) -> None:
        self.lock = asyncio.Lock()
        self.home: str | None = None
        """The path of the notebook for which the file stands where it does; None while nothing is known of one."""
        self.folders: list[tuple[str, str]] = []
        """Folders that were renamed, and the file with them, and that are to be taken note of."""
        self.written: str | None = None
        """The path of the trace notebook, once it was written."""
        self._contents = contents
        self._place = place
        self._earlier = earlier
        self._beside = beside
        self._draft: TraceDraft | None = None

    @property
    def size(self) -> int:
        """How many bytes of it are kept in memory."""
        return self._draft.size if self._draft is not None else 0

    def forget(self) -> None:
        """Keep nothing of it in memory."""
        if self._draft is not None:
            self._draft.forget()

    async def write(self, load: Iterable[Callable[[], Trace | None]]) -> list[Exception]:
        """Write the traces where they belong now, and return why some of them could not be rendered."""
        first_choice = self.stands()
        if first_choice is None:
            return []
        if self._draft is None:
            self._draft = await off_loop(_new_draft, first_choice)
        failures = await _rendered_all(self._draft, load)
        steps, answer = self._draft.saving(), None
        while not isinstance(step := await off_loop(_next, steps, answer), str):
            answer = await self._done(step, self._draft, failures)
        self.written = step or None
        return failures

    async def follow(self, home: str) -> bool:
        """Rename what is ours, also what the user edited, to where it belongs when the notebook's path is ``home``.

        A name that is taken is left alone: the next free number is used. Returns whether there was anything to rename.
        """
        old, new, current = self.stands(), self._place(home), self._current()
        moved: dict[int, int] = {}
        if old is not None and new is not None and old != new:
            moved = await self._rename_all(old, new, current)
            current = moved.get(current, current)
        if new is not None:
            if self._draft is not None and self._draft.first_choice != new:
                self._draft.moved(new, current)
            self.written = numbered(new, current) if self.written is not None else None
        self.home = home
        return bool(moved)

    def stands(self) -> str | None:
        """Return where the file stands, now that folders were renamed; None when that is not known."""
        folders, self.folders = self.folders, []
        for old, new in folders if self._beside else ():
            if self.home is not None and self.home.startswith(f"{old}/"):
                self.home = new + self.home[len(old) :]
        return self._place(self.home) if self.home is not None else None

    async def _rename_all(self, old: str, new: str, current: int) -> dict[int, int]:
        """Rename what is ours, and return which number each file had, and has."""
        moved: dict[int, int] = {}
        async for number in self._ours(old, current, edited=True):
            target = number
            while await self._contents.exists(numbered(new, target)):
                target += 1
            await self._make_folders(new)
            await self._contents.rename(numbered(old, number), numbered(new, target))
            if beside(old, "") != beside(new, ""):
                await self._take_along(numbered(new, target), beside(old, ""))
            moved[number] = target
        return moved

    async def _take_along(self, trace: str, folder: str) -> None:
        """Move the recordings that the trace notebook names after it, out of the folder where it stood.

        One that another notebook there names too is copied.
        """
        for name in await off_loop(_recordings, await self._contents.read(trace)):
            old, new = folder + name, beside(trace, name)
            data = await self._contents.read_bytes(old)
            if data is None or await self._contents.exists(new):
                continue
            if await self._is_named(old):
                await self._contents.write_bytes(new, data)
            else:
                await self._contents.rename(old, new)

    async def delete(self) -> None:
        """Delete what is ours and nobody edited, and the recordings that no other notebook there names."""
        first_choice = self.stands()
        if first_choice is not None:
            unused: set[str] = set()
            async for number in self._ours(first_choice, self._current(), edited=False):
                name = numbered(first_choice, number)
                unused.update(await off_loop(_recordings, await self._contents.read(name)))
                await self._contents.delete(name)
            for name in sorted(unused):
                await self._drop(beside(first_choice, name))
        self.written = None

    async def _drop(self, path: str) -> None:
        """Delete the file of a recording, when it holds what its name says and no notebook there names it."""
        if await self._is_recording(path) and not await self._is_named(path):
            await self._contents.delete(path)

    async def _is_recording(self, path: str) -> bool:
        data = await self._contents.read_bytes(path)
        return data is not None and await off_loop(_holds_recording, path, data)

    async def _is_named(self, path: str) -> bool:
        """Return whether a notebook beside the file holds the file's name; of a folder of very many that is assumed."""
        notebooks = await self._contents.notebooks(beside(path, "").rstrip("/"))
        if len(notebooks) > _LOOKED_INTO:
            return True
        for notebook in notebooks:
            if await off_loop(_holds, await self._contents.read(notebook), path.rpartition("/")[2]):
                return True
        return False

    def _current(self) -> int:
        return self._draft.number if self._draft is not None else 1

    async def _make_folders(self, path: str) -> None:
        if not self._beside:
            await self._contents.make_folders(path)

    async def _ours(self, first_choice: str, current: int, *, edited: bool) -> AsyncIterator[int]:
        """Yield the numbers of the files that are ours; with ``edited``, those that the user edited too."""
        for number in itertools.count(1):
            content = await self._contents.read(numbered(first_choice, number))
            if content is None and number >= current:
                return
            if content is not None and await off_loop(_is_ours, content, edited=edited):
                yield number

    async def _done(self, step: Step, draft: TraceDraft, failures: list[Exception]) -> Any:
        from rlm_jupyter.trace.notebooks.draft import Drop, Keep, Look, Read, Refill, Written

        if isinstance(step, Look):
            if step.patient:
                await asyncio.sleep(_STILL)
            return await self._contents.state(step.name)
        if isinstance(step, Read):
            return await self._contents.read(step.name)
        if isinstance(step, Refill):
            failures += await _rendered_all(draft, await off_loop(self._earlier))
            return None
        if isinstance(step, Keep):
            if not await self._is_recording(step.name):
                await self._make_folders(step.name)
                await self._contents.write_bytes(step.name, step.data)
            return None
        if isinstance(step, Drop):
            await self._drop(step.name)
            return None
        text = await off_loop(_joined, step.text)
        if not step.whatever and await self._contents.state(step.name) != step.over:
            return None
        if step.over is None:
            await self._make_folders(step.name)
        return Written(await self._contents.write(step.name, text))


def _new_draft(name: str) -> TraceDraft:
    from rlm_jupyter.trace.notebooks.draft import TraceDraft

    return TraceDraft(name, mends=True)


async def _rendered_all(draft: TraceDraft, load: Iterable[Callable[[], Trace | None]]) -> list[Exception]:
    return [failure for each in load if (failure := await off_loop(_rendered, draft, each)) is not None]


def _rendered(draft: TraceDraft, load: Callable[[], Trace | None]) -> Exception | None:
    """Render one run, and return why that failed."""
    trace = load()
    try:
        if trace is not None:
            draft.render([trace])
    except Exception as error:  # noqa: BLE001 - what one kernel made up must not keep the other runs from being written
        return error
    return None


def _next(steps: Generator[Step, Any, str], answer: Any) -> Step | str:
    """Return the next step; after the last one, the name of the file."""
    try:
        return steps.send(answer)
    except StopIteration as stop:
        return str(stop.value)


def _is_ours(content: Any, *, edited: bool) -> bool:
    from rlm_jupyter.trace.notebooks.draft import ours_in
    from rlm_jupyter.trace.notebooks.torn import is_torn, was_ours

    return ours_in(content, edited=edited) is not None or (is_torn(content) and was_ours(content))


def _recordings(content: Any) -> list[str]:
    from rlm_jupyter.trace.notebooks.draft import recordings_in

    return recordings_in(content)


def _holds_recording(path: str, data: bytes) -> bool:
    from rlm_jupyter.trace.notebooks.draft import is_recording

    return is_recording(path, data)


def _holds(content: Any, name: str) -> bool:
    """Return whether a name stands anywhere in a notebook, as ``Contents.read`` returns it."""
    if isinstance(content, bytes):
        return name.encode() in content
    return name in (content if isinstance(content, str) else json.dumps(content))


def _joined(text: Iterable[bytes]) -> str:
    return b"".join(text).decode()
