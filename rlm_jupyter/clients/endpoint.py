"""Where requests go and what they carry: the address of a server, and the key that belongs to it and to no other."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from rlm_jupyter.core.errors import ConfigurationError

__all__ = ["KEYS", "OPENAI", "OWN_KEY", "Endpoint"]

OPENAI = "https://api.openai.com/v1"
KEYS = {"api.openai.com": "OPENAI_API_KEY", "openrouter.ai": "OPENROUTER_API_KEY"}
OWN_KEY = "RLM_JUPYTER_API_KEY"
_PLACEHOLDER = "none"  # servers without keys still want an Authorization header that is well-formed
_SECRET_NAME = re.compile(r"auth|key|token|secret|passw|cookie|credential|signature", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server and what is sent to it with every request.

    ``url`` holds no credentials; ``host`` is its host and port, for messages. ``key_source`` says where the key came
    from, None when none is sent. ``headers`` go with every request; ``foreign_headers`` are names that the OpenAI SDK
    would take from the environment and that are none of this server's business. With ``has_changing_key`` the key is
    asked for anew with every request; ``secrets`` then grow. ``is_azure``: its models are deployments of a resource.
    """

    url: str
    host: str
    is_openai: bool
    key_source: str | None
    api_key: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    foreign_headers: tuple[str, ...] = ()
    secrets: Sequence[str] = field(default=(), repr=False)
    has_changing_key: bool = False
    is_azure: bool = False

    @classmethod
    def find(
        cls,
        base_url: str | None,
        api_key: str | None,
        headers: Mapping[str, str],
        query: Mapping[str, object],
        environ: Mapping[str, str],
    ) -> Endpoint:
        """Return the endpoint that the arguments, and for what they leave open the environment, name.

        Raises ``ConfigurationError`` when the address cannot be used or its key is missing.
        """
        split = _split(base_url or environ.get("OPENAI_BASE_URL") or OPENAI)
        host = split.netloc.rpartition("@")[2]
        provider = _provider(split)
        is_openai = provider == "api.openai.com"
        login = _login(split)
        sent = {**login, **headers}
        if login and api_key is not None:
            msg = f"Both base_url and api_key hold credentials for {host}: leave one of them out."
            raise ConfigurationError(msg)
        authorized = any(name.lower() == "authorization" for name in sent)
        key, key_source = (
            (_PLACEHOLDER, "the credentials given for it")
            if authorized and api_key is None
            else _key(api_key, provider, _key_variable(provider, environ, chosen=base_url is not None), host, environ)
        )
        ambient = _ambient_headers(environ)
        if not is_openai and not authorized:
            sent["Authorization"] = f"Bearer {key}"
        for name, value in sent.items():
            _check_header(name, value)
        return cls(
            url=urlunsplit((split.scheme, host, split.path, "", "")),
            host=host,
            is_openai=is_openai,
            key_source=key_source,
            api_key=key,
            headers=sent,
            foreign_headers=() if is_openai else tuple(ambient),
            secrets=_secrets(key, split, [*sent.items(), *query.items(), *(ambient.items() if is_openai else ())]),
        )

    @classmethod
    def at_azure(
        cls,
        address: str,
        credential: tuple[str, str],
        headers: Mapping[str, str],
        query: Mapping[str, object],
        environ: Mapping[str, str],
        *,
        has_changing_key: bool = False,
    ) -> Endpoint:
        """Return the endpoint at an Azure resource's address; ``credential`` is a key or token, and its source.

        Raises ``ConfigurationError`` when the address cannot be used.
        """
        split, (key, key_source) = _split(address), credential
        _check_key(key, key_source)
        if split.username is not None:
            msg = "An Azure endpoint has no credentials in its address: pass api_key=... or azure_ad_token=... instead."
            raise ConfigurationError(msg)
        for name, value in headers.items():
            _check_header(name, value)
        return cls(
            url=urlunsplit((split.scheme, split.netloc, split.path.rstrip("/"), "", "")),
            host=split.netloc,
            is_openai=False,
            key_source=key_source,
            api_key=key,
            headers=dict(headers),
            foreign_headers=tuple(_ambient_headers(environ)),
            secrets=list(_secrets(key, split, [*headers.items(), *query.items()])),
            has_changing_key=has_changing_key,
            is_azure=True,
        )

    @property
    def address_rule(self) -> str:
        """What is to be known of such a server's address, as a clause."""
        if self.is_azure:
            return "azure_endpoint is the resource's address, https://NAME.openai.azure.com, without a path"
        return "base_url must be that of an OpenAI-compatible server, and most end in /v1"

    def redact(self, text: str) -> str:
        """Return the text without this endpoint's secrets; servers like to quote them in their errors."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "[redacted]")
        return text


def _split(base_url: str) -> SplitResult:
    try:
        split = urlsplit(base_url.strip())
        usable = split.scheme in ("http", "https") and bool(split.hostname) and (split.port or True)
    except ValueError:
        usable = False
    if not usable:
        msg = (
            f"base_url {base_url.rpartition('@')[2]!r} is not the address of a server: "
            "give it as http://localhost:11434/v1 or https://host/v1."
        )
        raise ConfigurationError(msg)
    if split.query or split.fragment:
        msg = f"base_url {split.netloc.rpartition('@')[2]!r} has a query: give it as default_query={{...}} instead."
        raise ConfigurationError(msg)
    return split


def _provider(split: SplitResult) -> str | None:
    """Return the provider whose server this is; None for any other, and where the key would travel in the open."""
    host = (split.hostname or "").lower()
    providers = [name for name in KEYS if host == name or host.endswith(f".{name}")]
    return providers[0] if providers and split.scheme == "https" else None


def _login(split: SplitResult) -> dict[str, str]:
    if split.username is None:
        return {}
    login = f"{unquote(split.username)}:{unquote(split.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


def _key_variable(provider: str | None, environ: Mapping[str, str], *, chosen: bool) -> str:
    """Return the variable that holds the server's key: a key goes to the server that it was made for.

    ``OPENAI_BASE_URL`` and ``OPENAI_API_KEY`` are a pair, as for the SDK; an address that was ``chosen`` otherwise is
    not known to be OpenAI's and does not get OpenAI's key.
    """
    if provider:
        return KEYS[provider]
    return OWN_KEY if chosen or environ.get(OWN_KEY) else "OPENAI_API_KEY"


def _key(
    api_key: str | None, provider: str | None, variable: str, host: str, environ: Mapping[str, str]
) -> tuple[str, str | None]:
    """Return the key and where it comes from."""
    source = "the api_key argument" if api_key is not None else f"the environment variable {variable}"
    key = (environ.get(variable, "") if api_key is None else api_key).strip()
    _check_key(key, source)
    if key:
        return key, source if key != _PLACEHOLDER else None
    if provider is None:
        return _PLACEHOLDER, None
    msg = (
        f"There is no API key for {host}. Three ways out: set {variable} or pass api_key=...; use a local server with "
        'base_url="http://localhost:11434/v1"; or use backend="offline", which needs no key and no network.'
    )
    raise ConfigurationError(msg)


def _check_key(key: str, source: str) -> None:
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        msg = f"The API key in {source} has characters that no key has: copy it again, without line ends and quotes."
        raise ConfigurationError(msg)


def _ambient_headers(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that the OpenAI SDK reads from the environment."""
    lines = [line.partition(":") for line in environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")]
    return {name.strip(): value.strip() for name, colon, value in lines if colon}


def _check_header(name: str, value: object) -> None:
    if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
        msg = f"The header {name!r} in default_headers has a value that cannot be sent: use one line of ASCII text."
        raise ConfigurationError(msg)


def _secrets(key: str, split: SplitResult, named: list[tuple[str, object]]) -> tuple[str, ...]:
    found = [key, *(part for part in (split.username, split.password) if part)]
    found += [unquote(part) for part in found[1:]]
    for name, value in named:
        if _SECRET_NAME.search(name):
            found += [str(value), str(value).rpartition(" ")[2]]
    return tuple(dict.fromkeys(secret for secret in found if secret and secret.rpartition(" ")[2] != _PLACEHOLDER))
