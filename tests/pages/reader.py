"""A reader who does what a page says, from top to bottom: in a kernel, in a shell, with a server where it needs one."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from live_kernel import Executed, LiveKernel, clean_environment
from pages.block import SHELL, Block
from pages.model import ServedModel
from pages.page import read_page
from pages.shown import is_as_quoted, plain, shown
from scripted_server import ScriptedServer

__all__ = ["FEWER_PLUGINS", "Reader", "problems"]

FEWER_PLUGINS = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_PLUGINS": "rlm_jupyter.playback.pytest_plugin",
}
"""What is read runs pytest, which would import here what our own tests need and a reader's do not."""

_LONGEST = 120.0  # seconds for one block; they take less than one, as a rule
_EMPTY = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'


@dataclass(frozen=True)
class Outcome:
    """What a block showed, and how it failed: the name of an exception or an exit code; empty when it did not."""

    text: str
    failure: str


def problems(path: Path, folder: Path) -> list[str]:
    """Return what is wrong with a page, a paragraph each; of its blocks, those up to the first that fails are run."""
    page = read_page(path)
    wrong = [f"line {line}: {each}" for line, each in page.wrong]
    if wrong:
        return wrong
    outcome = Outcome("", "")
    with Reader(folder) as reader:
        for block in page.blocks:
            if block.output and not is_as_quoted(outcome.text, block.text):
                return [f"line {block.line}: the block before shows something else:\n{outcome.text}"]
            if block.runs:
                outcome = reader.run(block)
                if outcome.failure != block.fails:
                    told = f"it was to fail with {block.fails}" if block.fails else "it failed"
                    how = f"with {outcome.failure}" if outcome.failure else "and it did not"
                    return [f"line {block.line}: {told} {how}:\n{block.text}\n{outcome.text}"]
    return []


class Reader:
    """Runs blocks in a folder, as if its kernel were that of ``analysis.ipynb`` there; starts what the blocks need."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._kernel: LiveKernel | None = None
        self._server: ScriptedServer | None = None
        self._model = ServedModel()

    def __enter__(self) -> Reader:
        """Lay out the folder."""
        (self._folder / "analysis.ipynb").write_text(_EMPTY)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop what was started."""
        self._stack.close()

    def run(self, block: Block) -> Outcome:
        """Run a block, and what is hidden before it."""
        served = self._leading_to_server() if block.served else {}
        self._model.told = block.answer
        in_kernel = block.is_cell or any(hidden.language != SHELL for hidden in block.first)
        with self._set_in_kernel(served) if served and in_kernel else nullcontext():
            for hidden in block.first:
                code = textwrap.dedent(hidden.code)
                prepared = self._shell(code, served) if hidden.language == SHELL else self._silently(code)
                if prepared.failure:
                    return Outcome(f"What runs before it failed:\n{prepared.text}", prepared.failure)
            text = block.text.replace("https://", "http://") if served else block.text  # a proxy sees into these only
            return _outcome(self.kernel.run(text, _LONGEST)) if block.is_cell else self._shell(text, served)

    @property
    def kernel(self) -> LiveKernel:
        """The page's kernel, without the extension: a page loads it where it uses it."""
        if self._kernel is None:
            kernel = LiveKernel(self._environment(), cwd=str(self._folder), extension=False)
            self._kernel = self._stack.enter_context(kernel)
        return self._kernel

    @property
    def server(self) -> ScriptedServer:
        """A server that answers whatever model it is asked for."""
        if self._server is None:
            self._server = self._stack.enter_context(
                ScriptedServer(self._model, also=("/v1/traces", "/api/public/otel/v1/traces"))
            )
        return self._server

    def _silently(self, code: str) -> Outcome:
        """Run a cell that leaves no number behind."""
        return _outcome(self.kernel.finish(self.kernel.send(code, silent=True), _LONGEST))

    def _shell(self, script: str, served: Mapping[str, str]) -> Outcome:
        ended = subprocess.run(
            ["bash", "-eu", "-c", script],
            cwd=self._folder,
            env={**clean_environment(), **self._environment(), **served},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LONGEST,
            check=False,
        )
        return Outcome(plain(ended.stdout), str(ended.returncode or ""))

    def _environment(self) -> Mapping[str, str]:
        return {
            "JPY_SESSION_NAME": str(self._folder / "analysis.ipynb"),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "RLM_JUPYTER_MODEL": "offline",
            **FEWER_PLUGINS,
        }

    def _leading_to_server(self) -> dict[str, str]:
        """Return variables under which every address that begins with http:// is the server's."""
        proxy = {name: self.server.base_url.removesuffix("/v1") for name in ("http_proxy", "HTTP_PROXY")}
        openai = {"OPENAI_API_KEY": "for-the-scripted-server", "OPENAI_BASE_URL": self.server.base_url}
        return {**proxy, **openai, "no_proxy": "", "NO_PROXY": "", "RLM_JUPYTER_MODEL": ""}

    @contextmanager
    def _set_in_kernel(self, variables: Mapping[str, str]) -> Iterator[None]:
        self._silently(f"import os as _os; _own = dict(_os.environ); _os.environ.update({variables!r})")
        try:
            yield
        finally:
            self._silently("_os.environ.clear(); _os.environ.update(_own); del _own, _os")


def _outcome(executed: Executed) -> Outcome:
    return Outcome(shown(executed.messages), executed.reply["content"].get("ename", ""))
