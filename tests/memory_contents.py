"""A contents manager that is no file system: it tells notebooks by what they were saved as, and forgets at the end."""

from __future__ import annotations

import copy
from datetime import datetime, timezone
from typing import Any

from jupyter_server.services.contents.checkpoints import Checkpoints
from jupyter_server.services.contents.manager import ContentsManager
from tornado.web import HTTPError

Model = dict[str, Any]


class NoCheckpoints(Checkpoints):
    def create_checkpoint(self, contents_mgr: ContentsManager, path: str) -> Model:
        return {"id": "none", "last_modified": datetime.now(timezone.utc)}

    def list_checkpoints(self, path: str) -> list[Model]:
        return []


class MemoryContents(ContentsManager):
    """Files and folders by path; every save is a version of its own, and signs what looks harmless."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(checkpoints_class=NoCheckpoints, **arguments)
        self.entries: dict[str, Model] = {"": {"type": "directory"}}
        self.saves: list[str] = []

    def dir_exists(self, path: str) -> bool:
        return self._type(path) == "directory"

    def file_exists(self, path: str) -> bool:
        return self._type(path) in ("notebook", "file")

    def is_hidden(self, path: str) -> bool:
        return False

    def get(
        self,
        path: str,
        content: bool = True,
        type: str | None = None,  # noqa: A002
        format: str | None = None,  # noqa: A002
        require_hash: bool = False,
    ) -> Model:
        path = path.strip("/")
        entry = self.entries.get(path)
        if entry is None:
            raise HTTPError(404, f"No such file: {path}")
        if type is not None and type != entry["type"]:
            raise HTTPError(400, f"{path} is no {type}")
        model = {"name": path.rpartition("/")[2], "path": path, "writable": True, "mimetype": None, **entry}
        model = {**model, "content": copy.deepcopy(entry.get("content")) if content else None}
        if content and entry["type"] == "directory":
            inside = [each for each in self.entries if each and each.rpartition("/")[0] == path]
            model["content"] = [self.get(each, content=False) for each in inside]
        if content and entry["type"] == "notebook":
            for cell in model["content"]["cells"]:  # as the file manager does
                if cell["cell_type"] == "code":
                    cell["metadata"]["trusted"] = False
        return model

    def save(self, model: Model, path: str) -> Model:
        path = path.strip("/")
        if not self.dir_exists(path.rpartition("/")[0]):
            raise HTTPError(404, f"No folder for {path}")
        if (model["type"] == "directory") != self.dir_exists(path) and path in self.entries:
            raise HTTPError(400, f"{path} is something else")
        entry = {"type": model["type"], "content": copy.deepcopy(model.get("content")), "format": model.get("format")}
        if model["type"] == "notebook":
            import nbformat

            self.check_and_sign(nbformat.from_dict(model["content"]), path)  # type: ignore[no-untyped-call]
        now = datetime.now(timezone.utc)
        self.entries[path] = {**entry, "last_modified": now, "created": now}
        self.saves.append(path)
        self.emit(data={"action": "save", "path": path})  # type: ignore[no-untyped-call]
        return self.get(path, content=False)

    def delete_file(self, path: str) -> None:
        for each in [each for each in self.entries if each == path or each.startswith(f"{path}/")]:
            del self.entries[each]

    def rename_file(self, old_path: str, new_path: str) -> None:
        old, new = old_path.strip("/"), new_path.strip("/")
        if old not in self.entries:
            raise HTTPError(404, f"No such file: {old}")
        if new in self.entries:
            raise HTTPError(409, f"{new} is there already")
        for each in [each for each in self.entries if each == old or each.startswith(f"{old}/")]:
            self.entries[new + each[len(old) :]] = self.entries.pop(each)

    def _type(self, path: str) -> str | None:
        entry = self.entries.get(path.strip("/"))
        return entry["type"] if entry is not None else None
