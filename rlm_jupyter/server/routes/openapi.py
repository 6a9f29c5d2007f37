"""The OpenAPI document: ``openapi.yaml``, with the schemas that the code knows better than a page could.

``python -m rlm_jupyter.server.routes.openapi`` prints it, for generators of types.
"""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from .base import RLMHandler, json_bytes

__all__ = ["OpenAPIHandler", "openapi_document", "published_document"]

_DOCUMENT = Path(__file__).parents[1] / "openapi.yaml"
_REFERENCE = "#/components/schemas/{model}"


class OpenAPIHandler(RLMHandler):
    """``openapi.json``."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the document, for this server's own address."""
        base_url = self.base_url.rstrip("/")
        await self.send(lambda: json_bytes({**openapi_document(), "servers": [{"url": base_url or "/"}]}))


@lru_cache(maxsize=1)
def openapi_document() -> dict[str, Any]:
    """Return the document, complete but for ``servers``: each server has its own base URL."""
    import rlm_jupyter

    document = published_document()
    document["info"]["version"] = rlm_jupyter.__version__
    return document


def published_document() -> dict[str, Any]:
    """Return the document without the release's version: the same for every machine, and until the API changes."""
    import yaml

    from rlm_jupyter.trace.artifacts.formats import FORMATS

    document: dict[str, Any] = yaml.safe_load(_DOCUMENT.read_text(encoding="utf-8"))
    schemas = document["components"]["schemas"]
    schemas.update(_model_schemas())
    schemas["FormatName"]["enum"] = list(FORMATS)
    artifact = document["paths"]["/rlm-jupyter/runs/{run_id}/artifacts/{format}"]["get"]
    artifact["parameters"] = [
        {
            "name": name,
            "in": "query",
            "description": f"{form.name}: {option.summary}",
            "schema": {"type": "boolean", "default": option.default},
        }
        for form in FORMATS.values()
        for name, option in form.options.items()
    ]
    artifact["responses"]["200"]["content"] = {
        media_type: {"schema": {"type": "object" if media_type.endswith(("/json", "+json")) else "string"}}
        for media_type in sorted({form.media_type for form in FORMATS.values()})
    }
    return document


def _model_schemas() -> dict[str, Any]:
    """Return the JSON schemas of the trace's events and of our MIME types, and of what the wire has."""
    from pydantic.json_schema import models_json_schema

    from rlm_jupyter.trace import schema, wire
    from rlm_jupyter.trace.artifacts import shapes

    models = (
        *(schema.SpanStart, schema.SpanEnd, schema.SpanText, schema.Blob),
        *(wire.ProposedCode, wire.TurnRecord),
        *(shapes.RunBundle, shapes.LiveBundle),
    )
    _, generated = models_json_schema([(model, "serialization") for model in models], ref_template=_REFERENCE)
    schemas: dict[str, Any] = generated["$defs"]
    return schemas


if __name__ == "__main__":
    sys.stdout.write(json.dumps(published_document(), indent=2, sort_keys=True) + "\n")
