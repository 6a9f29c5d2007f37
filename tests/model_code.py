"""Runs blocks of code as a run does, in this process or in a kernel, with sub-calls that answer at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from rlm_jupyter.core.protocols import Environment
from rlm_jupyter.core.results import REPLResult

__all__ = ["Echo", "arun_blocks", "run_blocks"]


class Echo:
    """Answers each sub-call with its own prompt."""

    def llm_query(self, prompt: str, model: str | None = None) -> str:
        return f"{model or 'echo'}: {prompt}"

    def llm_query_batched(self, prompts: Sequence[str], model: str | None = None) -> list[str]:
        return [self.llm_query(prompt, model) for prompt in prompts]

    async def llm_query_async(self, prompt: str, model: str | None = None) -> str:
        await asyncio.sleep(0)
        return self.llm_query(prompt, model)

    async def rlm_query_async(self, prompt: Any, model: str | None = None) -> str:
        return await self.llm_query_async(str(prompt), model)

    def rlm_query(self, prompt: Any, model: str | None = None) -> str:
        return self.llm_query(str(prompt), model)

    def rlm_query_batched(self, prompts: Sequence[Any], model: str | None = None) -> list[str]:
        return [self.rlm_query(prompt, model) for prompt in prompts]


def run_blocks(environment: Environment, *blocks: str) -> list[REPLResult]:
    """Run the blocks in one run of their own."""
    with environment.running(Echo()):
        return [environment.execute_code(block) for block in blocks]


async def arun_blocks(environment: Environment, *blocks: str) -> list[REPLResult]:
    """Run the blocks in one run of their own, awaiting on the running event loop."""
    with environment.running(Echo()):
        return [await environment.aexecute_code(block) for block in blocks]
