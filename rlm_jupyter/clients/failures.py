"""What to tell the user when a server did not reply: what happened, and what to do about it."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rlm_jupyter.core.errors import ClientError

from .endpoint import Endpoint
from .rate_limits import retry_after, should_retry
from .retries import BrokenReplyError, SilenceError

if TYPE_CHECKING:
    import httpx2

__all__ = [
    "READS_PICTURES",
    "SPENT_CODES",
    "after_retries",
    "causes",
    "explain_connection",
    "explain_status",
    "is_retryable",
    "quote",
    "shortened",
]

_LONGEST_QUOTE = 400  # characters of a server's own words in a message of ours

_ADVICE = {
    400: "Check sampling_args, and that the prompt fits the model {model!r}{pictures}.",
    401: "{key}",
    402: "Check the account's credit.",
    403: "{key}",
    404: "Check that {there}, and that the address is right: {address}.",
    413: "The prompt is too long for this server: send less of it at once.",
    422: "Check sampling_args, and that the prompt fits the model {model!r}{pictures}.",
    429: "Wait a little, lower max_concurrent_subcalls, or check the account's limits and credit.",
}
READS_PICTURES = ", and that it reads pictures"
"""What to check besides, when the prompt held some."""

_SPENT = "Check the account's plan and credit: waiting does not help."
SPENT_CODES = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "credit_balance_too_low"}
_CHECK_KEY = "Check {source}: the key may be wrong, expired, without rights, or made for another server."
_NO_KEY = (
    "No API key was sent to it: pass api_key=... or set RLM_JUPYTER_API_KEY. "
    "OPENAI_API_KEY goes to OpenAI's own API only."
)


def is_retryable(status: int | None) -> bool:
    """Return whether a request that failed with this HTTP status, None for no answer at all, may yet succeed."""
    return status is None or status in (408, 409, 429) or status >= 500


def quote(error: object, endpoint: Endpoint) -> str:
    """Return a server's own words on what went wrong as one short line, without the secrets that it repeats."""
    while isinstance(error, dict):
        inner = error.get("error") or error.get("message") or error.get("detail")
        if not inner:
            break
        error = inner
    words = endpoint.redact(" ".join(str(error or "").split()))
    if not words:
        return "it gave no reason."
    if words.startswith("<"):
        return "it sent an HTML page."
    short = shortened(words)
    return short if short.endswith((".", "!", "?")) else f"{short}."


def explain_status(
    response: httpx2.Response, said: bytes, endpoint: Endpoint, model: str, retries: int, *, pictures: bool = False
) -> ClientError:
    """Return the error for an answer with a status other than 2xx; ``said`` is its body.

    ``pictures`` tells whether the prompt held some.
    """
    status, body = response.status_code, _body(said)
    told = should_retry(response.headers)
    is_spent = status == 429 and _is_spent(body)
    retryable = (is_retryable(status) if told is None else told) and not is_spent
    later = "The fault is the server's: ask again later, or use another server."
    advice = _SPENT if is_spent else _ADVICE.get(status, later if retryable else "Check base_url.")
    key = _NO_KEY if endpoint.key_source is None else _CHECK_KEY.format(source=endpoint.key_source)
    there = f"the model {model!r} exists there"
    if endpoint.is_azure:
        there = f"a deployment has the name that is asked for (azure_deployment, else the model's: {model!r})"
    reads = READS_PICTURES if pictures else ""
    advised = advice.format(model=model, key=key, pictures=reads, there=there, address=endpoint.address_rule)
    msg = f"{endpoint.host} answered {status}{after_retries(retries)}: {quote(body, endpoint)} {advised}"
    after = retry_after(response.headers)
    return ClientError(msg, status=status, retryable=retryable, retries=retries, retry_after=after)


def explain_connection(
    error: Exception, endpoint: Endpoint, timeout: float | None, retries: int, size: int
) -> ClientError:
    """Return the error for a connection that was not made, or that broke ``size`` characters into the reply."""
    cause = _cause(error)
    happened, remedy = _what_broke(cause, timeout)
    where = f", {size} characters into it: what came is not used" if size else ""
    msg = f"{endpoint.host} {happened}{where}{after_retries(retries)}. {remedy}"
    return _kind(cause)(msg, retryable=True, retries=retries, unsent=isinstance(cause, _unreached()))


def _body(said: bytes) -> object:
    try:
        return json.loads(said)
    except (ValueError, RecursionError):
        return said.decode(errors="replace")


def _is_spent(body: object) -> bool:
    """Return whether the account's quota is used up, as OpenAI says it: waiting does not bring it back."""
    error = body.get("error", body) if isinstance(body, dict) else None
    return isinstance(error, dict) and bool(SPENT_CODES & {str(error.get("code")), str(error.get("type"))})


def _unreached() -> tuple[type[BaseException], ...]:
    """Return what is raised when there is no connection that a request could be sent over."""
    import aiohttp
    import httpx2

    return (
        aiohttp.ClientConnectorError,
        aiohttp.ConnectionTimeoutError,
        ConnectionRefusedError,
        httpx2.ConnectError,
        httpx2.ConnectTimeout,
        socket.gaierror,
    )


def _kind(cause: BaseException) -> type[ClientError]:
    """Return whether the server was not reached, did not speak, or broke off."""
    import httpx2

    if isinstance(cause, (*_unreached(), ssl.SSLError)):
        return ClientError
    silent = isinstance(cause, (asyncio.TimeoutError, TimeoutError, httpx2.ReadTimeout))
    return SilenceError if silent else BrokenReplyError


def shortened(words: str) -> str:
    """Return somebody else's words for a message of ours."""
    return words if len(words) <= _LONGEST_QUOTE else f"{words[:_LONGEST_QUOTE]}…"


def after_retries(retries: int) -> str:
    """Return how often the request was repeated, to stand behind what happened; nothing when it was not."""
    if not retries:
        return ""
    return f" (after {retries} {'retry' if retries == 1 else 'retries'})"


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what it came of, from the outermost on."""
    each: BaseException | None = error
    while each is not None:
        yield each
        each = each.__cause__ or each.__context__


def _cause(error: BaseException) -> BaseException:
    """Return the transport's own exception: nearly all of them are called a timeout on the way up."""
    import aiohttp

    chain = list(causes(error))
    return next((each for each in chain if isinstance(each, aiohttp.ClientError)), chain[-1])


def _what_broke(cause: BaseException, timeout: float | None) -> tuple[str, str]:
    """Return what happened, and what to do about it."""
    import aiohttp

    silence = f" for {timeout:g} s" if timeout else ""
    table: list[tuple[tuple[type[BaseException], ...], str, str]] = [
        (
            (aiohttp.ClientConnectorDNSError, socket.gaierror),
            "is not known: there is no host of that name",
            "Check base_url and the network.",
        ),
        (
            (aiohttp.ClientSSLError, ssl.SSLError),
            "offers no secure connection that can be trusted",
            "Check that base_url rightly says https://; for a certificate authority of your own set SSL_CERT_FILE.",
        ),
        ((aiohttp.ConnectionTimeoutError,), "could not be reached in time", "Check base_url and the network."),
        (
            (asyncio.TimeoutError, TimeoutError),
            f"sent nothing{silence} although the reply was not complete",
            "Ask for less at once, or raise timeout=...",
        ),
        (
            (aiohttp.ClientConnectorError, ConnectionRefusedError),
            "refused the connection: nothing answers there",
            "Start the server, or check base_url.",
        ),
        ((aiohttp.ClientResponseError,), "answered with something that is not HTTP", "Check base_url."),
    ]
    for kinds, happened, remedy in table:
        if isinstance(cause, kinds):
            return happened, remedy
    return "cut the connection before the reply was complete", "Check that the server is well, then ask again."
