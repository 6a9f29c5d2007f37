"""A run of 10 iterations and 200 sub-calls, for a process that is killed: ``killed_run.py BASE_URL LOGS``."""

from __future__ import annotations

import sys
from typing import Any

ANSWER = str(sum(number * number for number in range(160)) + 2 * sum(number * number for number in range(20)))
CONTEXT = "a haystack"
CHILD = "Add up forty numbers."


def settings(base_url: str) -> dict[str, Any]:
    """What the ``RLM`` of this run is made with."""
    backend = {"model_name": "m", "api_key": "k", "base_url": base_url, "max_retries": 0}
    return {"backend": "openai", "backend_kwargs": backend, "max_depth": 2}


if __name__ == "__main__":
    from rlm_jupyter import RLM, RLMLogger

    base_url, folder = sys.argv[1:]
    RLM(**settings(base_url), logger=RLMLogger(folder)).completion(CONTEXT, "What is the sum?")
