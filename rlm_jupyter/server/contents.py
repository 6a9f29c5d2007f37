"""Files behind a contents manager, which may be the file system, a database or another machine."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

from jupyter_server.services.contents.filemanager import FileContentsManager
from jupyter_server.utils import ensure_async
from tornado.web import HTTPError

from .off_loop import off_loop

if TYPE_CHECKING:
    from jupyter_server.services.contents.manager import ContentsManager

__all__ = ["Contents"]

_MISSING = 404


class Contents:
    """Looks at, reads, writes, renames and deletes notebooks. Paths are the contents manager's.

    A notebook is written to the file system as the text that it is: a contents manager that is given a notebook signs
    it as trusted when its outputs look harmless, copies it as a checkpoint, lets jupytext pair it, and holds the event
    loop meanwhile (10 MB: 76 ms with the default one, 540 ms with the synchronous one; as text 8 and 17 ms). Any
    other contents manager is given a notebook, since it may tell files by what they were saved as; the signature is
    taken back.
    """

    def __init__(self, manager: ContentsManager) -> None:
        self._manager: Any = manager  # which of its methods are coroutines is its own affair
        self._as_text = isinstance(manager, FileContentsManager)

    async def state(self, path: str) -> Hashable | None:
        """Return what is another value once somebody wrote the file; None when it is not there."""
        try:
            return _state(await ensure_async(self._manager.get(path, content=False)))
        except HTTPError as error:
            if error.status_code == _MISSING:
                return None
            raise

    def hides(self, path: str) -> bool:
        """Return whether a file of that name is hidden, so that what was written there could not be read again."""
        hidden = any(part.startswith(".") for part in path.split("/"))
        return hidden and self._as_text and not self._manager.allow_hidden

    async def read(self, path: str) -> str | bytes | Mapping[str, Any] | None:
        """Return the file's text, or the notebook; None when it is not there, and {} when it is no file."""
        ways = [{"type": "notebook"}]
        if self._as_text:  # what is no text in UTF-8, as when it was cut off within a character, is bytes
            ways = [{"type": "file", "format": "text"}, {"type": "file", "format": "base64"}]
        for wanted in ways:
            try:
                model = await ensure_async(self._manager.get(path, content=True, **wanted))
            except HTTPError as error:
                if error.status_code == _MISSING:
                    return None
                if not 400 <= error.status_code < 500:
                    raise
                continue
            content: Any = model["content"]
            return await off_loop(b64decode, content) if wanted.get("format") == "base64" else content
        return {}

    async def write(self, path: str, text: str) -> Hashable | None:
        """Write a notebook's text, and return the file's state; None when somebody else wrote it meanwhile."""
        if not self._as_text:
            return await self._write_notebook(path, text)
        model = {"type": "file", "format": "text", "content": text}
        saved = await ensure_async(self._manager.save(model, path))
        size = await off_loop(lambda: len(text.encode()))
        return _state(saved) if saved.get("size") in (None, size) else None

    async def read_bytes(self, path: str) -> bytes | None:
        """Return what a file holds; None when there is no such file."""
        try:
            model = await ensure_async(self._manager.get(path, content=True, type="file", format="base64"))
        except HTTPError as error:
            if 400 <= error.status_code < 500:
                return None
            raise
        return await off_loop(b64decode, model["content"])

    async def write_bytes(self, path: str, data: bytes) -> None:
        """Write a file that is no text."""
        content = (await off_loop(b64encode, data)).decode("ascii")
        await ensure_async(self._manager.save({"type": "file", "format": "base64", "content": content}, path))

    async def exists(self, path: str) -> bool:
        """Return whether there is a file or folder of that name."""
        is_file = await ensure_async(self._manager.file_exists(path))
        return bool(is_file) or bool(await ensure_async(self._manager.dir_exists(path)))

    async def notebooks(self, folder: str) -> list[str]:
        """Return the paths of the notebooks that stand in a folder."""
        model = await ensure_async(self._manager.get(folder, content=True, type="directory"))
        return [str(entry["path"]) for entry in model["content"] if str(entry["name"]).endswith(".ipynb")]

    async def make_folders(self, path: str) -> None:
        """Make the folders in which a file of that path stands."""
        folder = path.rpartition("/")[0]
        if folder and not await ensure_async(self._manager.dir_exists(folder)):
            await self.make_folders(folder)
            await ensure_async(self._manager.save({"type": "directory"}, folder))

    async def rename(self, old: str, new: str) -> None:
        """Rename a file, its checkpoints too, so that all who listen hear of it."""
        await ensure_async(self._manager.rename(old, new))

    async def delete(self, path: str) -> None:
        """Delete a file, into the trash where the contents manager has one."""
        await ensure_async(self._manager.delete(path))

    async def _write_notebook(self, path: str, text: str) -> Hashable | None:
        content = await off_loop(json.loads, text)
        model = {"type": "notebook", "format": "json", "content": content}
        saved = await ensure_async(self._manager.save(model, path))
        notary = self._manager.notary
        signature = await off_loop(notary.compute_signature, content)
        notary.store.remove_signature(signature, notary.algorithm)
        return _state(saved)


def _state(model: Mapping[str, Any]) -> Hashable:
    return str(model.get("last_modified")), model.get("size"), model.get("hash"), model["type"]
