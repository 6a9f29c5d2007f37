"""A server with the extension in it, and what a client of its REST says and hears."""

from __future__ import annotations

import asyncio
import json
from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from jupyter_server.serverapp import ServerApp
from recorded_runs import Recorded, conversation
from tornado.httpclient import HTTPResponse
from tornado.httputil import HTTPHeaders
from traitlets.config import Config

KERNEL = "11111111-2222-4333-8444-555555555555"


@dataclass
class Answer:
    """What a request was answered with."""

    status: int
    headers: HTTPHeaders
    body: bytes

    @property
    def json(self) -> Any:
        """The body's values."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body as a text."""
        return self.body.decode()


class Rest:
    """A client with the server's token, and the parts of the extension behind it."""

    def __init__(self, app: ServerApp, fetch: Callable[..., Any], header: dict[str, str]) -> None:
        self.app = app
        self.header = header
        self._fetch = fetch

    @property
    def services(self) -> Any:
        """The parts of the extension."""
        return self.app.web_app.settings["rlm_jupyter"]

    async def ask(
        self, verb: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, **query: Any
    ) -> Answer:
        """Send a request, as it is: the path is escaped already. Bytes are sent as they are, values as JSON."""
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        url = f"{self.app.base_url}rlm-jupyter/{path}"
        response: HTTPResponse = await self._fetch(
            f"{url}?{urlencode(query)}" if query else url,
            method=verb,
            headers=self.header if headers is None else headers,
            body=content,
            raise_error=False,
            allow_nonstandard_methods=True,
            request_timeout=30,
            decompress_response=False,
        )
        return Answer(response.code, response.headers, response.body)

    async def get(self, path: str, **query: Any) -> Any:
        """The values of a good answer."""
        answer = await self.ask("GET", path, **query)
        assert answer.status == 200, (answer.status, answer.body)
        return answer.json

    def keep(self, events: Sequence[Recorded], notebook: str | None = None, kernel: str = KERNEL) -> str:
        """Put events into the store as a kernel's, and return the id of their run."""
        store = self.services.store
        store.take(kernel, store.notebook(notebook) if notebook is not None else None, events)
        return events[0].run_id

    def keep_conversation(self, notebook: str | None, *questions: str, **arguments: Any) -> list[str]:
        """Put the runs of a session into the store, and return their ids in order."""
        runs = conversation(*questions, **arguments).values()
        return [self.keep(events, notebook) for events in runs]


def escaped(path: str) -> str:
    """The text as one part of a URL's path."""
    return quote(path, safe="")


@pytest.fixture
def jp_server_config(jp_server_config: Config) -> Config:
    jp_server_config.merge(Config({"ServerApp": {"jpserver_extensions": {"rlm_jupyter": True}}}))
    return jp_server_config


@pytest.fixture
def rest(
    jp_serverapp: ServerApp, http_server_client: Any, jp_auth_header: dict[str, str], jp_asyncio_loop: AbstractEventLoop
) -> Rest:
    """The extension is running, as it is in a server whose loop is its own."""
    starting: Any = jp_serverapp.extension_manager.start_all_extensions
    jp_asyncio_loop.run_until_complete(starting())
    rest = Rest(jp_serverapp, http_server_client.fetch, jp_auth_header)
    # Else it may yet end what a test puts into the store as a kernel's that there is not.
    jp_asyncio_loop.run_until_complete(asyncio.wait_for(rest.services.housekeeping.settled.wait(), 60))
    return rest


@pytest.fixture
def starting(jp_serverapp: ServerApp, http_server_client: Any, jp_auth_header: dict[str, str]) -> Rest:
    """The server answers already, and the extension is not there yet."""
    return Rest(jp_serverapp, http_server_client.fetch, jp_auth_header)
