"""``/v1/trace/{id}``: what something came from and what came of it, for administrators: it names every document."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from doyen.core.lineage import Item, Kind, Stage
from doyen.platform.serving.gateway.http_errors import documented
from doyen.platform.serving.gateway.services import AdminOf, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute

router = APIRouter(prefix="/v1", tags=["trace"], route_class=StrictRoute)


class TraceFound(BaseModel):
    """A trace.

    Attributes:
        items: what was asked for; several where a pair is in several datasets.
        came_from: what it rests on, by kind.
        came_of: what rests on it, by kind.
    """

    object: Literal["trace"] = "trace"
    items: list[Item]
    came_from: list[Stage]
    came_of: list[Stage]


@router.get("/trace/{id:path}", responses=documented(404, 507))
def read_trace(
    id: str,
    services: ServicesOf,
    _: AdminOf,
    kind: Kind | None = None,
    shown: Annotated[int, Query(ge=1, le=1000)] = 20,
) -> TraceFound:
    """Say what an answer, label, row, dataset, adapter or document came from, and what came of it."""
    found = services.doyen.trace(id, kind=kind, shown=shown)
    return TraceFound(items=found.items, came_from=found.came_from, came_of=found.came_of)
