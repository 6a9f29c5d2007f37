"""``ipython`` in a kernel of its own: code runs in another process, which Jupyter starts and which can be killed.

``repl`` is the environment. Below it ``kernel`` (with ``process``, ``channels`` and ``io_thread``) runs requests,
``layout`` says which names the kernel must have, ``questions`` answers its queries, ``in_kernel`` is what runs there.
"""

from __future__ import annotations

from .repl import SubprocessREPL

__all__ = ["SubprocessREPL"]
