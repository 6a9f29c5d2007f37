"""axe-core, which finds what people with a keyboard, a screen reader or other eyes could not use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

__all__ = ["violations"]

_AXE = Path(__file__).resolve().parents[2] / "labextension" / "node_modules" / "axe-core" / "axe.min.js"

_RUN = """async selector => {
  const found = await window.axe.run(selector, { resultTypes: ['violations'] });
  return found.violations.map(({ id, help, nodes }) => ({
    id, help, nodes: nodes.map(node => `${node.html.slice(0, 300)} | ${node.failureSummary}`)
  }));
}"""


def violations(page: Page, selector: str) -> list[dict[str, Any]]:
    """Return what is wrong with the element that the selector names, by axe-core's default rules."""
    if not page.evaluate("() => 'axe' in window"):
        # Lab's page has an AMD loader, which would take the script for a module of its own.
        page.evaluate(f"() => {{ const define = undefined, module = undefined, exports = undefined;\n{_source()}\n}}")
    found: list[dict[str, Any]] = page.evaluate(_RUN, selector)
    return found


def _source() -> str:
    if not _AXE.is_file():
        msg = f"{_AXE} is missing: run `jlpm install` in labextension/."
        raise FileNotFoundError(msg)
    return _AXE.read_text(encoding="utf-8")
