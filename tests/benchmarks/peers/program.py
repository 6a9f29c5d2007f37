"""What runs in a package's own interpreter: it takes orders as lines of JSON, and answers each with one.

    python -m benchmarks.peers.program NAME

Nothing but the standard library and the package is imported, so that what is measured is the package.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from benchmarks.peers.packages import Asked, installed, package

__all__ = ["LINE", "main"]

LINE = "All work and no play makes a dull context to read.\n"
_QUESTION = "What is it?"


class _Orders:
    """One method for each order. All times are seconds of ``time.monotonic()``, which processes of a machine share."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._asked: dict[str, Asked] = {}
        self._package: Any = None

    def version(self) -> str:
        """The version of the package that is installed."""
        return installed(self._name)

    def complete(
        self, base_url: str, times: int, options: dict[str, Any], sizes: list[int], question: str = _QUESTION
    ) -> list[dict[str, Any]]:
        """Ask so many times about contexts of each size, in turn, and say when it began and returned, and what."""
        contexts = [LINE * (size // len(LINE)) or "nothing" for size in sizes]
        asked = self._made(base_url, options)
        completions = []
        for _ in range(times):
            for context in contexts:
                began = time.monotonic()
                answer = asked(context, question)
                returned = time.monotonic()
                completions.append({"began": began, "returned": returned, "answer": answer, "usage": asked.usage()})
        return completions

    def interrupted(self, base_url: str, options: dict[str, Any]) -> float | None:
        """Ask once, and say when the call ended with ``KeyboardInterrupt``; None when it ended otherwise."""
        asked = self._made(base_url, options)
        try:
            asked("nothing", _QUESTION)
        except KeyboardInterrupt:
            return time.monotonic()
        except Exception as error:  # what it makes of an interrupt
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return time.monotonic()
        return None

    def logged(self, base_url: str, options: dict[str, Any], size: int) -> int:
        """Ask once, with a log, and say how many bytes of it there are."""
        self.complete(base_url, 1, options, [size])
        return sum(path.stat().st_size for path in Path(options["log"]).rglob("*") if path.is_file())

    def _made(self, base_url: str, options: dict[str, Any]) -> Asked:
        if self._package is None:
            self._package = package(self._name)
        key = json.dumps([base_url, options], sort_keys=True)
        if key not in self._asked:
            self._asked[key] = self._package.new(base_url, options)
        return self._asked[key]


def main() -> None:
    """Carry out the orders on standard input until it ends. What is printed meanwhile goes to standard error."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    orders = _Orders(sys.argv[1])
    for line in sys.stdin:
        order = json.loads(line)
        try:
            said = {"said": getattr(orders, order["name"])(**order["arguments"])}
        except BaseException:
            said = {"failed": traceback.format_exc()}
        replies.write(json.dumps(said) + "\n")
        replies.flush()
    replies.close()
    if threading.active_count() > 1:
        os._exit(0)  # an interrupted batch may go on in threads for which the interpreter would wait


if __name__ == "__main__":
    main()
