"""The relay: a gateway's kernels, whom the server cannot hear, are heard through the front end."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from rlm_jupyter.server.off_loop import off_loop

from .base import RLMHandler

__all__ = ["RelayHandler"]

_MESSAGES = 200


class RelayHandler(RLMHandler):
    """``kernels/{kernel_id}/messages``."""

    body_limit = 32_000_000

    @web.authenticated
    @authorized
    async def post(self, kernel_id: str) -> None:
        """Take in what a kernel published on its comm, and answer with what the front end is to pass on to it."""
        messages = (await off_loop(self._read)).get("messages")
        if (
            not isinstance(messages, list)
            or len(messages) > _MESSAGES
            or not all(isinstance(message, dict) for message in messages)
        ):
            msg = f"messages must be a list of at most {_MESSAGES} objects: the data of comm messages, in their order."
            raise web.HTTPError(400, msg)
        await self.kernel_named(kernel_id)
        if self.services.tap.hears(kernel_id):
            msg = "The server hears this kernel itself. Only a gateway's kernels are relayed."
            raise web.HTTPError(409, msg, reason="Kernel is heard")
        from rlm_jupyter.server.refusal import RefusedError

        try:
            told = await self.services.intake.relay(kernel_id, messages, len(self.request.body))
        except RefusedError as error:
            msg = "So much has come from kernels that this has yet to be read. Go on, but more slowly."
            raise web.HTTPError(429, msg, reason="Busy") from error
        await self.reply({"messages": told})

    def _read(self) -> dict[str, Any]:
        """Return the body: a kernel's words, and as many as in one of its messages, so that parsing takes breath."""
        from rlm_jupyter.server.parsing import parse
        from rlm_jupyter.server.refusal import RefusedError

        try:
            value = parse(self.request.body)
        except RefusedError as error:
            msg = "The body is not JSON, or holds far too many values. Send one JSON object, in UTF-8."
            raise web.HTTPError(400, msg) from error
        if not isinstance(value, dict):
            msg = "The body must be a JSON object."
            raise web.HTTPError(400, msg)
        return value
