"""What tells one server's notebooks from another's."""

from __future__ import annotations

from pathlib import Path

from jupyter_server.services.contents.filemanager import AsyncFileContentsManager
from jupyter_server.services.contents.largefilemanager import LargeFileManager
from jupyter_server.services.contents.manager import ContentsManager

from rlm_jupyter.server.root import root_of


class Elsewhere(ContentsManager):
    """Notebooks that are no files."""


def test_it_is_the_folder_by_whatever_name_it_was_given(tmp_path: Path) -> None:
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    roots = {
        root_of(kind(root_dir=str(root)))
        for kind in (LargeFileManager, AsyncFileContentsManager)
        for root in (folder, link)
    }
    assert roots == {str(folder.resolve())}


def test_what_is_no_folder_is_not_taken_for_one() -> None:
    assert root_of(Elsewhere()) != root_of(LargeFileManager(root_dir="/"))
    assert root_of(Elsewhere(root_dir="bucket-a")) != root_of(Elsewhere(root_dir="bucket-b"))
