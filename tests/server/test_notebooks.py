"""A kernel belongs to a notebook, and the notebook is followed wherever it goes; kernels and files are real."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp
from jupyter_server_fileid.manager import LocalFileIdManager
from jupytext.async_contentsmanager import AsyncTextFileContentsManager
from kernel_by_hand import eventually
from recorded_runs import begun, recorded
from traitlets.config import Config

from rlm_jupyter.server.notebooks import Notebooks
from rlm_jupyter.server.store import Store

EMPTY = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'


class Desk:
    """A server whose kernels and notebooks are followed."""

    def __init__(self, app: ServerApp, root: Path, folder: Path) -> None:
        self.app = app
        self.contents: Any = app.contents_manager
        self.root = root
        self.store = Store(folder / "store.sqlite3")
        self.notebooks = Notebooks(app, self.store)
        self.moved: list[tuple[int, str | None]] = []
        self.settled: list[tuple[str, int | None]] = []
        self.notebooks.on_moved.append(lambda notebook_id, path: self.moved.append((notebook_id, path)))
        self.notebooks.on_settled.append(lambda kernel_id, notebook_id: self.settled.append((kernel_id, notebook_id)))

    def file(self, path: str) -> Path:
        """Make an empty notebook on the disk."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(EMPTY)
        return file

    async def session(self, path: str, kernel_id: str | None = None, kind: str = "notebook") -> tuple[str, str]:
        """Begin a session, with a kernel of its own or of another one, and return both their ids."""
        model = await self.app.session_manager.create_session(
            path=path, name=path.rpartition("/")[2], type=kind, kernel_name="python3", kernel_id=kernel_id
        )
        return model["id"], model["kernel"]["id"]

    async def call_session(self, session_id: str, path: str) -> None:
        """Give a session another path, as a front end does when it renamed the notebook."""
        await self.app.session_manager.update_session(session_id, path=path)

    async def rename(self, old: str, new: str) -> None:
        await self.contents.rename(old, new)
        await self.heard()

    async def heard(self) -> None:
        """Wait until what the contents manager told has come in."""
        await asyncio.sleep(0)
        await self.notebooks.refresh()

    async def path(self, kernel_id: str) -> str | None:
        """The path of a kernel's notebook."""
        notebook_id = await self.notebooks.of_kernel(kernel_id)
        return self.store.path_of(notebook_id) if notebook_id is not None else None


@pytest.fixture
def jp_server_config() -> Config:
    extensions = {"jupyter_server_terminals": False}
    trash = {"delete_to_trash": False, "always_delete_dir": True}
    return Config({"ServerApp": {"jpserver_extensions": extensions}, "FileContentsManager": trash})


@pytest.fixture
def desk(
    jp_serverapp: ServerApp, jp_asyncio_loop: asyncio.AbstractEventLoop, jp_root_dir: Path, tmp_path: Path
) -> Iterator[Desk]:
    desk = Desk(jp_serverapp, jp_root_dir, tmp_path)
    jp_asyncio_loop.run_until_complete(desk.notebooks.start())
    yield desk
    jp_asyncio_loop.run_until_complete(desk.notebooks.stop())
    desk.store.close()


async def test_a_kernel_belongs_to_the_notebook_of_its_session(desk: Desk) -> None:
    desk.file("deep/er/a.ipynb")
    _, kernel = await desk.session("deep/er/a.ipynb")
    assert desk.notebooks.current(kernel) is None
    notebook = await desk.notebooks.of_kernel(kernel)
    assert notebook is not None
    assert desk.store.path_of(notebook) == "deep/er/a.ipynb"
    assert desk.notebooks.current(kernel) == notebook
    assert desk.notebooks.kernels_of(notebook) == [kernel]
    assert desk.settled == [(kernel, notebook)]
    assert await desk.notebooks.locate(notebook) == "deep/er/a.ipynb"
    assert await desk.notebooks.of_kernel("no such kernel") is None


async def test_sessions_are_not_listed_for_a_kernel_that_is_known(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlm_jupyter.server.notebooks._FRESH", -1.0)
    desk.file("a.ipynb")
    _, kernel = await desk.session("a.ipynb")
    notebook = await desk.notebooks.of_kernel(kernel)
    looked = desk.notebooks._looked
    assert desk.notebooks.current(kernel) == notebook is not None
    assert desk.notebooks._looked == looked
    assert desk.notebooks.current("another kernel") is None
    assert desk.notebooks._looked > looked


async def test_whoever_asks_from_a_thread_gets_what_is_known_and_the_news_soon(desk: Desk) -> None:
    desk.file("a.ipynb")
    _, kernel = await desk.session("a.ipynb")

    async def known() -> int | None:
        return await asyncio.to_thread(desk.notebooks.current, kernel)

    first = await known()
    assert first is None or desk.store.path_of(first) == "a.ipynb"
    for _ in range(1_000):
        if await known() is not None:
            break
        await asyncio.sleep(0.01)
    notebook = await known()
    assert notebook is not None
    assert desk.store.path_of(notebook) == "a.ipynb"


async def test_a_session_under_a_name_made_up_is_taken_up_when_it_gets_its_own(desk: Desk) -> None:
    session, kernel = await desk.session("6f1c3f0e-5f0f-4e3b-9b1c-0a9b8c7d6e5f")  # as JupyterLab begins one
    assert await desk.notebooks.of_kernel(kernel) is None
    desk.store.take(kernel, None, begun(recorded("One?")))
    desk.file("a.ipynb")
    await desk.call_session(session, "a.ipynb")
    notebook = await desk.notebooks.of_kernel(kernel)
    assert desk.settled == [(kernel, notebook)]
    (run,) = desk.store.runs(notebook="a.ipynb")
    assert run.question == "One?"
    assert len(desk.store.sessions()) == 1


async def test_a_session_that_was_there_before_its_file_is_taken_up(desk: Desk) -> None:
    _, kernel = await desk.session("a.ipynb")
    assert await desk.notebooks.of_kernel(kernel) is None
    desk.file("a.ipynb")
    assert await desk.path(kernel) == "a.ipynb"


async def test_consoles_do_not_count_and_the_first_notebook_does(desk: Desk) -> None:
    for name in ("a.ipynb", "b.ipynb"):
        desk.file(name)
    _, kernel = await desk.session("console-1", kind="console")
    assert await desk.notebooks.of_kernel(kernel) is None
    first, _ = await desk.session("a.ipynb", kernel)
    await desk.session("b.ipynb", kernel)
    assert await desk.path(kernel) == "a.ipynb"
    await desk.call_session(first, "somewhere/else.ipynb")
    assert await desk.path(kernel) == "a.ipynb"  # a session may say what it likes: there is no such file


@pytest.mark.parametrize("told", ["../outside.ipynb", "..", "/", "a\0b.ipynb", "x" * 5000])
async def test_a_path_that_is_none_gives_no_notebook(desk: Desk, told: str) -> None:
    (desk.root.parent / "outside.ipynb").write_text(EMPTY)
    _, kernel = await desk.session("console", kind="console")
    desk.app.session_manager.cursor.execute(
        "INSERT INTO session VALUES (?,?,?,?,?)", ("hostile", told, told, "notebook", kernel)
    )
    assert await desk.notebooks.of_kernel(kernel) is None
    assert desk.store.sessions() == []


async def test_a_rename_is_followed_before_and_after_the_session_says_so(desk: Desk) -> None:
    desk.file("a.ipynb")
    session, kernel = await desk.session("a.ipynb")
    notebook = await desk.notebooks.of_kernel(kernel)
    assert notebook is not None
    await desk.rename("a.ipynb", "b.ipynb")
    assert desk.moved == [(notebook, "b.ipynb")]
    assert await desk.notebooks.of_kernel(kernel) == notebook
    assert await desk.path(kernel) == "b.ipynb"
    await desk.call_session(session, "b.ipynb")
    assert await desk.notebooks.of_kernel(kernel) == notebook
    desk.file("a.ipynb")  # another notebook, and another kernel
    _, other = await desk.session("a.ipynb")
    assert await desk.notebooks.of_kernel(other) not in (None, notebook)
    assert await desk.notebooks.of_kernel(kernel) == notebook
    assert desk.settled == [(kernel, notebook), (other, await desk.notebooks.of_kernel(other))]


async def test_a_new_file_under_the_old_name_is_not_the_kernels(desk: Desk) -> None:
    desk.file("a.ipynb")
    _, kernel = await desk.session("a.ipynb")
    await desk.notebooks.of_kernel(kernel)
    await desk.rename("a.ipynb", "b.ipynb")
    desk.file("a.ipynb")  # and the session still says a.ipynb: no browser is open
    assert await desk.path(kernel) == "b.ipynb"


async def test_a_folder_is_followed(desk: Desk) -> None:
    desk.file("x/deep/a.ipynb")
    desk.file("xy/a.ipynb")
    _, kernel = await desk.session("x/deep/a.ipynb")
    notebook = await desk.notebooks.of_kernel(kernel)
    other = desk.store.notebook("xy/a.ipynb")
    await desk.rename("x", "y")
    assert desk.moved == [(notebook, "y/deep/a.ipynb")]
    assert await desk.path(kernel) == "y/deep/a.ipynb"
    assert desk.store.path_of(other) == "xy/a.ipynb"


async def test_a_session_renamed_by_a_contents_manager_that_does_not_tell_moves_the_notebook(desk: Desk) -> None:
    file = desk.file("a.ipynb")
    session, kernel = await desk.session("a.ipynb")
    notebook = await desk.notebooks.of_kernel(kernel)
    file.rename(desk.root / "b.ipynb")
    await desk.call_session(session, "b.ipynb")
    assert await desk.notebooks.of_kernel(kernel) == notebook
    assert desk.moved == [(notebook, "b.ipynb")]


async def test_saved_under_another_name_it_is_another_notebook(desk: Desk) -> None:
    desk.file("a.ipynb")
    session, kernel = await desk.session("a.ipynb")
    notebook = await desk.notebooks.of_kernel(kernel)
    desk.file("b.ipynb")
    await desk.call_session(session, "b.ipynb")
    other = await desk.notebooks.of_kernel(kernel)
    assert other not in (None, notebook)
    assert desk.store.path_of(notebook or 0) == "a.ipynb"
    assert desk.moved == []


async def test_what_was_deleted_is_followed_no_more_and_its_name_is_another_notebooks(desk: Desk) -> None:
    desk.file("a.ipynb")
    _, kernel = await desk.session("a.ipynb")
    notebook = await desk.notebooks.of_kernel(kernel)
    assert notebook is not None
    await desk.contents.delete("a.ipynb")
    await desk.heard()
    assert desk.moved == [(notebook, None)]
    assert await desk.notebooks.locate(notebook) is None
    assert await desk.notebooks.of_kernel(kernel) == notebook  # what it does is still that notebook's
    assert desk.store.notebook_at("a.ipynb") is None
    desk.file("a.ipynb")
    assert await desk.notebooks.of_kernel(kernel) not in (None, notebook)


async def test_a_copy_remembers_of_what(desk: Desk) -> None:
    desk.file("a.ipynb")
    _, kernel = await desk.session("a.ipynb")
    notebook = await desk.notebooks.of_kernel(kernel)
    desk.store.take(kernel, notebook, recorded("One?"))
    await desk.contents.copy("a.ipynb")
    await desk.heard()
    copy = desk.store.notebook_at("a-Copy1.ipynb")
    assert copy not in (None, notebook)
    assert len(desk.store.session(copy, None)) == len(desk.store.session(notebook, None)) == 1


@pytest.fixture
def file_ids(jp_serverapp: ServerApp, jp_root_dir: Path, tmp_path: Path) -> LocalFileIdManager:
    """``jupyter_server_fileid`` as it is when it is enabled with its manager for local files."""
    numbers = LocalFileIdManager(root_dir=str(jp_root_dir), db_path=str(tmp_path / "files.db"))
    jp_serverapp.web_app.settings["file_id_manager"] = numbers
    return numbers


async def test_a_file_moved_in_a_terminal_is_found_by_its_id(file_ids: Any, desk: Desk) -> None:
    file = desk.file("a.ipynb")
    session, kernel = await desk.session("a.ipynb")
    notebook = await desk.notebooks.of_kernel(kernel)
    assert notebook is not None
    (desk.root / "sub").mkdir()
    file.rename(desk.root / "sub" / "b.ipynb")
    assert await desk.notebooks.locate(notebook) == "sub/b.ipynb"
    assert desk.moved == [(notebook, "sub/b.ipynb")]
    assert await desk.path(kernel) == "sub/b.ipynb"
    (desk.root / "sub" / "b.ipynb").rename(desk.root / "c.ipynb")
    await desk.call_session(session, "c.ipynb")  # opened again from where it is now
    assert await desk.notebooks.of_kernel(kernel) == notebook
    assert await desk.notebooks.locate(notebook) == "c.ipynb"
    (desk.root / "c.ipynb").unlink()
    assert await desk.notebooks.locate(notebook) is None


async def test_without_file_ids_a_file_moved_in_a_terminal_is_not_found(desk: Desk) -> None:
    file = desk.file("a.ipynb")
    _, kernel = await desk.session("a.ipynb")
    notebook = await desk.notebooks.of_kernel(kernel)
    assert notebook is not None
    file.rename(desk.root / "b.ipynb")
    assert await desk.notebooks.locate(notebook) is None
    assert await desk.notebooks.of_kernel(kernel) == notebook
    assert desk.moved == []


async def test_sessions_that_cannot_be_listed_change_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk.file("a.ipynb")
    _, kernel = await desk.session("a.ipynb")
    notebook = await desk.notebooks.of_kernel(kernel)

    async def fail() -> None:
        msg = "The database is locked"
        raise OSError(msg)

    monkeypatch.setattr(desk.app.session_manager, "list_sessions", fail)
    assert await desk.notebooks.of_kernel(kernel) == notebook
    assert "The database is locked" in caplog.text


class TestTextNotebooks:
    @pytest.fixture
    def jp_server_config(self) -> Config:
        extensions = {"jupyter_server_terminals": False}
        managed = {"contents_manager_class": AsyncTextFileContentsManager}
        return Config({"ServerApp": {"jpserver_extensions": extensions, **managed}})

    async def test_a_notebook_in_a_text_format_is_one(self, desk: Desk) -> None:
        (desk.root / "a.py").write_text("# %%\n1 + 1\n")
        (desk.root / "a.txt").write_text("no notebook")
        _, kernel = await desk.session("a.txt", kind="file")
        assert await desk.notebooks.of_kernel(kernel) is None
        await desk.session("a.py", kernel, kind="file")
        assert await desk.path(kernel) == "a.py"


async def test_all_who_ask_at_once_are_answered_by_one_look(desk: Desk) -> None:
    looks = 0
    list_sessions = desk.app.session_manager.list_sessions

    async def counted() -> Any:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0)  # as one does that asks another machine
        return await list_sessions()

    desk.app.session_manager.list_sessions = counted
    await asyncio.gather(*(desk.notebooks.of_kernel("any") for _ in range(100)))
    assert looks <= 2
    for _ in range(10_000):
        desk.notebooks.current("any")
    await eventually(lambda: looks <= 3, "no more than one look")
