"""Texts without what is incidental in tracebacks of model code: two runs of the same code may then say the same."""

from __future__ import annotations

import re

from .scope import CELL_FILE_PREFIX

__all__ = ["without_incidentals"]

_CELL = re.compile(re.escape(CELL_FILE_PREFIX) + r"(?:\d{1,9} )?cell \d{1,9}>")
_ANY_CELL = f"{CELL_FILE_PREFIX}cell>"
_BEGIN = re.compile(r"((?: *[+|] )?)(?:Exception Group )?Traceback \(most recent call last\):")
_CELL_FRAME = re.compile(rf'((?: *\| )?  File "{re.escape(_ANY_CELL)}", line \d+)(?:, in (.*))?')
_COMPREHENSIONS = ("<listcomp>", "<dictcomp>", "<setcomp>")  # they have a frame of their own up to Python 3.11
_FRAMES = "  "  # what begins so belongs to the frames: they, their source lines and the marks below them


def without_incidentals(text: str) -> str:
    """Return the text with the tracebacks of model code cut down to the lines of its cells and the error itself.

    The numbers of the REPL and the cell are left out, which count those of the process, and the source lines, the marks
    below them and the frames of libraries, which are others in other versions of Python and on other machines. Of the
    same frames in a row one is left. Tracebacks whose first frame is none of a cell, and all that stands in none, stay
    as they are, but for the numbers.
    """
    if CELL_FILE_PREFIX not in text:
        return text
    kept: list[str] = []
    frames: set[int] = set()  # where among these
    margin: str | None = None  # of the traceback before the line, which a group indents
    in_cells, function = False, ""  # whether its frames are those of cells, and the last one's function
    for line in _CELL.sub(_ANY_CELL, text).split("\n"):
        begin = _BEGIN.fullmatch(line)
        frame = _CELL_FRAME.fullmatch(line)
        if begin is not None:
            margin, in_cells = begin[1].replace("+", "|"), False
        elif margin is None or not line.startswith(margin + _FRAMES) or not (in_cells or frame):
            margin = None
        elif frame is None:
            continue
        else:
            if in_cells and frame[2] in _COMPREHENSIONS:
                kept.pop()
            else:
                function = frame[2] or ""
            in_cells = True
            frames.add(len(kept))
            kept.append(f"{frame[1]}, in {function}")
            continue
        kept.append(line)
    # Python says of the fourth and further of the same frames how many they are, but not if comprehensions part them.
    return "\n".join(line for at, line in enumerate(kept) if at not in frames or line != kept[at - 1])
