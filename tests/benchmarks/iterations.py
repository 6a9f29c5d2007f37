"""What a run costs besides the model: per iteration, and at its end."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import Sequence
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from benchmarks.figure import Figure
from benchmarks.scripted_model import ScriptedModel
from benchmarks.subject import ANSWER, OURS, in_fresh_process, new_rlm
from scripts import code

__all__ = ["measure"]

_ITERATIONS = 10


def measure(model: ScriptedModel, packages: Sequence[str], runs: int) -> list[Figure]:
    """Return milliseconds of ten iterations with a model that replies at once, and what of it is the package's own."""
    whole, ends, sockets, sdks = [], [], [], []
    for package in packages:
        steps = [code(f"x = {number}", "print(x)") for number in range(1, _ITERATIONS)]
        model.play(*steps, code(*ANSWER))
        times = in_fresh_process(_complete, package, model.base_url, runs)
        last_replies = [each.replied or 0.0 for each in model.exchanges()[_ITERATIONS - 1 :: _ITERATIONS]]
        bodies = model.bodies()[-_ITERATIONS:]
        bare = _over_sdk_of_ours if package == OURS else _over_sdk_of_theirs
        socket = in_fresh_process(_over_socket, model.base_url, bodies, runs)
        sdk = in_fresh_process(bare, model.base_url, bodies, runs)
        took = median(returned - began for began, returned in times)
        whole.append(1000 * took)
        sockets.append(1000 * (took - socket) / _ITERATIONS)
        sdks.append(1000 * (took - sdk) / _ITERATIONS)
        # Of the reply that is about to go out: what the socket takes is counted as the package's.
        ends.append(1000 * median(end - reply for (_, end), reply in zip(times, last_replies[1:], strict=True)))
    return [
        Figure(f"{_ITERATIONS} iterations, 0 ms model, local", "ms", *whole),
        Figure("  an iteration, beyond a plain HTTP call", "ms", *sockets, limit=2),
        # Below 0 is possible: the SDK's typed call is not used here, and costs more than this does.
        Figure("  an iteration, beyond the SDK's typed call", "ms", *sdks),
        Figure("  end of the run: last reply to return", "ms", *ends, limit=10),
    ]


def _complete(package: str, base_url: str, runs: int) -> list[tuple[float, float]]:
    """Return when completions began and returned, on the clock that processes share. The first is not counted."""
    rlm = new_rlm(package, base_url)
    times = []
    for _ in range(1 + runs):
        began = time.monotonic()
        rlm.completion("What is it?")
        times.append((began, time.monotonic()))
    return times[1:]


def _over_socket(base_url: str, bodies: list[dict[str, Any]], runs: int) -> float:
    """Return the median of the seconds that the same requests take one after the other on one connection."""
    split = urlsplit(base_url)
    connection = http.client.HTTPConnection(split.netloc)
    times = []
    for _ in range(1 + runs):
        began = time.perf_counter()
        for body in bodies:
            connection.request(
                "POST", f"{split.path}/chat/completions", json.dumps(body), {"Content-Type": "application/json"}
            )
            json.loads(connection.getresponse().read())
        times.append(time.perf_counter() - began)
    connection.close()
    return median(times[1:])


def _over_sdk_of_ours(base_url: str, bodies: list[dict[str, Any]], runs: int) -> float:
    """Return the same through the SDK as it is used here: asynchronous, its aiohttp transport."""
    import openai

    async def ask() -> list[float]:
        times = []
        async with openai.AsyncOpenAI(
            base_url=base_url, api_key="none", http_client=openai.DefaultAioHttpClient()
        ) as sdk:
            for _ in range(1 + runs):
                began = time.perf_counter()
                for body in bodies:
                    await sdk.chat.completions.create(**body)
                times.append(time.perf_counter() - began)
        return times

    return median(asyncio.run(ask())[1:])


def _over_sdk_of_theirs(base_url: str, bodies: list[dict[str, Any]], runs: int) -> float:
    """Return the same through the SDK as rlms uses it: synchronous, its default transport."""
    import openai

    times = []
    with openai.OpenAI(base_url=base_url, api_key="none") as sdk:
        for _ in range(1 + runs):
            began = time.perf_counter()
            for body in bodies:
                sdk.chat.completions.create(**body)
            times.append(time.perf_counter() - began)
    return median(times[1:])
