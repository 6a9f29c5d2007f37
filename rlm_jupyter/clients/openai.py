"""The network client: any OpenAI-compatible server, through the OpenAI SDK and its aiohttp transport."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .chat import ChatClient
from .endpoint import Endpoint
from .options import check_options

if TYPE_CHECKING:
    import httpx2
    import openai

__all__ = ["OpenAIClient"]


class OpenAIClient(ChatClient):
    """A model behind an OpenAI-compatible API.

    ``timeout`` is for how many seconds the server may send nothing, and six times as many nothing but comments in a
    stream; None for ever. ``sampling_args`` go with every request as they are, and the fields in their ``extra_body``
    beside them. ``max_retries`` is how often a call is repeated after failures that may pass, 0 for never; a server
    that says it is overloaded is asked again as long as there is time. ``price_provider`` names the provider whose list
    prices hold where the server says no cost (``openai``, ``anthropic``, ...). Further options are those of
    ``openai.AsyncOpenAI``: ``default_headers``, ``default_query``, ``http_client``, which the user closes,
    ``organization`` and ``project``. Raises ``ConfigurationError`` for arguments that cannot be used and for a missing
    key.
    """

    def __init__(
        self,
        model_name: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        sampling_args: Mapping[str, Any] | None = None,
        timeout: float | None = 300.0,
        **kwargs: Any,
    ) -> None:
        arguments = {
            "model_name": model_name,
            "api_key": api_key,
            "base_url": base_url,
            "sampling_args": sampling_args,
            "timeout": timeout,
        }
        check_options("openai", arguments, kwargs)
        headers, query = kwargs.pop("default_headers", None) or {}, kwargs.pop("default_query", None) or {}
        endpoint = Endpoint.find(base_url, api_key, headers, query, os.environ)
        sampling = dict(sampling_args or {})
        super().__init__(model_name, endpoint, sampling=sampling, timeout=timeout, query=query, options=kwargs)

    def _new_sdk(self, http_client: httpx2.AsyncClient, timeout: openai.Timeout) -> openai.AsyncOpenAI:
        import openai

        sdk = openai.AsyncOpenAI(
            api_key=self._endpoint.api_key,
            base_url=self._endpoint.url,
            timeout=timeout,
            default_query=self._query,
            http_client=http_client,
            **self._options,
        )
        self._forget_openais(sdk)
        return sdk
