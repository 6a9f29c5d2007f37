"""A fenced block of a Markdown page, and the comments before it that say how it is run.

All ``python`` and ``ipython`` blocks of a page are cells of one kernel; ``ipython`` ones hold magics. An ``sh`` block
is a script for bash, in the same folder. No key is set, and the model is the offline extractor. ``json``, ``toml`` and
``yaml`` blocks have to be that; ``text`` quotes something. In HTML comments right before a block may stand

    <!-- run first: CODE -->          a hidden cell, over several lines where it has to be
    <!-- run first (sh): CODE -->     a hidden script
    <!-- served -->                   a key is set, and each http:// and https:// address in the block leads to a
                                      server that answers in place of the model
    <!-- served: ANSWER -->           the same; the model looks at the context and then answers this
    <!-- raises: NAME -->             the cell fails with this exception
    <!-- exits: N -->                 the script fails with this code
    <!-- not run: REASON -->          a reason of one of the ``KINDS``; ``run by tests/...`` names a test that is there
    <!-- output -->                   before a ``text`` block: the block before it shows this; ``...`` is any text
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["CELLS", "KINDS", "NOTATIONS", "PROSE", "SHELL", "Block", "Hidden", "find_marks"]

CELLS = ("python", "ipython")
SHELL = "sh"
NOTATIONS = ("json", "toml", "yaml")
PROSE = "text"

KINDS = (
    "account",  # at a provider; a key
    "browser",
    "installs",
    "package",  # one that the tests do not have
    "takes minutes",
    "other machine",  # a cluster, a container
    "other program",  # one that does not come with this package, such as Phoenix
    "publishes",  # what others see then
    "run by",  # CI, or a test: run by tests/...
    "pattern",  # with gaps to fill in
    "asks you",  # a password, a decision
    "deletes",  # what is not the page's
)
"""What a reason for not running a block has to speak of, in these words."""

_COMMENT = re.compile(r"<!--(.*?)-->", re.DOTALL)
_MARK = re.compile(
    r"(?P<name>served|output|not run|raises|exits|run first(?: \(sh\))?)\s*(?P<colon>:)?\s*(?P<value>.*)", re.DOTALL
)
_VALUES = {"served": (True, False), "output": (False,)}  # whether they may have one; all others must


@dataclass(frozen=True)
class Hidden:
    """Code in a comment, which runs before its block; ``language`` is ``python`` or ``sh``."""

    language: str
    code: str


@dataclass
class Block:
    """A block, and what its marks say.

    ``line`` is where it stands in the page, from 1. ``fails`` is the name of an exception or an exit code, ``answer``
    what the server's model is to answer, where that matters.
    """

    line: int
    info: str
    text: str
    first: list[Hidden] = field(default_factory=list)
    served: bool = False
    answer: str = ""
    output: bool = False
    fails: str = ""
    not_run: str = ""
    strange: list[str] = field(default_factory=list)

    @property
    def language(self) -> str:
        """The first word of the info string."""
        return self.info.split(maxsplit=1)[0] if self.info.strip() else ""

    @property
    def is_cell(self) -> bool:
        """Whether it goes to a kernel."""
        return self.language in CELLS

    @property
    def runs(self) -> bool:
        """Whether it is executed."""
        return (self.is_cell or self.language == SHELL) and not self.not_run

    def mark(self, name: str, value: str) -> None:
        """Take note of a mark before it."""
        if name.startswith("run first"):
            self.first.append(Hidden(SHELL if name.endswith("(sh)") else "python", value))
        elif name in ("raises", "exits"):
            self.fails = value
            if (name == "exits") != (self.language == SHELL):
                self.strange.append(f"`{name}` is for {'shell scripts' if name == 'exits' else 'cells'}")
        elif name == "not run":
            self.not_run = value
        elif name == "served":
            self.served, self.answer = True, value
        else:
            self.output = True


def find_marks(html: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the marks in a piece of HTML as names and values, and the comments that are none."""
    marks, others = [], []
    for comment in _COMMENT.findall(html):
        found = _MARK.fullmatch(comment.strip())
        valued = bool(found and found["value"])
        if found and valued == bool(found["colon"]) and valued in _VALUES.get(found["name"], (True,)):
            marks.append((found["name"], found["value"]))
        else:
            others.append(comment.strip())
    return marks, others
