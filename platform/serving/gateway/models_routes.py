"""``GET /v1/models``, and the names that clients may write into ``model``.

"mode", "mode@adapter", "mode@adapter:version", "mode@adapter:staging", "mode@adapter:production".
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from doyen.core.access import Access
from doyen.core.errors import IncompatibleError, NotFoundError
from doyen.core.modes import ADAPTER_MODES, BEST, MODES, Mode
from doyen.finetune.reading_adapter import find_reading_adapter
from doyen.finetune.registry import GENERATOR, Registry
from doyen.platform.serving.best import Best, as_told, find_best
from doyen.platform.serving.gateway.adapters_routes import list_adapters
from doyen.platform.serving.gateway.http_errors import documented
from doyen.platform.serving.gateway.services import AccessOf, Services, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute
from doyen.platform.serving.reading import NONE

router = APIRouter(prefix="/v1", tags=["models"], route_class=StrictRoute)
_NAME = re.compile(r"(?P<mode>[a-z-]+)(?:@(?P<adapter>[\w.-]+(?::(?:\d+|staging|production))?))?")


class Model(BaseModel):
    """A way of answering.

    Attributes:
        adapter: "name:version" that it answers with; None for the modes without one, and where it is chosen at each
            question: the promoted version.
        mode: how it answers; of "best" the mode that it stands for now.
        reason: of "best": why that mode.
    """

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    mode: str
    adapter: str | None
    reason: str | None = None


class ModelList(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[Model]


@router.get("/models")
def list_models(services: ServicesOf, access: AccessOf) -> ModelList:
    """List modes, and modes with each adapter that can be named."""
    return ModelList(data=_models(services, access))


@router.get("/models/{model_id}", responses=documented(404))
def read_model(model_id: str, services: ServicesOf, access: AccessOf) -> Model:
    """Describe a model."""
    for model in _models(services, access):
        if model.id == model_id:
            return model
    raise NotFoundError(f"there is no model {model_id!r}: GET /v1/models lists them")


def _models(services: Services, access: Access) -> list[Model]:
    """Return "best", the modes that can answer, and every "mode@name:version"."""
    base = services.settings.serving.model
    best = _best(services, access)
    models = [Model(id=BEST, created=0, owned_by=base, mode=best.mode, adapter=best.adapter, reason=best.reason)]
    lacking = _lacking(services)
    adapters = [adapter for adapter in list_adapters(services, access).data if adapter.kind == GENERATOR]
    for mode in MODES:
        if mode in lacking:
            continue
        if mode not in ADAPTER_MODES or adapters:
            models.append(Model(id=mode, created=0, owned_by=base, mode=mode, adapter=None))
        for adapter in adapters if mode in ADAPTER_MODES else []:
            created = int(datetime.fromisoformat(adapter.created_at).timestamp())
            models.append(Model(id=f"{mode}@{adapter.id}", created=created, owned_by=base, mode=mode, adapter=adapter.id))
    return models


def _lacking(services: Services) -> set[Mode]:
    """Return the modes that lack what is no adapter of a domain: a reader, a general reading adapter of this base.

    Where the settings name one that is not there, asking says so; here the other modes are listed.
    """
    serving, registry = services.settings.serving, Registry(services.workspace, services.store)
    lacking = {Mode.EXTRACT} if serving.reader == NONE else set()
    with suppress(NotFoundError, IncompatibleError):
        if find_reading_adapter(registry, lambda adapter: adapter.base_model == serving.model, serving.reader_adapter):
            return lacking
    return {*lacking, Mode.RAG_READING}


def _best(services: Services, access: Access) -> Best:
    """Return what "best" stands for; before the model is loaded, by the adapters' names of their bases."""
    if services.loaded_assistant is not None:
        return services.loaded_assistant.best(access)
    registry, base = Registry(services.workspace, services.store), services.settings.serving.model
    reports, reads = services.workspace.reports_folder, services.settings.serving.reader != NONE
    best = find_best(reports, registry, lambda adapter: access.adapters and adapter.base_model == base, reads=reads)
    return as_told(best, access)


@dataclass(frozen=True)
class ModelName:
    """A parsed model name.

    Attributes:
        adapter: "name", "name:version", "name:staging" or "name:production"; None leaves the choice to the assistant.
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
