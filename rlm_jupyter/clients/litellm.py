"""The client for providers with an API of their own (Anthropic, Gemini, Bedrock, ...), through the litellm library."""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from rlm_jupyter.core.errors import ClientError, ConfigurationError, RLMError
from rlm_jupyter.core.protocols import ModelReply, ModelRequest, OnText
from rlm_jupyter.core.usage import Usage

from .failures import READS_PICTURES, SPENT_CODES, after_retries, causes, is_retryable, shortened
from .litellm_reply import LiteLLMReply
from .loading import in_thread
from .prices import is_public
from .rate_limits import retry_after, should_retry
from .request_body import chat_fields, check_sampling
from .retries import MAX_RETRIES, BrokenReplyError, SilenceError, persist
from .throttle import Throttle, throttle_for

__all__ = ["LiteLLMClient"]

_SECRET_NAME = re.compile(r"auth|key|token|secret|passw|cookie|credential", re.IGNORECASE)
_PLACEHOLDER = "none"  # what servers without keys are sent
_OWN_KEY = "at a base_url give it as api_key=..., or in RLM_JUPYTER_API_KEY"
_PROVIDERS_KEY = "give it as api_key=..., or in the variable that the provider's name says (ANTHROPIC_API_KEY)"
_NO_FETCHING = "LITELLM_LOCAL_MODEL_COST_MAP"

_ITS_OWN_WARNING = r"Item '\w+' on TypedDict class '\w+' is using the `ReadOnly` qualifier"
"""What pydantic says of litellm's types at the first stream; it is nothing that a user could mend."""

_TRACEBACK = "Traceback (most recent call last)"
_NOT_SET_UP = re.compile(
    r"missing (?:\S+ ){0,3}(?:api[ _]?key|credentials)|no (?:\S+ )?api[ _]?key|(?:is|are|be|id) not set\b"
    r"|credentials were not found|unable to locate credentials|provider not provided",
    re.IGNORECASE,
)
"""What litellm and the libraries below it say of a call that they do not send: no key, no project, no such provider."""

_SET_UP = (
    "Check the model's name, provider/model as litellm has it, and give what is missing in backend_kwargs, such as "
    "api_key=..., or in the environment."
)
_INSTALL = "Install the library for this provider beside litellm, then restart the kernel; Bedrock's: pip install boto3"
_ADVICE = {
    400: "Check sampling_args and the model's name (provider/model), and that the prompt fits the model{pictures}.",
    401: "Check the key: {key}.",
    403: "Check what the key may do.",
    404: "Check the model's name: litellm wants provider/model.",
    429: "Wait a little, lower max_concurrent_subcalls, or check the account's limits and credit.",
}


class LiteLLMClient:
    """A model behind any API that litellm knows; ``model_name`` is litellm's, ``anthropic/claude-sonnet-4-5``.

    ``timeout`` is for how many seconds a reply may take to begin or to go on, None for litellm's own. ``sampling_args``
    go with every request. ``max_retries`` is how often a call is repeated; further options go to
    ``litellm.acompletion`` as they are (``api_version``, ``aws_region_name``, ``vertex_project``, ...).
    Without ``api_key``, litellm takes the provider's from the environment; to a ``base_url`` goes none of these, but
    ``RLM_JUPYTER_API_KEY``. Raises ``ConfigurationError`` where litellm
    is not installed.
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
        if not isinstance(model_name, str) or not model_name.strip():
            msg = f"model_name must be the name of a model as litellm has it, provider/model, not {model_name!r}."
            raise ConfigurationError(msg)
        if timeout is not None and not (isinstance(timeout, int | float) and timeout > 0):
            msg = f"timeout must be a number of seconds above 0, or None, not {timeout!r}."
            raise ConfigurationError(msg)
        retries = kwargs.pop("max_retries", None)
        if retries is not None and (type(retries) is not int or retries < 0):
            msg = f"max_retries must be a whole number from 0, not {retries!r}."
            raise ConfigurationError(msg)
        if not isinstance(sampling_args, Mapping | None):
            msg = f"sampling_args must be a dictionary, not a {type(sampling_args).__name__}."
            raise ConfigurationError(msg)
        check_sampling(sampling_args or {})
        if "litellm" not in sys.modules and importlib.util.find_spec("litellm") is None:
            msg = 'The backend litellm needs the library of that name: pip install "rlm-jupyter[litellm]"'
            raise ConfigurationError(msg)
        if base_url is not None and api_key is None:  # or litellm would send it the key that is the provider's
            api_key = os.environ.get("RLM_JUPYTER_API_KEY") or _PLACEHOLDER
        self._model_name = model_name
        self._sampling = dict(sampling_args or {})
        self._max_retries: int = MAX_RETRIES if retries is None else retries
        self._has_list_price = base_url is None or is_public(base_url)
        given = {"api_key": api_key, "base_url": base_url, "timeout": timeout}
        self._options = {**kwargs, **{name: value for name, value in given.items() if value is not None}}
        secrets = dict.fromkeys(_secrets_in({**kwargs, "api_key": api_key}))
        self._secrets = tuple(secret for secret in secrets if secret != _PLACEHOLDER)
        self._has_own_server = base_url is not None
        self._throttled_as = (base_url or model_name.partition("/")[0], api_key or "")
        self._throttle: tuple[asyncio.AbstractEventLoop, Throttle] | None = None

    @property
    def model_name(self) -> str:
        """The model that is asked when a request names none."""
        return self._model_name

    @property
    def secrets(self) -> Sequence[str]:
        """The keys that were given; those in the environment are known by their names."""
        return self._secrets

    async def acompletion(self, request: ModelRequest, on_text: OnText | None = None) -> ModelReply:
        """Return the reply; with ``on_text`` it is streamed, and each piece handed over as it arrives.

        The first call waits for litellm to be imported, some seconds, in a thread. Raises ``ClientError`` when there is
        no reply, ``ConfigurationError`` when litellm cannot be imported, or sends no request for want of a key, a
        library or a provider's name.
        """
        complete = await asyncio.wrap_future(_importing())
        model = request.model or self._model_name
        call = {**self._options, **chat_fields(request, model, self._sampling), "num_retries": 0, "max_retries": 0}
        pictures = any("parts" in message for message in request.messages)
        told = False

        def tell(piece: str) -> None:
            nonlocal told
            told = True
            if on_text is not None:
                on_text(piece)

        async def attempt(retries: int) -> ModelReply:
            nonlocal told
            if told and on_text is not None:
                on_text(None)
            told = False
            reply = LiteLLMReply(priced=self._has_list_price)
            try:
                if on_text is None:
                    reply.take_whole(await complete(**call))
                else:
                    streamed = {"stream": True, "stream_options": {"include_usage": True}}
                    async for chunk in await complete(**call, **streamed):
                        for piece in reply.take(chunk):
                            tell(piece)
            except _failures() as error:
                # What providers say quotes keys at times: their errors are never chained.
                raise self._explained(error, model, retries, reply.spent, pictures=pictures) from None
            return reply.reply(model, retries)

        throttle = self._throttle_here()
        return await persist(
            attempt,
            throttle,
            max_retries=self._max_retries,
            deadline=request.deadline,
            attempts=request.attempts,
        )

    async def aclose(self) -> None:
        """Do nothing: the connections are litellm's, which keeps them for all who use it in this process."""

    def _throttle_here(self) -> Throttle:
        """Return the throttle of the running loop, and keep it: what it has learnt is to outlast a call."""
        loop = asyncio.get_running_loop()
        if self._throttle is None or self._throttle[0] is not loop:
            self._throttle = (loop, throttle_for(*self._throttled_as))
        return self._throttle[1]

    def _explained(
        self, error: Exception, model: str, retries: int, spent: Usage | None, *, pictures: bool
    ) -> RLMError:
        """Return the error for a call that failed. Statuses that litellm made up for a lost connection are left out."""
        import openai

        headers = _headers_of(error)
        status = getattr(error, "status_code", None)
        status = status if isinstance(status, int) and (headers or (400 <= status < 500 and status != 408)) else None
        silent = isinstance(error, openai.APITimeoutError)
        words = " ".join(str(error).partition(_TRACEBACK)[0].split())
        for secret in sorted(self._secrets, key=len, reverse=True):
            words = words.replace(secret, "[redacted]")
        words = shortened(words)
        if not headers and spent is None and not _was_sent(error):
            if any(isinstance(each, ImportError) for each in causes(error)):
                return ConfigurationError(f"{model} was not asked: {words.rstrip('.')}. {_INSTALL}")
            if _NOT_SET_UP.search(words):
                return ConfigurationError(f"{model} was not asked: {words.rstrip('.')}. {_SET_UP}")
        happened = f"answered {status}" if status is not None else "gave no reply"
        advice = _ADVICE.get(status or 0, "Check base_url and the network, then ask again.").format(
            key=_OWN_KEY if self._has_own_server else _PROVIDERS_KEY,
            pictures=READS_PICTURES if pictures else "",
        )
        msg = f"The server of {model} {happened}{after_retries(retries)}: {words.rstrip('.')}. {advice}"
        lost = isinstance(error, openai.APIError | OSError)
        body = f"{getattr(error, 'body', '')} {error}"
        is_spent = any(code in body for code in SPENT_CODES)
        may_pass = lost if status is None else is_retryable(status) and not is_spent
        kind = SilenceError if silent else BrokenReplyError if spent is not None else ClientError
        return kind(
            msg,
            status=status,
            retryable=may_pass and should_retry(headers) is not False,
            retries=retries,
            retry_after=retry_after(headers),
            spent=spent,
        )


def _failures() -> tuple[type[Exception], ...]:
    """Return what litellm raises: kinds of the OpenAI SDK's errors, and what it does not translate."""
    import httpx
    import openai

    return (openai.OpenAIError, httpx.HTTPError, ImportError, OSError)


def _was_sent(error: Exception) -> bool:
    """Return whether the error came of a connection, or of one that was tried."""
    import httpx

    broken = (OSError, httpx.TransportError)
    return any(isinstance(each, broken) or "Connect" in type(each).__name__ for each in list(causes(error))[1:])


def _headers_of(error: Exception) -> Mapping[str, str]:
    """Return the headers of the answer that failed; none where there was no answer."""
    response = getattr(error, "response", None)
    for headers in (getattr(error, "litellm_response_headers", None), getattr(response, "headers", None)):
        if headers:
            return {str(name).lower(): str(value) for name, value in headers.items()}
    return {}


def _secrets_in(options: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for name, value in options.items():
        if isinstance(value, Mapping):
            found += _secrets_in({str(key): each for key, each in value.items()})
        elif isinstance(value, str) and value and _SECRET_NAME.search(name):
            found += [value, value.rpartition(" ")[2]]
    return found


@functools.cache
def _importing() -> Future[Callable[..., Any]]:
    """Return ``litellm.acompletion``, which takes seconds to import, 3 to 6 where it was measured."""
    return in_thread(_import, "rlm-jupyter-litellm")


def _import() -> Callable[..., Any]:
    # At its import, litellm fetches a table of prices from the network; it has one of its own. Nobody asked for that.
    quiet = "litellm" not in sys.modules and _NO_FETCHING not in os.environ
    if quiet:
        os.environ[_NO_FETCHING] = "True"
    try:
        import litellm

        complete: Callable[..., Any] = litellm.acompletion  # what makes most of the import
    except ImportError as error:
        msg = f'litellm cannot be imported: {error}. Install it anew: pip install "rlm-jupyter[litellm]"'
        raise ConfigurationError(msg) from error
    finally:
        if quiet:
            os.environ.pop(_NO_FETCHING, None)
    litellm.suppress_debug_info = True  # or it prints where to report bugs into the user's cell, at each error
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logger = logging.getLogger(name)
        if logger.level in {logging.NOTSET, logging.WARNING}:  # its own; who sets another wants it
            logger.setLevel(logging.CRITICAL)  # it writes whole tracebacks into the cell, of errors that it raises
    warnings.filterwarnings("ignore", message=_ITS_OWN_WARNING)
    return complete


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_importing.cache_clear)  # the thread that imports is not in a forked child
