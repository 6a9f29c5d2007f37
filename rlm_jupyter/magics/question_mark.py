"""Lets ``%rlm What is this?`` end in a question mark: IPython would take the last word for something to explain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.inputtransformer2 import EscapedCommand, MagicAssign

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["AssignedQuestion", "QuestionMark"]

_PRIORITY = 4  # before HelpEnd, which has 5


class QuestionMark(EscapedCommand):
    """Turns the line into a call of the magic before IPython's help sees it. ``%rlm?`` and ``%rlm??`` stay help."""

    priority = _PRIORITY

    @classmethod
    def find(cls, tokens_by_line: list[list[Any]]) -> QuestionMark | None:
        """Return the first line that is a question, or None."""
        for tokens in tokens_by_line:
            first = next((token for token in tokens if token.string.strip()), None)
            if first is not None and first.string == "%" and _asks(first.line):
                found: QuestionMark = cls(first.start)
                return found
        return None

    @classmethod
    def install(cls, shell: InteractiveShell) -> None:
        """Add it, and its like for assignments, to the shell's transformers."""
        shell.input_transformer_manager.token_transformers += [cls, AssignedQuestion]

    @classmethod
    def remove(cls, shell: InteractiveShell) -> None:
        """Take both out again."""
        for transformer in (cls, AssignedQuestion):
            shell.input_transformer_manager.token_transformers.remove(transformer)


class AssignedQuestion(MagicAssign):
    """Does the same for ``answer = %rlm What is this?``."""

    priority = _PRIORITY

    def __init__(self, start: tuple[int, int]) -> None:
        super().__init__((start[0], 0))  # HelpEnd claims the line from its beginning: what begins later would lose
        self._magic_col = start[1]

    def transform(self, lines: list[str]) -> list[str]:
        """Return the lines with a call in place of the magic."""
        self.start_col = self._magic_col
        transformed: list[str] = super().transform(lines)
        return transformed

    @classmethod
    def find(cls, tokens_by_line: list[list[Any]]) -> AssignedQuestion | None:
        """Return the first assignment of an answer to a question, or None."""
        for tokens in tokens_by_line:
            assigned = MagicAssign.find([tokens])
            if assigned is None:
                continue
            start = (assigned.start_line + 1, assigned.start_col)
            magic = next(token for token in tokens if token.start == start)
            if _asks(magic.line[assigned.start_col :]):
                found: AssignedQuestion = cls(start)
                return found
        return None


def _asks(line: str) -> bool:
    words = line.split()
    return len(words) > 1 and words[0] == "%rlm" and words[-1].endswith("?")
