"""A Markdown page: its blocks, and what is wrong with them before any of them runs."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from IPython.core.inputtransformer2 import TransformerManager
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pages.block import CELLS, KINDS, NOTATIONS, PROSE, SHELL, Block, find_marks

__all__ = ["Page", "read_page"]

_TOML = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")  # which pytest brings
_ROOT = Path(__file__).parents[2]
_RUN_BY = re.compile(r"run by (tests/[\w/.]*\w)")
_CODE_DIRECTIVES = ("{code", "{code-block", "{code-cell", "{sourcecode", "{literalinclude", "{doctest")


@dataclass(frozen=True)
class Page:
    """The blocks of a page in their order, and what is wrong with it: a line number and a sentence each."""

    blocks: list[Block]
    wrong: list[tuple[int, str]]


def read_page(path: Path) -> Page:
    """Read a page, and look at what can be seen without running it."""
    page = Page([], [])
    _read(page, path.read_text("utf-8"), 0)
    run: Block | None = None
    for block in page.blocks:
        page.wrong.extend((block.line, each) for each in _wrong(block, run))
        run = block if block.runs else None
    return page


def _read(page: Page, text: str, above: int) -> None:
    """Add the blocks of a text before which ``above`` lines stand."""
    comments: list[Token] = []
    for token in MarkdownIt("commonmark").parse(text):
        line = above + 1 + (token.map[0] if token.map else 0)
        if token.type == "html_block":
            comments.append(token)
            continue
        if token.type == "fence" and not token.info.startswith("{"):
            page.blocks.append(_block(token, line, comments))
        elif any(find_marks(comment.content)[0] for comment in comments):
            page.wrong.append((line, "the comment before this line is a mark, and there is no block behind it"))
        if token.type == "fence" and token.info.startswith(_CODE_DIRECTIVES):
            page.wrong.append((line, f"write code as ```python, ```ipython or ```sh, not as ```{token.info}"))
        elif token.type == "fence" and token.info.startswith("{"):
            _read(page, token.content, line)
        elif token.type == "code_block":
            page.wrong.append((line, "an indented block is not run: write it as a fenced one, with an info string"))
        comments = []


def _block(token: Token, line: int, comments: list[Token]) -> Block:
    block = Block(line, token.info, token.content)
    for comment in comments:
        marks, others = find_marks(comment.content)
        for name, value in marks:
            block.mark(name, value)
        block.strange.extend(f"`<!-- {other} -->` is no mark of a block" for other in others)
    return block


def _wrong(block: Block, run: Block | None) -> Iterator[str]:
    """Yield what is wrong with a block that follows ``run``, which is one that runs, or None."""
    yield from block.strange
    if not block.info:
        yield f"it has no info string: {', '.join([*CELLS, SHELL, *NOTATIONS, PROSE])}"
    elif block.language not in (*CELLS, SHELL, *NOTATIONS, PROSE) and not block.not_run:
        yield f"nobody runs ```{block.info}: it is {', '.join([*CELLS, SHELL, *NOTATIONS, PROSE])}, or not run"
    if block.not_run and not any(kind in block.not_run for kind in KINDS):
        yield (
            f"{block.not_run!r} is no reason not to run it; a reason has one of these words: {', '.join(KINDS)}. What "
            "needs a model is `served`, and `served: ANSWER` says how it answers"
        )
    if (test := _RUN_BY.search(block.not_run)) and not (_ROOT / test[1]).exists():
        yield f"there is no {test[1]}"
    if (block.first or block.served or block.fails) and not block.runs:
        yield "its marks are for a block that runs"
    if block.output and (block.language != PROSE or run is None):
        yield "an `output` is a ```text block behind one that runs"
    try:
        _parse(block)
    except (ValueError, SyntaxError, yaml.YAMLError, subprocess.CalledProcessError) as error:
        yield f"it is no {block.language}: {error}"


def _parse(block: Block) -> None:
    """Raise an error where the block does not read as what it is."""
    if block.language == "json":
        json.loads(block.text)
    elif block.language == "toml":
        _TOML.loads(block.text)
    elif block.language == "yaml":
        list(yaml.safe_load_all(block.text))
    elif block.language == SHELL:
        subprocess.run(["bash", "-n", "-c", block.text], check=True, capture_output=True)
    elif block.is_cell:
        code = TransformerManager().transform_cell(block.text) if block.language == "ipython" else block.text
        compile(code, "block", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
