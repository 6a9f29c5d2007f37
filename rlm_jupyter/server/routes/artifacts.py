"""Artifacts: a run in every format that there is."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from jupyter_server.auth.decorator import authorized
from tornado import web

from rlm_jupyter.trace.file_names import artifact_name

from .base import RLMHandler

if TYPE_CHECKING:
    from rlm_jupyter.server.store import Store
    from rlm_jupyter.server.store.rows import RunRow
    from rlm_jupyter.trace.artifacts.formats import Format

__all__ = ["ArtifactHandler", "ArtifactsHandler"]

_INERT = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
"""What models and code wrote is in it: opened in a browser it runs nothing, loads nothing, and has no origin."""


class ArtifactsHandler(RLMHandler):
    """``runs/{run_id}/artifacts``."""

    @web.authenticated
    @authorized
    async def get(self, run_id: str) -> None:
        """List the formats."""
        from rlm_jupyter.trace.artifacts.formats import FORMATS

        run = await self.run_named(run_id)
        listed = [
            {
                "format": form.name,
                "media_type": form.media_type,
                "file_name": _file_name(run, form),
                "summary": form.summary,
            }
            for form in FORMATS.values()
        ]
        await self.reply({"artifacts": listed})


class ArtifactHandler(RLMHandler):
    """``runs/{run_id}/artifacts/{format}``."""

    @web.authenticated
    @authorized
    async def get(self, run_id: str, name: str) -> None:
        """Answer with the run in this format, as far as it is told: rendered now, in a thread."""
        from rlm_jupyter.trace.artifacts.formats import FORMATS

        run = await self.run_named(run_id)
        form = FORMATS.get(name)
        if form is None:
            msg = f"There is no such form. There are: {', '.join(FORMATS)}."
            raise web.HTTPError(404, msg)
        asked = {option: self.choice(option, ("true", "false")) for option in form.options}
        options = {option: value == "true" for option, value in asked.items() if value is not None}
        store = self.services.store
        self.set_header("Content-Security-Policy", _INERT)
        self.set_header("Content-Disposition", _attachment(_file_name(run, form)))
        is_text = form.media_type.startswith("text/")
        await self.send(lambda: _rendered(store, run_id, form, options), form.media_type + "; charset=utf-8" * is_text)

    def write_error(self, status_code: int, **kwargs: object) -> None:
        """Answer with JSON, which is no file to keep."""
        self.clear_header("Content-Disposition")
        super().write_error(status_code, **kwargs)


def _rendered(store: Store, run_id: str, form: Format, options: dict[str, bool]) -> bytes:
    trace = store.trace(run_id)
    if trace is None or trace.root is None:
        msg = "The beginning of this run has not arrived, so there is nothing to render. Try again when it is whole."
        raise web.HTTPError(409, msg, reason="Beginning missing")
    return form.export(trace, **options).encode("utf-8", "replace")


def _file_name(run: RunRow, form: Format) -> str:
    """Return a name for a file of the run."""
    return artifact_name(run.notebook, run.question, run.began, run.run_id, form.extension)


def _attachment(file_name: str) -> str:
    """Return the header that has a browser save the answer under this name (RFC 6266), and not show it."""
    plain = file_name.encode("ascii", "replace").decode().replace("?", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='')}"
