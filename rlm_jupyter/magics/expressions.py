"""What the user's expressions in a magic's options stand for: ``--context EXPR``, ``--as NAME``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["context_of", "expression_of", "response_model_of"]


def context_of(shell: InteractiveShell, expressions: Sequence[str]) -> Any:
    """Return the context: the value of the expression, of several a dict of them.

    Raises ``UsageError`` for what is no expression, or names what is not defined.
    """
    values = {expression: _evaluate(shell, "--context", expression) for expression in expressions}
    return next(iter(values.values())) if len(values) == 1 else values


def expression_of(expressions: Sequence[str]) -> str:
    """Return the expression that stands for the context, which is a dict where there are several."""
    distinct = list(dict.fromkeys(expressions))
    if len(distinct) == 1:
        return distinct[0]
    return "{" + ", ".join(f"{expression!r}: {expression}" for expression in distinct) + "}"


def response_model_of(shell: InteractiveShell, expression: str | None) -> Any:
    """Return the type or JSON schema that the expression names, or None where the answer may be anything.

    Raises ``UsageError`` as ``context_of`` does, and for None.
    """
    if expression is None:
        return None
    response_model = _evaluate(shell, "--as", expression)
    if response_model is None:
        msg = f"--as {expression}: this is None, and no type that an answer could have."
        raise UsageError(msg)
    return response_model


def _evaluate(shell: InteractiveShell, option: str, expression: str) -> Any:
    try:
        return shell.ev(expression)
    except NameError as error:
        msg = f"{option} {expression}: {error}. Run the cell that defines it first."
        raise UsageError(msg) from None
    except SyntaxError:
        msg = f"{option} {expression} is no Python expression. Put one with spaces in quotation marks."
        raise UsageError(msg) from None
