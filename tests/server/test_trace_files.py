"""Trace notebooks are written through the contents manager, whatever it is, and follow their notebooks."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from base64 import b64decode, b64encode
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
from recorded_runs import Recorded, begun, record, recorded
from tornado.web import HTTPError
from traitlets.config import Config

from rlm_jupyter.server.notebooks import Notebooks
from rlm_jupyter.server.off_loop import off_loop
from rlm_jupyter.server.store import Change, Store
from rlm_jupyter.server.trace_files import TraceFiles
from rlm_jupyter.trace.files.recording import pack
from rlm_jupyter.trace.notebooks.writer import TraceNotebook
from rlm_jupyter.trace.schema import IterationStart, SpanStart
from rlm_jupyter.trace.trace import Trace

pytestmark = pytest.mark.filterwarnings("ignore:The synchronous ContentsManager classes:DeprecationWarning")

KERNEL = "0a1b2c3d"
EMPTY = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


class Desk:
    """A server's contents manager, the store, and the traces that are written."""

    def __init__(self, app: ServerApp, folder: Path, **options: Any) -> None:
        self.app, self.folder = app, folder
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
    await eventually(lambda: path.exists() and "running" in path.read_text(), "the trace of a run under way")
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


# --- what a server that was killed left behind ------------------------------------------------------------------------


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is writing these torn files, so nobody has to be waited for."""
    monkeypatch.setattr("rlm_jupyter.server.trace_file._STILL", 0.01)


async def killed(desk: Desk, path: Path, left: bytes) -> Desk:
    """Leave only this of a file, and return a server that begins with the same store."""
    await off_loop(path.write_bytes, left)
    await desk.notebooks.stop()
    other = Desk(desk.app, desk.folder)
    return await other.start()


def cut_in_a_character(whole: bytes) -> bytes:
    """What is left when a write ended between two bytes of one character."""
    return whole[: whole.index("ë".encode()) + 1]


TORN = {
    "nothing": lambda whole: b"",
    "zeros": lambda whole: bytes(len(whole)),
    "a few bytes": lambda whole: whole[:30],
    "an id begun": lambda whole: whole[:70],
    "half": lambda whole: whole[: len(whole) // 2],
    "all but the end": lambda whole: whole[:-3],
    "half a character": cut_in_a_character,
}


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("manager", ["files", "synchronous files", "jupytext"], indirect=True)
@pytest.mark.parametrize("left", TORN)
async def test_a_file_that_was_torn_holds_again_what_it_held(desk: Desk, jp_root_dir: Path, left: str) -> None:
    path = jp_root_dir / "a.trace.ipynb"
    notebook = await desk.notebook("a.ipynb")
    await desk.run(notebook, "Onë?")
    await desk.run(notebook, "Two?")
    aside = jp_root_dir / ".~a.trace-2.ipynb"
    aside.write_text("a copy that somebody's write was to be undone with")
    other = await killed(desk, path, TORN[left](path.read_bytes()))
    await other.run(notebook, "Three?")
    await other.run(notebook, "Four?")
    assert await other.titles("a.trace.ipynb") == ["Onë?", "Two?", "Three?", "Four?"]
    cells = (await other.get("a.trace.ipynb"))["cells"]
    numbers = [cell["execution_count"] for cell in cells if "role-code" in cell["metadata"]["tags"]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [name for name in await other.listing() if "trace" in name] == ["a.trace.ipynb"]
    assert aside.exists()
    assert other.files.problems() == {}
    await other.close()


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("left", [0, 500])
async def test_a_file_that_was_torn_follows_its_notebook(desk: Desk, jp_root_dir: Path, left: int) -> None:
    path = jp_root_dir / "a.trace.ipynb"
    notebook = await desk.notebook("a.ipynb")
    await desk.run(notebook, "One?")
    other = await killed(desk, path, path.read_bytes()[:left])
    await other.rename("a.ipynb", "b.ipynb")
    await other.settled()
    await other.run(notebook, "Two?")
    assert await other.listing() == ["b.ipynb", "b.trace.ipynb"]
    assert await other.titles("b.trace.ipynb") == ["One?", "Two?"]
    await other.close()


@pytest.mark.usefixtures("still")
async def test_a_torn_file_that_a_front_end_saved_stays_and_another_one_holds_the_runs(
    desk: Desk, jp_root_dir: Path
) -> None:
    path = jp_root_dir / "a.trace.ipynb"
    notebook = await desk.notebook("a.ipynb")
    await desk.run(notebook, "One?")
    await desk.edit("a.trace.ipynb")
    left = path.read_bytes()[:-100]
    other = await killed(desk, path, left)
    await other.run(notebook, "Two?")
    assert path.read_bytes() == left
    assert await other.titles("a.trace-2.ipynb") == ["One?", "Two?"]
    await other.close()


async def test_a_file_that_is_being_saved_is_not_taken_for_a_torn_one(
    desk: Desk, jp_root_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = jp_root_dir / "a.trace.ipynb"
    notebook = await desk.notebook("a.ipynb")
    path.touch()  # as a front end's save does at first
    get = desk.contents.get

    async def saved_after_it_was_read(path: str, **arguments: Any) -> Any:
        model = await ensure_async(get(path, **arguments))
        if path == "a.trace.ipynb" and arguments["content"]:
            monkeypatch.undo()
            monkeypatch.setattr("rlm_jupyter.server.trace_file._STILL", 0.01)
            await desk.save(path, EMPTY)
        return model

    monkeypatch.setattr(desk.contents, "get", saved_after_it_was_read)
    await desk.run(notebook, "One?")
    assert (await desk.get("a.trace.ipynb"))["cells"] == []
    assert await desk.titles("a.trace-2.ipynb") == ["One?"]


# --- what is told -----------------------------------------------------------------------------------------------------


@not_paired
async def test_who_listens_is_told_where_the_trace_is_and_what_is_wrong(desk: Desk) -> None:
    told: list[tuple[int, str | None, str | None]] = []
    desk.files.on_written.append(lambda *news: told.append(news))
    notebook = await desk.notebook("a.ipynb")
    await desk.run(notebook, "One?")
    await desk.run(notebook, "Two?")
    await desk.rename("a.ipynb", "b.ipynb")
    await desk.settled()
    await desk.edit("b.trace.ipynb")
    await desk.run(notebook, "Three?")
    assert told == [(notebook, f"{name}.ipynb", None) for name in ("a.trace", "b.trace", "b.trace-2")]
    inner = await desk.notebook("b.trace-9.ipynb")
    await desk.run(inner, "Four?")
    assert told[3:] == [(inner, None, "this is a trace notebook")]


@not_paired
@pytest.mark.parametrize("options", [{"location": "traces"}])
async def test_who_listens_is_told_when_a_problem_comes_up_and_goes_away(desk: Desk) -> None:
    told: list[tuple[int, str | None, str | None]] = []
    desk.files.on_written.append(lambda *news: told.append(news))
    notebook = await desk.notebook("a.ipynb")
    await ensure_async(desk.contents.save({"type": "file", "format": "text", "content": "in the way"}, "traces"))
    await desk.run(notebook, "One?")
    await desk.run(notebook, "Two?")
    await desk.delete("traces")
    await desk.run(notebook, "Three?")
    problem = told[0][2]
    assert problem is not None
    assert "cannot be written" in problem
    assert told == [(notebook, "traces/a.trace.ipynb", problem), (notebook, "traces/a.trace.ipynb", None)]


@pytest.mark.parametrize("options", [{"location": "nowhere"}])
async def test_who_listens_is_told_once_that_none_is_written(desk: Desk) -> None:
    told: list[tuple[int, str | None, str | None]] = []
    desk.files.on_written.append(lambda *news: told.append(news))
    notebook = await desk.notebook("a.ipynb")
    await desk.run(notebook, "One?")
    assert told == [(notebook, None, "RLMExtension.trace_location of the server is 'nowhere'")]


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


async def test_a_hidden_notebook_has_no_trace_that_could_not_be_read_again(desk: Desk, jp_root_dir: Path) -> None:
    desk.contents.allow_hidden = True
    notebook = await desk.notebook(".a.ipynb")
    desk.contents.allow_hidden = False
    await desk.run(notebook, "One?")
    assert desk.files.problems() == {}
    assert not (jp_root_dir / ".a.trace.ipynb").exists()
    desk.contents.allow_hidden = True
    await desk.run(notebook, "Two?")
    assert await desk.titles(".a.trace.ipynb") == ["Two?"]


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


@not_paired
@pytest.mark.parametrize("options", [{"interval": 0.02}])
async def test_however_often_it_is_renamed_there_is_one_trace_in_the_end(desk: Desk) -> None:
    chance = random.Random(7)
    notebook = await desk.notebook("f/n.ipynb")
    folder, name, asked = "f", "n", []
    for number in range(8):
        asked.append(f"Number {number}?")
        events = recorded(asked[-1])
        for first in range(0, len(events), 4):
            desk.take(notebook, events[first : first + 4])
            if chance.random() < 0.5:
                await asyncio.sleep(chance.random() * 0.02)  # somewhere in a write
            if chance.random() < 0.2:
                old, name = name, chance.choice([each for each in "abc" if each != name])
                await desk.rename(f"{folder}/{old}.ipynb", f"{folder}/{name}.ipynb")
            elif chance.random() < 0.2:
                old, folder = folder, f"f{number}-{first}"
                await desk.rename(old, folder)
    await desk.settled()
    assert await desk.listing() == [folder]
    assert await desk.listing(folder) == [f"{name}.ipynb", f"{name}.trace.ipynb"]
    assert sorted(await desk.titles(f"{folder}/{name}.trace.ipynb")) == asked
    assert desk.files.problems() == {}


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


# --- what a person took away, and what stands beside a trace ---------------------------------------------------------


@not_paired
async def test_a_trace_that_was_deleted_or_renamed_is_not_brought_back(desk: Desk) -> None:
    notebook = await desk.notebook("a.ipynb")
    await desk.run(notebook, "One?")
    await desk.rename("a.trace.ipynb", "mine.ipynb")
    await desk.run(notebook, "Two?")
    assert await desk.titles("a.trace.ipynb") == ["Two?"]
    assert await desk.titles("mine.ipynb") == ["One?"]
    await desk.delete("a.trace.ipynb")
    await desk.notebooks.stop()
    other = await Desk(desk.app, desk.folder).start()  # the server was restarted meanwhile
    await other.run(notebook, "Three?")
    assert await other.titles("a.trace.ipynb") == ["Three?"]
    await other.close()


@pytest.mark.parametrize("manager", ["files", "memory"], indirect=True)
async def test_a_recording_beside_a_trace_goes_where_it_goes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlm_jupyter.trace.artifacts.play_cell.INSIDE", 100)
    await desk.notebook("folder/other.ipynb")
    notebook = await desk.notebook("a.ipynb")
    await desk.run(notebook, "One?")
    (recording,) = [name for name in await desk.listing() if name.endswith(".rlm")]
    cells = (await desk.get("a.trace.ipynb"))["cells"]
    assert any(f'play(file="{recording}"' in cell["source"] for cell in cells)
    await desk.rename("a.ipynb", "folder/b.ipynb")
    await desk.settled()
    assert recording not in await desk.listing()
    assert {"b.trace.ipynb", recording} <= set(await desk.listing("folder"))
    await desk.save("folder/mine.ipynb", await desk.get("folder/b.trace.ipynb"))  # a person's copy
    await desk.rename("folder/b.ipynb", "c.ipynb")
    await desk.settled()
    assert {"c.trace.ipynb", recording} <= set(await desk.listing())
    assert set(await desk.listing("folder")) == {"mine.ipynb", "other.ipynb", recording}
    await desk.delete("c.ipynb")
    await desk.settled()
    assert recording not in await desk.listing()
    assert recording in await desk.listing("folder")


@pytest.mark.parametrize("manager", ["files", "memory"], indirect=True)
async def test_a_recording_that_a_notebook_still_names_stays_and_a_torn_one_is_written_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlm_jupyter.trace.artifacts.play_cell.INSIDE", 100)
    notebook = await desk.notebook("a.ipynb")
    whole = record("One?")
    begun_late = {"span_id": "s99", "parent_id": "s1", "started": 1.0, "payload": IterationStart(number=9)}
    late = SpanStart(run_id=whole.run_id, seq=len(whole.events), **begun_late)
    torn = pack(whole)
    saved = {"type": "file", "format": "base64", "content": b64encode(torn.data[:40]).decode()}
    await ensure_async(desk.contents.save(saved, torn.file_name))  # whoever wrote it was killed
    desk.take(notebook, whole.events)
    await desk.files.flush()
    read = await ensure_async(desk.contents.get(torn.file_name, type="file", format="base64"))
    assert b64decode(read["content"]) == torn.data
    await desk.edit("a.trace.ipynb")
    desk.take(notebook, [late])
    await desk.files.flush()
    listing = await desk.listing()
    assert {"a.trace.ipynb", "a.trace-2.ipynb", torn.file_name} <= set(listing)
    assert len([name for name in listing if name.endswith(".rlm")]) == 2
    await desk.delete("a.ipynb")
    await desk.settled()
    assert await desk.listing() == sorted(["a.trace.ipynb", torn.file_name])
