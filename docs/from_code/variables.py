"""The environment variables that the package reads: the code has no list of them, so they stand here."""

from __future__ import annotations

__all__ = ["VARIABLES"]

VARIABLES = {
    "RLM_JUPYTER_MODEL": "The model, where neither an option nor a setting names one.",
    "RLM_JUPYTER_API_KEY": "The key for a server that you name by its address (`--base-url`, or in `OPENAI_BASE_URL`).",
    "RLM_JUPYTER_CACHE": "The file in which replies are kept; by default `rlm_jupyter/replies.sqlite3` in Jupyter's "
    "data directory.",
    "OPENAI_API_KEY": "The key for OpenAI. Where it is set and no model is named, an OpenAI model answers.",
    "OPENAI_BASE_URL": "The address of the server that the backend `openai` asks where no other is named.",
    "OPENAI_CUSTOM_HEADERS": "Headers for OpenAI, a line each, as the OpenAI SDK reads them. They are kept from every "
    "other server.",
    "OPENROUTER_API_KEY": "The key for OpenRouter.",
    "AZURE_OPENAI_ENDPOINT": "The address of the Azure resource.",
    "AZURE_OPENAI_API_KEY": "The key for that address.",
    "AZURE_OPENAI_AD_TOKEN": "A Microsoft Entra token for that address; it comes before the key.",
    "OPENAI_API_VERSION": "The version of Azure's API, such as `2024-10-21`.",
    "OPENINFERENCE_HIDE_INPUTS": "`true` keeps what models were sent out of OpenTelemetry exports.",
    "OPENINFERENCE_HIDE_OUTPUTS": "`true` keeps what models replied out of OpenTelemetry exports.",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "Where OpenTelemetry exports go that name no address, as its SDK reads it; so are "
    "the other variables of the SDK.",
    "OTEL_EXPORTER_OTLP_HEADERS": "Headers of those exports.",
    "JPY_SESSION_NAME": "The path of the notebook, which Jupyter servers tell their kernels.",
    "JUPYTER_DATA_DIR": "Where Jupyter keeps its data, and with it the store and the replies that are kept.",
}
"""What each is for, in Markdown."""
