"""The text of a trace notebook's file, put together from parts, so that only new cells have to be written as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rlm_jupyter.trace.artifacts.notebook import Cell, notebook_of
from rlm_jupyter.trace.digest import cell_digest, cells_digest

__all__ = ["CellsText", "notebook_text"]

_NO_CELLS = '"cells": []'


@dataclass(frozen=True, slots=True)
class CellsText:
    """Cells as they stand in the file, in UTF-8, and what is to be known of them without reading them again."""

    json: bytes
    digests: tuple[str, ...]
    code_cells: int
    """How many of them are numbered."""

    @classmethod
    def of(cls, cells: Sequence[Cell]) -> CellsText:
        """Write the cells as JSON, indented as Jupyter does it."""
        lines = json.dumps(cells, indent=1, ensure_ascii=False)[1:-2] if cells else ""
        return cls(
            json=lines.replace("\n", "\n ").encode(),
            digests=tuple(cell_digest(cell) for cell in cells),
            code_cells=sum(cell.get("execution_count") is not None for cell in cells),
        )


def notebook_text(parts: Sequence[CellsText], session_id: str, run_ids: Sequence[str]) -> Iterator[bytes]:
    """Yield the file of a notebook with the cells of all parts, piece by piece."""
    digest = cells_digest(digest for part in parts for digest in part.digests)
    frame = json.dumps(notebook_of([], digest, session_id, run_ids), indent=1, ensure_ascii=False) + "\n"
    cells = [part.json for part in parts if part.json]
    if not cells:
        yield frame.encode()
        return
    before, _, after = frame.partition(_NO_CELLS)
    yield f'{before}"cells": ['.encode()
    for index, each in enumerate(cells):
        if index:
            yield b","
        yield each
    yield f"\n ]{after}".encode()
