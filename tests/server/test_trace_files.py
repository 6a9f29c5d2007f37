"""Trace notebooks are written through the contents manager, whatever it is, and follow their notebooks."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.contents.filemanager import FileContentsManager
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupytext.async_contentsmanager import AsyncTextFileContentsManager
from kernel_by_hand import eventually
from memory_contents import MemoryContents
from recorded_runs import Recorded, begun, recorded
from tornado.web import HTTPError
from traitlets.config import Config

from rlm_jupyter.server.notebooks import Notebooks
from rlm_jupyter.server.store import Change, Store
from rlm_jupyter.server.trace_files import TraceFiles
from rlm_jupyter.trace.trace import Trace
from rlm_jupyter.trace.writer import TraceNotebook

pytestmark = pytest.mark.filterwarnings("ignore:The synchronous ContentsManager classes:DeprecationWarning")

KERNEL = "0a1b2c3d"
EMPTY = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


class Desk:
    """A server's contents manager, the store, and the traces that are written."""

    def __init__(self, app: ServerApp, folder: Path, **options: Any) -> None:
        self.contents: Any = app.contents_manager
        self.store = Store(folder / "store.sqlite3")
        self.notebooks = Notebooks(app, self.store)
        self.files = TraceFiles(self.contents, self.store, self.notebooks, **options)
        self.changes: list[Change] = []

    async def start(self) -> Desk:
        await self.notebooks.start()
        return self

    async def close(self) -> None:
        await self.files.flush()
        await self.notebooks.stop()
        self.store.close()

    async def notebook(self, path: str) -> int:
        """Make an empty notebook, and the folders that it stands in."""
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            if not await ensure_async(self.contents.dir_exists("/".join(parts[:depth]))):
                await ensure_async(self.contents.save({"type": "directory"}, "/".join(parts[:depth])))
        await self.save(path, EMPTY)
        return self.store.notebook(path)

    async def save(self, path: str, content: dict[str, Any]) -> None:
        """Save a notebook as a front end does."""
        await ensure_async(self.contents.save({"type": "notebook", "format": "json", "content": content}, path))

    def take(self, notebook_id: int | None, events: Sequence[Recorded]) -> None:
        """Let events come in, as the intake does."""
        changes, refused = self.store.take(KERNEL, notebook_id, events)
        assert refused == 0
        for change in changes:
            self.files.changed(change)
        self.changes += changes

    async def run(self, notebook_id: int | None, question: str) -> list[Recorded]:
        """Let a whole run come in, and wait for its trace."""
        events = recorded(question)
        self.take(notebook_id, events)
        await self.files.flush()
        return events

    async def exists(self, path: str) -> bool:
        return bool(await ensure_async(self.contents.file_exists(path)))

    async def get(self, path: str) -> dict[str, Any]:
        """A notebook's content, as a front end gets it."""
        model = await ensure_async(self.contents.get(path, type="notebook"))
        nbformat.validate(nbformat.from_dict(model["content"]))
        return dict(model["content"])

    async def titles(self, path: str) -> list[str]:
        """The questions that a trace notebook answers."""
        cells = (await self.get(path))["cells"]
        return [
            cell["source"].split("\n")[0].removeprefix("# ")
            for cell in cells
            if "rlm-title" in cell["metadata"]["tags"]
        ]

    async def edit(self, path: str) -> None:
        """Change a trace notebook as a user does."""
        content = await self.get(path)
        content["cells"][0]["source"] = "# My own words"
        await self.save(path, content)

    async def listing(self, folder: str = "") -> list[str]:
        """The names in a folder."""
        if isinstance(self.contents, MemoryContents):
            below = [path for path in self.contents.entries if path.rpartition("/")[0] == folder and path]
            return sorted(path.rpartition("/")[2] for path in below)
        model = await ensure_async(self.contents.get(folder))
        return sorted(entry["name"] for entry in model["content"])

    async def rename(self, old: str, new: str) -> None:
        await ensure_async(self.contents.rename(old, new))

    async def delete(self, path: str) -> None:
        await ensure_async(self.contents.delete(path))

    async def settled(self) -> None:
        """Wait until what was heard has been acted upon."""
        for _ in range(3):
            await asyncio.sleep(0)
            await self.notebooks.refresh()
            await self.files.flush()


MANAGERS = {
    "files": AsyncLargeFileManager,
    "synchronous files": FileContentsManager,
    "memory": MemoryContents,
    "jupytext": AsyncTextFileContentsManager,
}


@pytest.fixture(params=["files"])
def manager(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def jp_server_config(manager: str) -> Config:
    terminals = {"jupyter_server_terminals": False}
    server = {"contents_manager_class": MANAGERS[manager], "jpserver_extensions": terminals}
    return Config(
        {
            "ServerApp": {**server, "allow_unauthenticated_access": False},
            "FileContentsManager": {"delete_to_trash": False, "always_delete_dir": True},
            "JupytextConfiguration": {"formats": "ipynb,py:percent"},
        }
    )


@pytest.fixture
def options() -> dict[str, Any]:
    return {}


@pytest.fixture
def desk(
    jp_serverapp: ServerApp, jp_asyncio_loop: asyncio.AbstractEventLoop, tmp_path: Path, options: dict[str, Any]
) -> Iterator[Desk]:
    desk = Desk(jp_serverapp, tmp_path, **options)
    jp_asyncio_loop.run_until_complete(desk.start())
    yield desk
    jp_asyncio_loop.run_until_complete(desk.close())


every_manager = pytest.mark.parametrize("manager", MANAGERS, indirect=True)
not_paired = pytest.mark.parametrize("manager", [name for name in MANAGERS if name != "jupytext"], indirect=True)


@every_manager
async def test_a_run_that_ended_stands_beside_its_notebook(desk: Desk) -> None:
    notebook = await desk.notebook("reports/analysis.ipynb")
    assert desk.files.path_of(notebook) is None
    await desk.run(notebook, "Where does the walrus live?")
    await desk.run(notebook, "Which colour has the lamp?")
    assert desk.files.path_of(notebook) == "reports/analysis.trace.ipynb"
    assert await desk.titles("reports/analysis.trace.ipynb") == [
        "Where does the walrus live?",
        "Which colour has the lamp?",
    ]
    assert [name for name in await desk.listing("reports") if "trace" in name] == ["analysis.trace.ipynb"]
    assert desk.files.problems() == {}


@every_manager
async def test_what_is_written_is_no_trusted_notebook_and_no_pair_of_jupytexts(desk: Desk) -> None:
    notebook = await desk.notebook("analysis.ipynb")
    await desk.run(notebook, "Where does the walrus live?")
    content = nbformat.from_dict(await desk.get("analysis.trace.ipynb"))
    for cell in content.cells:
        cell.metadata.pop("trusted", None)
    assert not desk.contents.notary.check_signature(content)
    assert "widgets" not in content.metadata
    await desk.save("analysis.trace.ipynb", content)  # as a front end does that has it open
    assert not await desk.exists("analysis.trace.py")
    assert await desk.exists("analysis.py") == isinstance(desk.contents, AsyncTextFileContentsManager)
    await desk.run(notebook, "Which colour has the lamp?")
    assert len(await desk.titles("analysis.trace.ipynb")) == 2


@not_paired
async def test_a_file_that_is_not_ours_or_was_edited_stays_as_it_is(desk: Desk) -> None:
    notebook = await desk.notebook("a.ipynb")
    await desk.notebook("a.trace.ipynb")
    theirs = await desk.get("a.trace.ipynb")
    await desk.run(notebook, "One?")
    assert await desk.get("a.trace.ipynb") == theirs
    assert await desk.titles("a.trace-2.ipynb") == ["One?"]
    await desk.edit("a.trace-2.ipynb")
    edited = await desk.get("a.trace-2.ipynb")
    await desk.run(notebook, "Two?")
    assert await desk.get("a.trace-2.ipynb") == edited
    assert await desk.titles("a.trace-3.ipynb") == ["One?", "Two?"]


async def test_a_folder_and_a_text_of_that_name_stay_as_they_are(desk: Desk, jp_root_dir: Path) -> None:
    notebook = await desk.notebook("a.ipynb")
    (jp_root_dir / "a.trace.ipynb").mkdir()
    (jp_root_dir / "a.trace-2.ipynb").write_bytes(b"\xff\xfe no text")
    await desk.run(notebook, "One?")
    assert await desk.titles("a.trace-3.ipynb") == ["One?"]
    assert desk.files.problems() == {}


@not_paired
async def test_a_file_that_is_saved_while_it_is_written_is_not_written_over(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = await desk.notebook("a.ipynb")
    await desk.run(notebook, "One?")
    get = desk.contents.get
    edits: list[str] = []

    async def edited_after_it_was_read(path: str, **arguments: Any) -> Any:
        model = await ensure_async(get(path, **arguments))
        if path == "a.trace.ipynb" and not edits:
            edits.append(path)
            monkeypatch.undo()
            await desk.edit(path)
        return model

    monkeypatch.setattr(desk.contents, "get", edited_after_it_was_read)
    await desk.run(notebook, "Two?")
    assert edits
    assert (await desk.get("a.trace.ipynb"))["cells"][0]["source"] == "# My own words"
    assert await desk.titles("a.trace-2.ipynb") == ["One?", "Two?"]


async def test_saving_a_trace_in_a_front_end_is_no_edit(desk: Desk) -> None:
    notebook = await desk.notebook("a.ipynb")
    await desk.run(notebook, "One?")
    await desk.save("a.trace.ipynb", await desk.get("a.trace.ipynb"))
    await desk.run(notebook, "Two?")
    assert await desk.titles("a.trace.ipynb") == ["One?", "Two?"]


@pytest.mark.parametrize("options", [{"interval": 0.2}])
async def test_a_run_under_way_is_written_at_intervals_and_only_when_something_changed(
    desk: Desk, jp_root_dir: Path
) -> None:
    notebook = await desk.notebook("a.ipynb")
    events = recorded("One?")
    half = len(events) // 2
    path = jp_root_dir / "a.trace.ipynb"
    desk.take(notebook, events[:half])
    assert not path.exists()
    await eventually(path.exists, "the trace of a run under way")
    assert "running" in path.read_text()
    await desk.files.flush()
    before = path.stat().st_mtime_ns
    await desk.files.flush()
    assert path.stat().st_mtime_ns == before
    for event in events[half:-1]:
        desk.take(notebook, [event])
    desk.take(notebook, events[-1:])
    await eventually(lambda: "answered" in path.read_text(), "the end of the run")
    assert json.loads(path.read_text())["metadata"]["rlm_jupyter"]["run_ids"] == [events[0].run_id]


async def test_a_kernel_and_the_server_come_to_one_file(desk: Desk, jp_root_dir: Path) -> None:
    notebook = await desk.notebook("a.ipynb")
    one, two, three = recorded("One?"), recorded("Two?"), recorded("Three?")
    kernel = TraceNotebook(jp_root_dir / "a.trace.ipynb")
    kernel.write([Trace(one)])
    desk.take(notebook, two)
    await desk.files.flush()
    kernel.write([Trace(one), Trace(two)])
    desk.take(notebook, one)
    desk.take(notebook, three)
    await desk.files.flush()
    kernel.write([Trace(one), Trace(two), Trace(three)])
    assert sorted(await desk.titles("a.trace.ipynb")) == ["One?", "Three?", "Two?"]
    assert await desk.listing() == ["a.ipynb", "a.trace.ipynb"]


async def test_another_server_goes_on_with_the_file(desk: Desk, jp_serverapp: ServerApp, tmp_path: Path) -> None:
    notebook = await desk.notebook("a.ipynb")
    events = recorded("One?")
    desk.take(notebook, begun(events))
    await desk.files.flush()
    other = await Desk(jp_serverapp, tmp_path).start()
    for change in other.store.abandon(KERNEL):
        other.files.changed(change)
    await other.files.flush()
    cells = (await desk.get("a.trace.ipynb"))["cells"]
    assert "interrupted" in cells[0]["source"]
    await other.run(notebook, "Two?")
    assert await desk.titles("a.trace.ipynb") == ["One?", "Two?"]
    await other.close()


@not_paired
async def test_twenty_notebooks_at_once_have_a_trace_each(desk: Desk) -> None:
    notebooks = {f"deep/er/n{number}.ipynb": await desk.notebook(f"deep/er/n{number}.ipynb") for number in range(20)}
    for path, notebook in notebooks.items():
        desk.take(notebook, recorded(f"What of {path}?"))
    await desk.files.flush()
    for path in notebooks:
        assert await desk.titles(path.replace(".ipynb", ".trace.ipynb")) == [f"What of {path}?"]


async def test_a_run_in_a_trace_notebook_writes_none(desk: Desk) -> None:
    notebook = await desk.notebook("a.trace.ipynb")
    await desk.run(notebook, "One?")
    assert await desk.listing() == ["a.trace.ipynb"]
    assert desk.files.problems() == {}


# --- where ------------------------------------------------------------------------------------------------------------


@not_paired
@pytest.mark.parametrize("options", [{"location": "/traces/all/"}])
async def test_traces_in_a_folder_stand_under_their_notebooks_paths(desk: Desk) -> None:
    one, two = await desk.notebook("a.ipynb"), await desk.notebook("deep/a.ipynb")
    await desk.run(one, "One?")
    await desk.run(two, "Two?")
    assert await desk.titles("traces/all/a.trace.ipynb") == ["One?"]
    assert await desk.titles("traces/all/deep/a.trace.ipynb") == ["Two?"]
    await desk.rename("deep", "deeper")
    await desk.settled()
    assert await desk.titles("traces/all/deeper/a.trace.ipynb") == ["Two?"]
    assert await desk.listing("traces/all/deep") == []
    await desk.delete("deeper")
    await desk.settled()
    assert await desk.listing("traces/all/deeper") == []
    await desk.rename("a.ipynb", "b.ipynb")
    await desk.run(one, "Three?")
    assert await desk.titles("traces/all/b.trace.ipynb") == ["One?", "Three?"]
    assert await desk.listing("traces/all") == ["b.trace.ipynb", "deep", "deeper"]


@pytest.mark.parametrize("options", [{"location": "nowhere"}])
async def test_nowhere_is_nowhere(desk: Desk) -> None:
    notebook = await desk.notebook("a.ipynb")
    await desk.run(notebook, "One?")
    await desk.rename("a.ipynb", "b.ipynb")
    await desk.settled()
    assert await desk.listing() == ["b.ipynb"]
    assert desk.files.path_of(notebook) is None


async def test_a_folder_out_of_the_root_is_refused(desk: Desk) -> None:
    with pytest.raises(ValueError, match="below the server's root"):
        TraceFiles(desk.contents, desk.store, desk.notebooks, location="../elsewhere")


# --- rename, copy, delete ---------------------------------------------------------------------------------------------


@not_paired
async def test_the_trace_follows_a_notebook_that_is_renamed_during_a_run(desk: Desk) -> None:
    notebook = await desk.notebook("draft.ipynb")
    await desk.run(notebook, "One?")
    events = recorded("Two?")
    desk.take(notebook, begun(events))
    await desk.files.flush()
    await desk.rename("draft.ipynb", "interim.ipynb")
    await desk.rename("interim.ipynb", "final.ipynb")
    desk.take(notebook, events)
    await desk.settled()
    assert await desk.listing() == ["final.ipynb", "final.trace.ipynb"]
    assert await desk.titles("final.trace.ipynb") == ["One?", "Two?"]
    assert "answered" in (await desk.get("final.trace.ipynb"))["cells"][0]["source"]
    assert desk.files.path_of(notebook) == "final.trace.ipynb"
    assert desk.files.problems() == {}


@not_paired
async def test_a_name_that_is_taken_is_left_alone_and_every_file_of_ours_comes_along(desk: Desk) -> None:
    notebook = await desk.notebook("draft.ipynb")
    await desk.run(notebook, "One?")
    await desk.edit("draft.trace.ipynb")
    await desk.run(notebook, "Two?")
    await desk.notebook("final.trace.ipynb")
    await desk.notebook("draft.trace-3.ipynb")
    await desk.rename("draft.ipynb", "final.ipynb")
    await desk.settled()
    assert await desk.listing() == [
        "draft.trace-3.ipynb",  # somebody else's
        "final.ipynb",
        "final.trace-2.ipynb",
        "final.trace-3.ipynb",
        "final.trace.ipynb",
    ]
    assert (await desk.get("final.trace.ipynb"))["cells"] == []
    assert (await desk.get("final.trace-2.ipynb"))["cells"][0]["source"] == "# My own words"
    await desk.run(notebook, "Three?")
    assert await desk.titles("final.trace-3.ipynb") == ["One?", "Two?", "Three?"]


@not_paired
async def test_the_trace_follows_a_notebook_of_which_this_server_wrote_none(
    desk: Desk, jp_serverapp: ServerApp, tmp_path: Path
) -> None:
    notebook = await desk.notebook("draft.ipynb")
    await desk.run(notebook, "One?")
    await desk.notebooks.stop()
    other = await Desk(jp_serverapp, tmp_path).start()
    await other.rename("draft.ipynb", "final.ipynb")
    await other.settled()
    assert await desk.listing() == ["final.ipynb", "final.trace.ipynb"]
    await other.close()


@not_paired
async def test_the_trace_follows_a_folder_that_is_renamed_during_a_run(desk: Desk) -> None:
    notebook = await desk.notebook("drafts/deep/a.ipynb")
    await desk.run(notebook, "One?")
    events = recorded("Two?")
    desk.take(notebook, begun(events))
    await desk.rename("drafts", "finals")
    desk.take(notebook, events)
    await desk.settled()
    assert await desk.listing() == ["finals"]
    assert await desk.listing("finals/deep") == ["a.ipynb", "a.trace.ipynb"]
    assert await desk.titles("finals/deep/a.trace.ipynb") == ["One?", "Two?"]
    assert desk.files.problems() == {}


@not_paired
async def test_a_notebook_that_is_deleted_during_a_run_takes_its_trace_along(desk: Desk) -> None:
    notebook = await desk.notebook("a.ipynb")
    await desk.run(notebook, "One?")
    await desk.edit("a.trace.ipynb")
    events = recorded("Two?")
    desk.take(notebook, begun(events))
    await desk.files.flush()
    assert await desk.listing() == ["a.ipynb", "a.trace-2.ipynb", "a.trace.ipynb"]
    await desk.delete("a.ipynb")
    await desk.settled()
    desk.take(notebook, events)
    await desk.settled()
    assert await desk.listing() == ["a.trace.ipynb"]  # what the user edited is his
    assert desk.files.path_of(notebook) is None
    assert desk.files.problems() == {}


@not_paired
async def test_a_folder_that_is_deleted_during_a_run_stays_deleted(desk: Desk) -> None:
    notebook = await desk.notebook("folder/a.ipynb")
    beside = await desk.notebook("folder.ipynb")
    await desk.run(beside, "Zero?")
    events = recorded("One?")
    desk.take(notebook, begun(events))
    await desk.files.flush()
    await desk.delete("folder")
    desk.take(notebook, events)
    await desk.settled()
    assert await desk.listing() == ["folder.ipynb", "folder.trace.ipynb"]
    assert desk.files.problems() == {}


@not_paired
async def test_a_copy_that_is_made_during_a_run_begins_without_a_trace(desk: Desk) -> None:
    notebook = await desk.notebook("a.ipynb")
    events = recorded("One?")
    desk.take(notebook, begun(events))
    await desk.files.flush()
    await ensure_async(desk.contents.copy("a.ipynb"))
    desk.take(notebook, events)
    await desk.settled()
    assert await desk.listing() == ["a-Copy1.ipynb", "a.ipynb", "a.trace.ipynb"]
    copy = desk.store.notebook_at("a-Copy1.ipynb")
    assert copy not in (None, notebook)
    await desk.run(copy, "Two?")
    assert await desk.titles("a-Copy1.trace.ipynb") == ["Two?"]
    assert await desk.titles("a.trace.ipynb") == ["One?"]


async def test_a_notebook_that_vanished_is_not_written_beside_until_it_is_back(desk: Desk, jp_root_dir: Path) -> None:
    notebook = await desk.notebook("a.ipynb")
    (jp_root_dir / "a.ipynb").rename(jp_root_dir / "b.ipynb")
    await desk.run(notebook, "One?")
    assert await desk.listing() == ["b.ipynb"]
    assert "not there any more" in desk.files.problems()["a.ipynb"]
    (jp_root_dir / "b.ipynb").rename(jp_root_dir / "a.ipynb")
    await desk.run(notebook, "Two?")
    assert await desk.titles("a.trace.ipynb") == ["One?", "Two?"]
    assert desk.files.problems() == {}


# --- what goes wrong --------------------------------------------------------------------------------------------------


@not_paired
@pytest.mark.parametrize("options", [{"location": "traces"}])
async def test_what_cannot_be_written_is_said_once_and_is_not_lost(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    notebook, healthy = await desk.notebook("sub/a.ipynb"), await desk.notebook("b.ipynb")
    await desk.run(healthy, "And here?")
    in_the_way = {"type": "file", "format": "text", "content": "a file where a folder should be"}
    await ensure_async(desk.contents.save(in_the_way, "traces/sub"))
    with caplog.at_level(logging.WARNING, logger="rlm_jupyter.server"):
        await desk.run(notebook, "One?")
        await desk.run(notebook, "Two?")
        await desk.run(healthy, "And now?")
    (said,) = [record.getMessage() for record in caplog.records if record.name.startswith("rlm_jupyter.server")]
    assert desk.files.problems() == {"sub/a.ipynb": said}
    for part in ("sub/a.ipynb", "traces/sub/a.trace.ipynb", "Nothing is lost", "trace_location"):
        assert part in said
    assert await desk.titles("traces/b.trace.ipynb") == ["And here?", "And now?"]
    await desk.delete("traces/sub")
    await desk.run(notebook, "Three?")
    assert await desk.titles("traces/sub/a.trace.ipynb") == ["One?", "Two?", "Three?"]
    assert desk.files.problems() == {}


async def test_checkpoints_that_fail_do_not_make_it_twice(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = await desk.notebook("a.ipynb")
    await desk.run(notebook, "One?")

    async def fail(*_: Any) -> None:
        raise HTTPError(500, "No room for checkpoints")

    monkeypatch.setattr(desk.contents.checkpoints, "rename_all_checkpoints", fail)
    with pytest.raises(HTTPError, match="No room"):
        await desk.rename("a.ipynb", "b.ipynb")  # it is renamed, and nobody is told
    monkeypatch.undo()
    await desk.rename("b.ipynb", "a.ipynb")
    await desk.rename("a.ipynb", "c.ipynb")
    await desk.settled()
    await desk.run(notebook, "Two?")
    assert await desk.titles("c.trace.ipynb") == ["One?", "Two?"]
    assert await desk.listing() == ["c.ipynb", "c.trace.ipynb"]


async def test_a_run_without_a_notebook_is_written_when_its_kernel_gets_one(desk: Desk) -> None:
    notebook = await desk.notebook("a.ipynb")
    desk.take(None, recorded("One?"))
    await desk.files.flush()
    assert await desk.listing() == ["a.ipynb"]
    desk.store.attach(KERNEL, notebook)
    for listener in desk.notebooks.on_settled:
        listener(KERNEL, notebook)
    await desk.files.flush()
    assert await desk.titles("a.trace.ipynb") == ["One?"]
