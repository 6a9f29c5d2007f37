"""What can go wrong with a kernel, apart from what its code raises."""

from __future__ import annotations

from rlm_jupyter.core.errors import RLMError

__all__ = ["DeadKernelError", "KernelStartError"]


class DeadKernelError(RLMError, RuntimeError):
    """The kernel died, or was killed because it could not be stopped; what it held is lost."""


class KernelStartError(RLMError, RuntimeError):
    """The kernel could not be started; the message holds what it said on its standard error."""
