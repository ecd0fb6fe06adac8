"""``POST /v1/search``: passages without an answer."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from doyen.core.modes import MAX_PASSAGES
from doyen.platform.app import SearchResult
from doyen.platform.serving.gateway.http_errors import documented
from doyen.platform.serving.gateway.services import AccessOf, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute

router = APIRouter(prefix="/v1", tags=["search"], route_class=StrictRoute)


class SearchRequest(BaseModel):
    """What to look for.

    Attributes:
        k: passages at most; default: the workspace's retrieval.top_k.
    """

    model_config = ConfigDict(extra="forbid")

    query: str
    k: int | None = Field(None, ge=1, le=MAX_PASSAGES)


@router.post("/search", responses=documented(409, 502, 503, 507))
def search(body: SearchRequest, services: ServicesOf, access: AccessOf) -> SearchResult:
    """Find the passages that a question would be answered from."""
    return services.doyen.search(body.query, body.k, access=access)
