"""An LM handler as the reference implementation has it: one TCP connection per request, a length, then JSON."""

from __future__ import annotations

import json
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Handler", "reference_handler"]


class Handler:
    """Where the handler listens, and what it was asked."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.requests: list[dict[str, Any]] = []

    def reply(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer with the prompt in capitals; a prompt ``fail`` fails."""
        self.requests.append(request)
        if request["prompt"] == "fail":
            return {"error": "the model is overloaded"}
        usage = {"model_usage_summaries": {"m": {"total_calls": 1, "total_input_tokens": 3, "total_output_tokens": 2}}}
        completion = {
            "root_model": request.get("model") or "m",
            "prompt": request["prompt"],
            "response": request["prompt"].upper(),
            "usage_summary": usage,
            "execution_time": 0.01,
        }
        return {"chat_completion": completion}


@contextmanager
def reference_handler() -> Iterator[Handler]:
    """Serve on a port of this machine until the end of the block."""

    class Connection(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            (length,) = struct.unpack(">I", self.rfile.read(4))
            reply = json.dumps(handler.reply(json.loads(self.rfile.read(length)))).encode()
            self.wfile.write(struct.pack(">I", len(reply)) + reply)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection) as server:
        host, port = server.server_address[:2]
        handler = Handler((str(host), port))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield handler
        server.shutdown()
        thread.join()
