"""Pyplot's open figures, those of a cell apart from the user's."""

from __future__ import annotations

import sys
from typing import Any

from .own_state import OwnState

__all__ = ["own_figures", "show"]


def own_figures() -> OwnState[dict[int, Any]]:
    """Return the open figures as a state of the cell's own; it finds none at first.

    Otherwise the inline backend would show them at the end of the user's cell, in it, and ``plt.show()`` would take the
    user's.
    """
    return OwnState(lambda: dict(_inline_figures()), _set_figures, {})


def show(figures: dict[int, Any]) -> None:
    """Display the figures."""
    if figures:
        from IPython.display import display

        display(*(manager.canvas.figure for manager in figures.values()))


def _set_figures(figures: dict[int, Any]) -> None:
    inline = _inline_figures()
    inline.clear()
    inline.update(figures)


def _inline_figures() -> dict[int, Any]:
    """Return pyplot's open figures by number, where the inline backend shows them: the very dict, to change."""
    helpers = sys.modules.get("matplotlib._pylab_helpers")
    inline = sys.modules.get("matplotlib_inline.backend_inline")
    if helpers is None or inline is None or "inline" not in sys.modules["matplotlib"].get_backend():
        return {}
    figures: dict[int, Any] = helpers.Gcf.figs
    return figures
