"""Questions that are little more than Python: an assignment to make, an expression to compute."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator

from .moves import literal
from .question import is_function_word

__all__ = ["own_code"]

_RUN = re.compile(r"^\W*(?:please\s+)?(?:in the repl,?\s+)?(?:run|execute)\s*:?\s*`([^`\n]+)`", re.IGNORECASE)
_IMPERATIVE = re.compile(
    r"^\W*(?:please\s+)?(?:in the repl,?\s+)?(?:set|let|assign|store|compute|calculate|evaluate|print|show)\s+(.+)",
    re.IGNORECASE,
)
_ASKED = re.compile(r"^\W*(?:and\s+)?what(?:'s|\s+is)\s+(?:the\s+value\s+of\s+)?([^?\n]+)\?*", re.IGNORECASE)
_BACKTICKED = re.compile(r"`([^`\n]+)`")
_IN_WORDS = re.compile(r"^([^\W\d]\w*)\s+(?:to|be|as)\s+(.+)$")
_PLAIN = (
    *(ast.Constant, ast.UnaryOp, ast.unaryop, ast.BinOp, ast.operator, ast.expr_context),
    *(ast.List, ast.Tuple, ast.Set, ast.Dict),
)
_MOST_WORDS = 40
_NOTE = (
    " (The offline extractor ran the code in the question as it stands; it is no language model and writes none "
    "itself.)"
)


def own_code(question: str, variables: Collection[str], *, may_ask: bool) -> str | None:
    """Return code that does what the question's own code says and answers with its value, or None.

    What stands in backticks behind ``Run`` is run as it is. Other questions may only assign and compute plain values:
    ``Set x = 500``, ``Compute 2 ** 10``, and with ``may_ask`` ``What is x?`` too. A question is prose, and what it
    mentions is not meant to happen.
    """
    if run := _RUN.match(question):
        return _as_asked(run[1].strip())
    imperative = _IMPERATIVE.match(question)
    asked = _ASKED.match(question) if may_ask else None
    found = imperative or asked
    if found is None:
        return None
    for text in [*_BACKTICKED.findall(question), found[1].replace("`", "")]:
        for code in _beginnings(_IN_WORDS.sub(r"\1 = \2", text.strip())):
            whole = code == text.strip().rstrip("?.!")
            statement = _cut_out(code)
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                if _is_plain(statement.value):
                    return _run(f"{code}\n", code, statement.targets[0].id)
            elif isinstance(statement, ast.Expr) and _worth_computing(
                statement.value, variables, whole and asked is not None
            ):
                return _run(f"_lookup_value = {code}\n", code, "_lookup_value")
    return None


def _beginnings(text: str) -> Iterator[str]:
    """Yield the text and its beginnings, word by word: behind the code, the sentence may go on."""
    words = text.split(" ")[:_MOST_WORDS]
    for count in range(len(words), 0, -1):
        if count < len(words) and not words[count][:1].isalpha():
            continue  # half of an expression would be another one
        yield " ".join(words[:count]).strip().rstrip("?.!,;")


def _parsed(code: str) -> ast.stmt | None:
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError):
        return None
    return body[0] if len(body) == 1 else None


def _cut_out(code: str) -> ast.stmt | None:
    """Return the statement that a piece of a sentence is, unless its names are the sentence's: x = 500 in the."""
    statement = _parsed(code)
    if statement is None:
        return None
    names = [node.id for node in ast.walk(statement) if isinstance(node, ast.Name)]
    return None if any(is_function_word(name) for name in names) else statement


def _worth_computing(expression: ast.expr, variables: Collection[str], alone: bool) -> bool:
    """Whether it is code and not a word of the sentence; a bare name is when it is a variable, or all that is asked."""
    if isinstance(expression, ast.Name):
        return expression.id in variables
    return (alone or not isinstance(expression, ast.Constant)) and _is_plain(expression)


def _as_asked(code: str) -> str | None:
    """Return code that runs a statement and answers with what it binds, or with its value."""
    statement = _parsed(code)
    if isinstance(statement, ast.Assign | ast.AugAssign):
        target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
        return _run(f"{code}\n", code, ast.unparse(target))
    return _run(f"_lookup_value = {code}\n", code, "_lookup_value") if isinstance(statement, ast.Expr) else None


def _is_plain(expression: ast.expr) -> bool:
    """Whether it is made of literals and arithmetic alone, none of it large: computing it can do nothing else."""
    nodes = list(ast.walk(expression))
    numbers = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, int | float)]
    grows = [node for node in nodes if isinstance(node, ast.Pow | ast.LShift)]
    small = all(abs(number) <= (100 if grows else 10**15) for number in numbers) and len(grows) <= 1
    texts = any(isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) for node in nodes)
    computes = any(isinstance(node, ast.BinOp) for node in nodes)
    return small and len(nodes) <= 200 and not (texts and computes) and all(isinstance(node, _PLAIN) for node in nodes)


def _run(statement: str, code: str, name: str) -> str:
    said = f"`{code}` was run; `{name}` is " if name != "_lookup_value" else f"`{code}` is "
    return (
        f"# try: the code in the question, as it stands\n{statement}"
        f'answer["content"] = {literal(said)} + repr({name})[:500] + {literal("." + _NOTE)}\n'
        'answer["ready"] = True'
    )
