"""A process that asks hundreds of times is no larger for it."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from family import asked, family
from scripted_server import ScriptedServer
from scripts import code

from rlm_jupyter.core.scope import Scope


def size_of_process() -> tuple[int, int, int]:
    """Threads, open files and child processes."""
    process = psutil.Process()
    return threading.active_count(), process.num_fds(), len(process.children(recursive=True))


@pytest.mark.parametrize(
    ("count", "arguments"),
    [
        (400, {"max_depth": 1}),
        (100, {"max_depth": 2}),
        (100, {"executor": ThreadPoolExecutor(2)}),
        (20, {"environment": "ipython"}),
    ],
    ids=["plain", "with children", "children in an executor", "private shells"],
)
def test_many_completions_leave_nothing_behind(count: int, arguments: dict[str, Any]) -> None:
    """Defect 13 of the field: a connection for each call, and sockets that the garbage collector had to free."""
    script = family(code("FINAL(rlm_query_batched(['a', 'b']))"), leaf="leaf")
    with ScriptedServer(script) as server, asked(server, **arguments) as rlm:
        for _ in range(10):
            rlm.completion("parent")
        before = size_of_process()
        for _ in range(count):
            assert rlm.completion("parent").response
        after = size_of_process()
        grown = [now - then for now, then in zip(after, before, strict=True)]
        assert all(each <= 2 for each in grown), grown  # a pool may grow by a connection
        gc.collect()
        assert sum(isinstance(each, Scope) for each in gc.get_objects()) < 10
        assert len({request.connection for request in server.requests}) < 64
