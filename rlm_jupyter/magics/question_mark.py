"""Lets ``%rlm What is this?`` end in a question mark: IPython would take the last word for something to explain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.inputtransformer2 import EscapedCommand

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["QuestionMark"]


class QuestionMark(EscapedCommand):
    """Turns the line into a call of the magic before IPython's help sees it. ``%rlm?`` and ``%rlm??`` stay help."""

    priority = 4  # before HelpEnd, which has 5

    @classmethod
    def find(cls, tokens_by_line: list[list[Any]]) -> QuestionMark | None:
        """Return the first line that is a question, or None."""
        for tokens in tokens_by_line:
            first = next((token for token in tokens if token.string.strip()), None)
            if first is None or first.string != "%":
                continue
            words = first.line.split()
            if len(words) > 1 and words[0] == "%rlm" and words[-1].endswith("?"):
                found: QuestionMark = cls(first.start)
                return found
        return None

    @classmethod
    def install(cls, shell: InteractiveShell) -> None:
        """Add it to the shell's transformers."""
        shell.input_transformer_manager.token_transformers.append(cls)

    @classmethod
    def remove(cls, shell: InteractiveShell) -> None:
        """Take it out again."""
        shell.input_transformer_manager.token_transformers.remove(cls)
