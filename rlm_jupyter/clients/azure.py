"""OpenAI's models on Azure: its addresses, API versions and two kinds of credentials, through the SDK's own client."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from rlm_jupyter.core.errors import ClientError, ConfigurationError

from .chat import ChatClient
from .endpoint import Endpoint
from .options import check_options

if TYPE_CHECKING:
    import httpx2
    import openai

__all__ = ["AzureClient", "TokenProvider"]

TokenProvider: TypeAlias = Callable[[], "str | Awaitable[str]"]
"""Returns an access token that is good for the next request, such as one of ``azure.identity``."""

_OWN_KEY = "RLM_JUPYTER_API_KEY"
_TOKENS = ("the azure_ad_token argument", "the environment variable AZURE_OPENAI_AD_TOKEN")


class AzureClient(ChatClient):
    """A model that is deployed on Azure.

    ``azure_endpoint``, or ``base_url``, is the resource's address (``https://NAME.openai.azure.com``),
    ``azure_deployment`` the deployment, which is otherwise named by the model. ``api_key``, ``azure_ad_token`` or
    ``azure_ad_token_provider`` is the credential. What is not given comes from ``AZURE_OPENAI_ENDPOINT``,
    ``OPENAI_API_VERSION``, ``AZURE_OPENAI_AD_TOKEN`` and ``AZURE_OPENAI_API_KEY``; the last two are sent to
    ``AZURE_OPENAI_ENDPOINT`` only. The other options are those of the openai backend. Raises ``ConfigurationError`` for
    arguments that cannot be used and for what is missing.
    """

    def __init__(
        self,
        model_name: str | None = None,
        *,
        azure_endpoint: str | None = None,
        base_url: str | None = None,
        azure_deployment: str | None = None,
        api_version: str | None = None,
        api_key: str | None = None,
        azure_ad_token: str | None = None,
        azure_ad_token_provider: TokenProvider | None = None,
        sampling_args: Mapping[str, Any] | None = None,
        timeout: float | None = 300.0,
        **kwargs: Any,
    ) -> None:
        model = model_name or azure_deployment
        arguments = {
            "model_name": model or "missing",  # which is told with all else that is
            "azure_endpoint": azure_endpoint,
            "base_url": base_url,
            "azure_deployment": azure_deployment,
            "api_version": api_version,
            "api_key": api_key,
            "azure_ad_token": azure_ad_token,
            "azure_ad_token_provider": azure_ad_token_provider,
            "sampling_args": sampling_args,
            "timeout": timeout,
        }
        check_options("azure", arguments, kwargs)
        headers, query = kwargs.pop("default_headers", None) or {}, kwargs.pop("default_query", None) or {}
        self._version = api_version or os.environ.get("OPENAI_API_VERSION")
        self._deployment = azure_deployment
        address = azure_endpoint or base_url or os.environ.get("AZURE_OPENAI_ENDPOINT")
        credential = _credential(address, api_key, azure_ad_token, azure_ad_token_provider)
        if not (model and self._version and address and credential):
            raise _missing(model, self._version, address, credential)
        changing = azure_ad_token_provider is not None
        endpoint = Endpoint.at_azure(address, credential, headers, query, os.environ, has_changing_key=changing)
        self._credential: dict[str, Any] = {"api_key": endpoint.api_key}
        if azure_ad_token_provider is not None:
            self._credential = {"azure_ad_token_provider": _known(azure_ad_token_provider, endpoint)}
        elif api_key is None and credential[1] in _TOKENS:
            self._credential = {"azure_ad_token": endpoint.api_key}
        sampling = dict(sampling_args or {})
        super().__init__(model, endpoint, sampling=sampling, timeout=timeout, query=query, options=kwargs)

    def _new_sdk(self, http_client: httpx2.AsyncClient, timeout: openai.Timeout) -> openai.AsyncOpenAI:
        import openai

        sdk = openai.AsyncAzureOpenAI(
            azure_endpoint=self._endpoint.url,
            azure_deployment=self._deployment,
            api_version=self._version,
            timeout=timeout,
            default_query=self._query,
            http_client=http_client,
            **self._credential,
            **self._options,
        )
        self._forget_openais(sdk)
        return sdk


def _missing(
    model: str | None, version: str | None, address: str | None, credential: tuple[str, str] | None
) -> ConfigurationError:
    """Return the error that names all that is missing at once."""
    said = {
        "The backend 'azure' needs the name of a deployment: give it as model_name, or as azure_deployment.": model,
        "There is no endpoint: set AZURE_OPENAI_ENDPOINT, or pass azure_endpoint=https://NAME.openai.azure.com.": (
            address
        ),
        "There is no API version: set OPENAI_API_VERSION, or pass api_version=... (such as 2024-10-21).": version,
        "There is no credential for the Azure endpoint: pass api_key=..., azure_ad_token=... or "
        f"azure_ad_token_provider=..., or set {_OWN_KEY}. AZURE_OPENAI_API_KEY is for AZURE_OPENAI_ENDPOINT only.": (
            credential
        ),
    }
    return ConfigurationError(" ".join(text for text, given in said.items() if not given))


def _credential(
    address: str | None, api_key: str | None, token: str | None, provider: TokenProvider | None
) -> tuple[str, str] | None:
    """Return the key or the token, empty where a function gives it, and where it comes from; None when there is none.

    Without an address, the environment's would be meant.
    """
    given = {
        "the api_key argument": api_key,
        "the azure_ad_token argument": token,
        "the azure_ad_token_provider argument": "" if provider is not None else None,
    }
    found = [(value.strip(), source) for source, value in given.items() if value is not None]
    if len(found) > 1:
        msg = f"There are two credentials, {found[0][1]} and {found[1][1]}: leave one of them out."
        raise ConfigurationError(msg)
    if found and (found[0][0] or provider is not None):
        return found[0]
    environments = address is None or _is_the_environments(address)
    variables = ["AZURE_OPENAI_AD_TOKEN", "AZURE_OPENAI_API_KEY"] if environments else [_OWN_KEY]
    for variable in variables:
        if value := os.environ.get(variable, "").strip():
            return value, f"the environment variable {variable}"
    return None


def _is_the_environments(address: str) -> bool:
    """Return whether the environment's credentials are for this address."""
    named = os.environ.get("AZURE_OPENAI_ENDPOINT", "")
    here, there = urlsplit(address.strip()), urlsplit(named.strip())
    return bool(named) and (here.scheme, here.netloc.lower()) == (there.scheme, there.netloc.lower())


def _known(provider: TokenProvider, endpoint: Endpoint) -> Callable[[], Awaitable[str]]:
    """Return the provider, with every token that it gives kept among the endpoint's secrets."""

    async def provide() -> str:
        try:
            given = await asyncio.to_thread(provider)  # it may ask a server for the token
            token = await given if inspect.isawaitable(given) else given
        except Exception as error:
            msg = f"azure_ad_token_provider gave no token for {endpoint.host}: {endpoint.redact(repr(error))}"
            raise ClientError(msg) from None
        if not isinstance(token, str) or not token:
            msg = f"azure_ad_token_provider must return a token, not a {type(token).__name__}."
            raise ConfigurationError(msg)
        if token not in endpoint.secrets and isinstance(endpoint.secrets, list):
            endpoint.secrets.append(token)
        return token

    return provide
