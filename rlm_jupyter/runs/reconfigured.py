"""What an ``RLM`` is told that works in the REPL of another one, with another client and other limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rlm_jupyter.trace.redaction import secrets_in

from .arguments import check_arguments, checked_record_limit, chosen_cache, chosen_compaction

if TYPE_CHECKING:
    from .settings import Setup

__all__ = ["reconfigured"]


def reconfigured(  # noqa: PLR0913 - as many as ``RLM.reconfigured`` has
    setup: Setup,
    backend: str,
    backend_kwargs: Mapping[str, Any],
    limits: Mapping[str, Any],
    others: Sequence[tuple[str, Mapping[str, Any]]] | None,
    *,
    compaction: bool | None,
    context_window: int | None,
    cache: Any,
    sampling_args: Mapping[str, Any] | None,
    sub_sampling_args: Mapping[str, Any] | None,
    record_limit: int | None,
) -> Setup:
    """Return the setup with what is told, the rest as it was; arguments and errors as for ``RLM.reconfigured``."""
    check_arguments(cache=cache, sampling_args=sampling_args, sub_sampling_args=sub_sampling_args)
    told = (backend_kwargs, *(arguments for _, arguments in others or ()))
    kept_in = setup.models.cache if cache is None else chosen_cache(cache)
    models = setup.models.with_root((backend, dict(backend_kwargs)), kept_in, others)
    below = sampling_args if sub_sampling_args is None else sub_sampling_args
    compacted = setup.compaction.for_model(models.root.name) if setup.compaction is not None else None
    if compaction is not None:
        compacted = chosen_compaction(models.root.name, window=context_window, wanted=compaction)
    return replace(
        setup,
        models=models,
        backend=backend,
        limits=replace(setup.limits, **limits),
        secrets=(*setup.secrets, *models.secrets, *(secret for each in told for secret in secrets_in(each))),
        sampling=setup.sampling if sampling_args is None else dict(sampling_args),
        recursion=setup.recursion if below is None else replace(setup.recursion, sampling=dict(below)),
        compaction=compacted,
        window=setup.window if context_window is None else context_window,
        record_limit=setup.record_limit if record_limit is None else checked_record_limit(record_limit),
    )
