"""A server to which a kernel says a great deal: is its event loop still there for everybody else?

    python tests/benchmarks/server_load.py [--seconds N] [--rate N]

measures it alone, and for longer than among the other measurements.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.bench import Bench
from benchmarks.figure import Figure
from benchmarks.table import table
from live_server import LiveServer, eventually

__all__ = ["LOAD", "measure"]

_TESTS = str(Path(__file__).resolve().parents[1])

_RATE = 5_000
"""Spans a second; each of them is a prompt, a reply, a start and an end."""

_SECONDS = 10
_SPANS = 10_000  # of a run

# The kernel makes its events by hand: a recorder would not keep up with so many.
LOAD = """
import json, time, uuid
from comm.base_comm import BaseComm
from rlm_jupyter.core.digest import text_digest

class Comm(BaseComm):
    def publish_msg(self, msg_type, data=None, **keys):
        self.publish(json.dumps(data), msg_type, **{name: keys[name] for name in keys if name == "target_name"})

    def publish(self, data, msg_type="comm_msg", **keys):
        kernel = get_ipython().kernel
        more = "".join(f', "{name}": {json.dumps(value)}' for name, value in keys.items())
        content = '{"comm_id": "%s", "data": %s%s}' % (self.comm_id, data, more)
        kernel.session.send(kernel.iopub_socket, msg_type, content.encode(), ident=self.topic)

    def handle_msg(self, msg):
        said.append(msg["content"]["data"])

said = []
HELLO = {"type": "hello", "protocol": 1, "load_id": "load", "version": "0.1", "reach": "subshell"}
comm = Comm(target_name="rlm_jupyter", comm_id="rlm_jupyter-" + uuid.uuid4().hex, data=HELLO)
TEXT = "The quick brown fox jumps over the lazy dog. " * 8

def event(kind, run_id, seq, **fields):
    return json.dumps({"event": kind, "version": 1, "run_id": run_id, "seq": seq, **fields})

def spans(run_id, first, last):
    seq = 1 + 4 * (first - 2)
    for number in range(first, last):
        digests = []
        for text in (f"{number}: {TEXT}", f"{TEXT} {number}"):
            digests.append(text_digest(text))
            yield event("blob", run_id, seq, digest=digests[-1], size=len(text), text=text, cut=False)
            seq += 1
        span = f"s{number}"
        payload = {"kind": "subcall", "model": "scripted", "prompt": digests[0], "batch": "b1", "index": number}
        yield event("start", run_id, seq, span_id=span, parent_id="s1", started=time.time(), payload=payload)
        payload = {"kind": "subcall", "reply": digests[1], "usage": {"input_tokens": 90, "output_tokens": 90}}
        yield event("end", run_id, seq + 1, span_id=span, ended=time.time(), status="ok", payload=payload)
        seq += 2

def load(rate, seconds, length):
    total, each, done, late = rate * seconds, rate // 20, 0, 0.0
    due = time.monotonic()
    while done < total:
        if done % length == 0:
            run_id, number = uuid.uuid4().hex, 2
            payload = {"kind": "run", "question": "What?", "model": "scripted", "backend": "openai",
                       "environment": "local", "max_iterations": 1}
            begun = event("start", run_id, 0, span_id="s1", started=time.time(), payload=payload)
            comm.publish('{"type": "events", "events": [' + begun + "]}")
        count = min(each, length - done % length, total - done)
        comm.publish('{"type": "events", "events": [' + ",".join(spans(run_id, number, number + count)) + "]}")
        number, done = number + count, done + count
        if done % length == 0 or done == total:
            end = event("end", run_id, 1 + 4 * (number - 2), span_id="s1", ended=time.time(), status="ok",
                        payload={"kind": "run", "answer": "42"})
            comm.publish('{"type": "events", "events": [' + end + "]}")
        due += 0.05
        late = max(late, time.monotonic() - due)
        time.sleep(max(0.0, due - time.monotonic()))
    return late
"""


def measure(bench: Bench) -> list[Figure]:
    """Return how late the event loop is under load, in milliseconds, and how much memory the server gains."""
    return _measure(1 if bench.quick else _SECONDS, _RATE)


def _measure(seconds: int, rate: int) -> list[Figure]:
    arguments = ["--ServerApp.jpserver_extensions=benchmarks.loop_probe=True"]
    path = os.pathsep.join(filter(None, [_TESTS, os.environ.get("PYTHONPATH")]))
    with (
        TemporaryDirectory() as folder,
        LiveServer(Path(folder), arguments=arguments, env={"PYTHONPATH": path}) as server,
    ):
        kernel = server.notebook("load.ipynb", extension=False)
        kernel.ok(LOAD)
        kernel.ok(f"load({rate}, 1, {_SPANS})")  # what is imported at first use
        _finished(server)
        before = server.get("loop-probe")
        idle = _idle(server)
        kernel.ok(f"late = load({rate}, {seconds}, {_SPANS})", timeout=60 + 10 * seconds)
        under_load = server.get("loop-probe")
        intake, behind = _finished(server)
        after = server.get("loop-probe")
        late = kernel.value("late")
    what = f"server, {rate:,} spans a second for {seconds} s"
    spans = rate * (seconds + 1)
    assert not intake["refused"], intake
    return [
        Figure(f"{what}: event loop late, median", "ms", 1000 * under_load["p50"]),
        Figure("  99 % of the time no more than", "ms", 1000 * under_load["p99"], limit=50),
        Figure("  at most", "ms", 1000 * under_load["max"], limit=50),
        Figure("  at most, in the same server with nothing to do", "ms", 1000 * idle["max"]),
        Figure("  from a frame's arrival to its commit, at most", "ms", 1000 * intake["lag"]["most"]),
        Figure("  of one core, from first to last", "%", 100 * (after["cpu"] - before["cpu"]) / seconds),
        Figure("  memory gained under load", "MB", (under_load["rss"] - before["rss"]) / 1e6),
        Figure("  memory gained in the end", "MB", (after["rss"] - before["rss"]) / 1e6),
        Figure("  events that are not stored", "", max(0, 4 * spans - intake["stored"]), limit=0),
        Figure("  the kernel itself was late, at most", "ms", 1000 * late),
        Figure("  runs that were not whole at once", "", behind),
    ]


def _idle(server: LiveServer) -> Any:
    """Return what the probe says of a second in which nothing happens."""
    import time

    time.sleep(1)
    return server.get("loop-probe")


def _finished(server: LiveServer) -> tuple[Any, int]:
    """Return the intake's figures once all runs are whole, and how many were not when it was looked first."""
    behind = len(_open(server))
    try:
        eventually(lambda: not _open(server), "that all runs are stored", 120)
    finally:
        intake = server.get("rlm-jupyter/health")["intake"]
        if _open(server):
            print(intake, server.log.read_text()[-2000:], file=sys.stderr)
    return intake, behind


def _open(server: LiveServer) -> list[Any]:
    return [run for run in server.get("rlm-jupyter/runs?limit=100")["runs"] if not run["whole"]]


def _main() -> None:
    parser = argparse.ArgumentParser(description="Measure a server under load.")
    parser.add_argument("--seconds", type=int, default=60, metavar="N", help="for how long (60)")
    parser.add_argument("--rate", type=int, default=_RATE, metavar="N", help=f"how many spans a second ({_RATE})")
    arguments = parser.parse_args()
    print(table(_measure(arguments.seconds, arguments.rate), ()))


if __name__ == "__main__":
    _main()
