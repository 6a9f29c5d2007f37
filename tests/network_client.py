"""Asks a network client, on the thread on which it always runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from rlm_jupyter.clients.io_thread import submit
from rlm_jupyter.core.errors import ClientError
from rlm_jupyter.core.protocols import Client, ModelReply, ModelRequest, OnText

__all__ = ["AT_ONCE", "KEY", "Connect", "Watcher", "ask", "refused"]

Watcher: TypeAlias = "OnText | None"
Connect: TypeAlias = Callable[..., Client]

KEY = "sk-test-0123456789abcdef"
AT_ONCE = {"Retry-After-Ms": "1"}


def ask(client: Client, prompt: str = "How many?", on_text: Watcher = None, **request: Any) -> ModelReply:
    """Return the reply to one prompt."""
    message = ModelRequest([{"role": "user", "content": prompt}], **request)
    return submit(client.acompletion(message, on_text)).result(60)


def refused(client: Client, on_text: Watcher = None, **request: Any) -> ClientError:
    """Return the error that there is instead of a reply."""
    with pytest.raises(ClientError) as caught:
        ask(client, on_text=on_text, **request)
    return caught.value
