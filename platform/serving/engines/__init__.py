"""Engines: what generates text. All stand behind the `Engine` protocol; the settings choose one."""

from __future__ import annotations

from doyen.core.errors import SettingsError
from doyen.core.workspace import Workspace
from doyen.platform.serving.engines.protocol import AdapterFiles, Engine, Generation, GenerationRequest, complete

__all__ = ["AdapterFiles", "Engine", "Generation", "GenerationRequest", "complete", "open_engine"]


def open_engine(workspace: Workspace) -> Engine:
    """Return the engine that the settings name; weights are loaded with the first request.

    Raises:
        ModelMissing: the model is not on this machine, or not in the form that the engine needs.
        SettingsError: engine "openai" without its URL.
    """
    serving = workspace.settings.serving
    if serving.engine == "openai":
        if not serving.openai_url:
            where = str(workspace.root / "doyen.toml")
            raise SettingsError(where, ['serving.openai_url: engine = "openai" needs it, such as "http://127.0.0.1:8000/v1"'])
        from doyen.platform.serving.engines.openai import OpenAIEngine

        return OpenAIEngine(serving.openai_url, serving.model, serving.openai_api_key.get_secret_value())
    from doyen.core.models import resolve_generator

    files = resolve_generator(serving.model)
    if serving.engine == "transformers":
        from doyen.platform.serving.engines.transformers_engine import TransformersEngine

        return TransformersEngine(files)
    from doyen.platform.serving.engines.llamacpp import LlamaCppEngine

    return LlamaCppEngine(files)
