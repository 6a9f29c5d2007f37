"""errors.md: what is raised."""

from __future__ import annotations

import rlm_jupyter
from rlm_jupyter.core import errors

from .markdown import code, paragraphs, prose

__all__ = ["errors_page"]


def errors_page() -> str:
    """Return the page."""
    found = _errors()
    return paragraphs(
        "# Errors",
        "What a message means and what to do about it is told in [troubleshooting](../troubleshooting.md). All but "
        "those of a file or of an export are raised by runs. "
        "`except RLMError` takes whatever ended a run but an interrupt.",
        *(part for kind in found for part in _about(kind)),
    )


def _errors() -> list[type[BaseException]]:
    """Return the public errors, those of a run first, in the order in which they are defined."""
    own = [value for name, value in vars(errors).items() if name in errors.__all__ and isinstance(value, type)]
    public = [getattr(rlm_jupyter, name) for name in rlm_jupyter.__all__]
    others = [each for each in public if isinstance(each, type) and issubclass(each, BaseException) and each not in own]
    return [*own, *others]


def _about(kind: type[BaseException]) -> tuple[str, ...]:
    bases = " and ".join(code(base.__name__) for base in kind.__bases__)
    where = "`rlm_jupyter`" if kind.__name__ in rlm_jupyter.__all__ else code(kind.__module__)
    return f"## `{kind.__name__}`", f"A kind of {bases}; in {where}.", prose(kind.__doc__)
