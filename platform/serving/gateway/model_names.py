"""What a client may write into ``model``: "mode", "mode@adapter" or "mode@adapter:version"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from doyen.core.errors import NotFoundError
from doyen.core.modes import ADAPTER_MODES, BEST, MODES

_NAME = re.compile(r"(?P<mode>[a-z-]+)(?:@(?P<adapter>[\w.-]+(?::\d+)?))?")


@dataclass(frozen=True)
class ModelName:
    """A parsed model name.

    Attributes:
        adapter: "name" or "name:version"; None leaves the choice to the assistant.
    """

    mode: str
    adapter: str | None


def parse_model(model: str) -> ModelName:
    """Parse a model name; whether the adapter exists is for the assistant to say.

    Raises:
        NotFoundError: no such model can exist. Another one is never used in its place.
    """
    match = _NAME.fullmatch(model)
    if match is None or match["mode"] not in {BEST, *MODES}:
        known = ", ".join((BEST, *MODES))
        raise NotFoundError(f"there is no model {model!r}: choose {known}, or add an adapter as in hybrid@name:1")
    if match["adapter"] and match["mode"] not in ADAPTER_MODES:
        choices = " or ".join(f"{mode}@{match['adapter']}" for mode in MODES if mode in ADAPTER_MODES)
        raise NotFoundError(f"there is no model {model!r}: {match['mode']} answers without an adapter, choose {choices}")
    return ModelName(match["mode"], match["adapter"])
