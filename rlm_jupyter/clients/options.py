"""The options that the network clients have in common, looked at before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlm_jupyter.core.errors import ConfigurationError

from .prices import check_provider
from .request_body import check_sampling

__all__ = ["check_options"]

_OPTIONS = (
    "default_headers",
    "default_query",
    "http_client",
    "max_retries",
    "organization",
    "price_provider",
    "project",
)
_STRINGS = (
    "api_key",
    "api_version",
    "azure_ad_token",
    "azure_deployment",
    "azure_endpoint",
    "base_url",
    "organization",
    "price_provider",
    "project",
)


def check_options(backend: str, arguments: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Raise ``ConfigurationError`` for what cannot be used.

    ``arguments`` are the backend's own, by name, ``options`` those that it has besides; None is nothing given.
    """
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        msg = f"The {backend} backend has no option {', '.join(unknown)}. It has: {', '.join([*arguments, *_OPTIONS])}."
        raise ConfigurationError(msg)
    given = {**arguments, **options}
    for name in ("sampling_args", "default_headers", "default_query"):
        if not isinstance(given.get(name), Mapping | None):
            msg = f"{name} must be a dictionary, not a {type(given[name]).__name__}."
            raise ConfigurationError(msg)
    for name in _STRINGS:
        if not isinstance(given.get(name), str | None):
            msg = f"{name} must be a string, not a {type(given[name]).__name__}."
            raise ConfigurationError(msg)
    check_sampling(given.get("sampling_args") or {})
    if given.get("price_provider") is not None:
        check_provider(given["price_provider"])
    provider = given.get("azure_ad_token_provider")
    if provider is not None and not callable(provider):
        msg = f"azure_ad_token_provider must be a function that returns a token, not a {type(provider).__name__}."
        raise ConfigurationError(msg)
    model_name, timeout, retries = given["model_name"], given["timeout"], given.get("max_retries")
    if not isinstance(model_name, str) or not model_name.strip():
        msg = f"model_name must be the name of a model, not {model_name!r}."
        raise ConfigurationError(msg)
    if timeout is not None and not (isinstance(timeout, int | float) and timeout > 0):
        msg = f"timeout must be a number of seconds above 0, or None, not {timeout!r}."
        raise ConfigurationError(msg)
    if retries is not None and (not isinstance(retries, int) or retries < 0):
        msg = f"max_retries must be a whole number from 0, not {retries!r}."
        raise ConfigurationError(msg)
