"""Engines: what generates text. All stand behind the `Engine` protocol; ``serving.engine`` names the one that is used.

Doyen brings three; other packages add theirs under the entry point group `ENGINE_GROUP` (docs/engines.md).
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from doyen.core.settings import ENGINE_GROUP
from doyen.core.workspace import Workspace
from doyen.platform.serving.engines.protocol import AdapterFiles, Engine, Generation, GenerationRequest, complete

__all__ = ["AdapterFiles", "Engine", "Generation", "GenerationRequest", "complete", "open_engine"]

_BUILT_IN = {
    "llamacpp": f"{__name__}.llamacpp:LlamaCppEngine.open",
    "transformers": f"{__name__}.transformers_engine:TransformersEngine.open",
    "openai": f"{__name__}.openai:OpenAIEngine.open",
}


def open_engine(workspace: Workspace) -> Engine:
    """Return the engine that the settings name; weights are loaded with the first request.

    Raises:
        ModelMissing: the model is not on this machine, or not in the form that the engine needs.
        SettingsError: engine "openai" without its URL.
    """
    name = workspace.settings.serving.engine
    if name in _BUILT_IN:
        registered = EntryPoint(name, _BUILT_IN[name], ENGINE_GROUP)
    else:
        registered = entry_points(group=ENGINE_GROUP)[name]
    engine: Engine = registered.load()(workspace)
    return engine
