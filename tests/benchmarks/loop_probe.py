"""A server extension that measures its server: how late the event loop is, and how much memory the process takes."""

from __future__ import annotations

import asyncio
from statistics import quantiles
from typing import Any

import psutil
from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from tornado.ioloop import IOLoop

__all__ = ["LoopProbe"]

_TICK = 0.005
"""Seconds from one look at the clock to the next."""


class LoopProbe(JupyterHandler):
    """``loop-probe``: the figures since they were asked for last."""

    lags: list[float] = []  # noqa: RUF012 - one for the server

    @web.authenticated
    async def get(self) -> None:
        """Answer with seconds and bytes; ``cpu`` is of the process's whole life."""
        lags, self.lags[:] = sorted(self.lags), []
        hundredths = quantiles(lags, n=100) if len(lags) > 1 else [0.0] * 99
        found = {"p50": hundredths[49], "p99": hundredths[98], "max": max(lags, default=0.0)}
        process = psutil.Process()
        await self.finish({**found, "rss": process.memory_info().rss, "cpu": sum(process.cpu_times()[:2])})


async def _tick() -> None:
    loop = asyncio.get_running_loop()
    while True:
        begun = loop.time()
        await asyncio.sleep(_TICK)
        LoopProbe.lags.append(loop.time() - begun - _TICK)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "benchmarks.loop_probe"}]


def _load_jupyter_server_extension(app: Any) -> None:
    app.web_app.add_handlers(".*$", [(f"{app.base_url}loop-probe", LoopProbe)])
    IOLoop.current().add_callback(_tick)
