"""What every handler has in common: who may ask, how parameters are read, how answers and errors are written."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from http.client import responses
from typing import TYPE_CHECKING, Any, cast

from jupyter_core.utils import ensure_async
from jupyter_server.base.handlers import APIHandler
from tornado import web

from rlm_jupyter.server.off_loop import off_loop

if TYPE_CHECKING:
    from rlm_jupyter.server.services import Services
    from rlm_jupyter.server.store.rows import RunRow

__all__ = ["MOST_NUMBER", "RLMHandler", "checked", "json_bytes"]

MOST_NUMBER = 2**53 - 1
"""The largest whole number that every reader of JSON gets right."""

_LONG = 4_096
"""Bytes from which on an answer is compressed, in a thread."""

_LEVEL = 1
"""Of compression: the pages of 10,000 spans are 1.15 MB and not 1.0, in two thirds of the time."""

_IDENTIFIERS = {
    "run_id": (re.compile(r"[0-9a-f]{32}"), "32 hexadecimal digits"),
    "session_id": (re.compile(r"[0-9A-Za-z_-]{1,64}"), "1 to 64 letters, digits, dashes and underscores"),
    "kernel_id": (re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}"), "1 to 64 letters, digits, dashes and underscores"),
    "digest": (re.compile(r"sha256:[0-9a-f]{32}"), "sha256: and 32 hexadecimal digits"),
}
_CONTROL = re.compile(r"[\x00-\x1f]")

_MEANINGS = {
    403: "You may not do this. Log in, or send the server's token; if you did, its authorizer refuses you.",
    405: "There is no such verb here; the Allow header says which there are.",
    413: "The body is too large.",
    500: "The server failed at this request. Its log says why.",
    503: "The store cannot be read or written just now. The server's log says why.",
}


class RLMHandler(APIHandler):
    """A handler of ours. Errors are JSON with a ``message`` that says what to do."""

    auth_resource = "rlm_jupyter"

    body_limit = 64_000
    """Bytes of a request's body."""

    @property
    def services(self) -> Services:
        """The parts of the extension. Raises 503 in the moments before it has started."""
        services = self.settings.get("rlm_jupyter")
        if not hasattr(services, "store"):  # until then Jupyter has the ExtensionApp itself there
            problem = getattr(services, "problem", None)
            if problem is not None:
                msg = f"{problem} Mend it and restart the server; until then nothing is kept."
                raise web.HTTPError(503, msg.replace("%", "%%"), reason="Failed")
            msg = "The extension is starting. Ask again in a second; if it stays so, the server's log says why."
            raise web.HTTPError(503, msg, reason="Starting")
        return cast("Services", services)

    def set_default_headers(self) -> None:
        """Set what every answer says, errors included: what is in a notebook's runs stays out of caches."""
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")
        self.set_header("Vary", "Accept-Encoding")

    def set_cors_headers(self) -> None:
        """Let other origins in only where the operator named them; Jupyter lets in whoever shows a token."""
        if self.allow_origin or self.allow_origin_pat:
            super().set_cors_headers()

    def check_xsrf_cookie(self) -> None:
        """Refuse a change that another site may have had the browser ask for."""
        try:
            super().check_xsrf_cookie()
        except web.HTTPError as error:
            if error.status_code != 403:
                raise
            msg = "Send the value of the _xsrf cookie in the X-XSRFToken header, or the server's token."
            raise web.HTTPError(403, msg) from error

    async def prepare(self) -> None:  # type: ignore[override] # as in APIHandler
        """Refuse who may not ask, and what is too large."""
        await super().prepare()
        if len(self.request.body) > self.body_limit:
            msg = f"The body is too large: {len(self.request.body):,} bytes. Send at most {self.body_limit:,}."
            raise web.HTTPError(413, msg)

    def compute_etag(self) -> None:
        """Answers are not cached, so nothing has to be hashed."""

    def update_api_activity(self) -> None:
        """Note that the server is in use. A request that cannot even be read does not count."""
        try:
            super().update_api_activity()
        except web.HTTPError:  # raised from here, the error's own answer would never be sent
            self.log.debug("A query of %s cannot be decoded.", self.request.path)

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Answer an error; a store that cannot be read or written is not the fault of the request."""
        from rlm_jupyter.server.store import StoreError

        if isinstance((kwargs.get("exc_info") or (None, None))[1], StoreError):
            status_code = 503
        super().send_error(status_code, **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with ``message`` and, where there is one, ``reason``."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        told = {"message": _MEANINGS.get(status_code) or responses.get(status_code, "Unknown HTTP error")}
        if isinstance(error, web.HTTPError):
            if error.log_message:
                told["message"] = error.log_message % error.args if error.args else error.log_message.replace("%%", "%")
            if error.reason:
                told["reason"] = error.reason
        if status_code == 405:
            self.set_header("Allow", ", ".join(self.verbs()))
        self.finish(json_bytes(told))

    @classmethod
    def verbs(cls) -> list[str]:
        """Return the verbs that this handler answers to, ``OPTIONS`` aside: that one is Jupyter's own."""
        offered = [verb for verb in cls.SUPPORTED_METHODS if verb != "OPTIONS"]
        return [verb for verb in offered if getattr(cls, verb.lower()) is not getattr(web.RequestHandler, verb.lower())]

    # What was asked.

    def text(self, name: str, *, most: int = 1_000) -> str | None:
        """Return a parameter of the query, as it is; None when it is not given. Raises 400 when it is no such text."""
        values = self.request.query_arguments.get(name)
        if not values:
            return None
        value = self.decode_argument(values[-1], name)
        if not value or len(value) > most or _CONTROL.search(value):
            msg = f"{name} must be a text of 1 to {most:,} characters, without control characters."
            raise web.HTTPError(400, msg)
        return value

    def number(self, name: str, default: int, *, least: int = 0, most: int = MOST_NUMBER) -> int:
        """Return a whole number of the query. Raises 400 when it is none, or out of range."""
        value = self.text(name)
        if value is None:
            return default
        if not re.fullmatch(r"[0-9]{1,16}", value) or not least <= int(value) <= most:
            msg = f"{name} must be a whole number from {least} to {most}."
            raise web.HTTPError(400, msg)
        return int(value)

    def flag(self, name: str) -> bool:
        """Return whether a parameter of the query is ``true``. Raises 400 when it is neither that nor ``false``."""
        return self.choice(name, ("true", "false")) == "true"

    def choice(self, name: str, choices: tuple[str, ...]) -> str | None:
        """Return a parameter of the query that is one of these words. Raises 400 when it is not."""
        value = self.text(name)
        if value is not None and value not in choices:
            msg = f"{name} must be one of: {', '.join(choices)}."
            raise web.HTTPError(400, msg)
        return value

    def identifier(self, name: str, kind: str) -> str | None:
        """Return an identifier of the query, of this kind. Raises 400 when it cannot be one."""
        value = self.text(name)
        return value if value is None else checked(kind, value, name)

    def body(self) -> dict[str, Any]:
        """Return the body, a JSON object; an empty body is an empty one. Raises 400 when it is anything else."""
        try:
            value = json.loads(self.request.body or b"{}", parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            msg = "The body is not JSON, or nested too deeply. Send one JSON object, in UTF-8."
            raise web.HTTPError(400, msg) from error
        if not isinstance(value, dict):
            msg = "The body must be a JSON object."
            raise web.HTTPError(400, msg)
        return value

    # What there is.

    async def run_named(self, run_id: str) -> RunRow:
        """Return the run with this id. Raises 404 when there is none."""
        run: RunRow | None = await off_loop(self.services.store.run, checked("run_id", run_id))
        if run is None:
            msg = "There is no such run: deleted, or yet to arrive. GET /rlm-jupyter/runs lists what there is."
            raise web.HTTPError(404, msg)
        return run

    async def has_kernel(self, kernel_id: str) -> bool:
        """Return whether the server has this kernel, a gateway's included."""
        kernels = self.kernel_manager
        if kernel_id in kernels:
            return True
        # A gateway's kernels are known once they are listed.
        listed = await ensure_async(kernels.list_kernels())  # type: ignore[no-untyped-call]
        return any(kernel["id"] == kernel_id for kernel in listed)

    async def kernel_named(self, kernel_id: str) -> str:
        """Return the id of a kernel that the server has. Raises 404 when it has no such kernel."""
        if not await self.has_kernel(checked("kernel_id", kernel_id)):
            msg = "There is no such kernel. GET /api/kernels lists those that run."
            raise web.HTTPError(404, msg)
        return kernel_id

    # What is answered.

    async def reply(self, value: Any, status: int = 200) -> None:
        """Answer with JSON, which is written in a thread when it may be long."""
        self.set_status(status)
        await self.send(lambda: json_bytes(value))

    async def send(self, content: Callable[[], bytes], media_type: str = "application/json") -> None:
        """Answer with the bytes that ``content`` returns: they are made, and compressed, in a thread."""
        takes_gzip = _takes_gzip(self.request.headers.get("Accept-Encoding", ""))

        def make() -> tuple[bytes, bool]:
            made = content()
            long = takes_gzip and len(made) >= _LONG
            return (gzip.compress(made, compresslevel=_LEVEL, mtime=0), True) if long else (made, False)

        made, compressed = await off_loop(make)
        if compressed:
            self.set_header("Content-Encoding", "gzip")
        self.finish(made, set_content_type=media_type)


def json_bytes(value: Any) -> bytes:
    """Return the value as JSON in UTF-8; a lone surrogate becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def checked(kind: str, value: str, name: str | None = None) -> str:
    """Return an identifier of this kind, such as ``run_id``. Raises 400 when the value cannot be one."""
    pattern, meaning = _IDENTIFIERS[kind]
    if not pattern.fullmatch(value):
        msg = f"{name or kind} must be {meaning}."
        raise web.HTTPError(400, msg)
    return value


def _takes_gzip(accepted: str) -> bool:
    for part in accepted.split(","):
        name, _, weight = part.partition(";")
        if name.strip().lower() == "gzip":
            return not re.fullmatch(r"\s*q\s*=\s*0(\.0{0,3})?\s*", weight)
    return False


def _no_number(name: str) -> Any:
    msg = f"{name} is no JSON."
    raise ValueError(msg)
