"""``GET /v1/key``: what the key that comes with the request may do."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from doyen.core.settings import OWNER_NAME
from doyen.platform.serving.gateway.services import AccessOf
from doyen.platform.serving.gateway.strict_json import StrictRoute

router = APIRouter(prefix="/v1", tags=["key"], route_class=StrictRoute)


class Key(BaseModel):
    """What the caller may do.

    Attributes:
        name: of the key; "owner" for serving.api_key, and where no key is needed.
        groups: whose documents the caller may read, beside those without groups; None: every document.
        admin: whether documents, their groups and the promoted adapters may be changed.
        adapters: whether modes with an adapter may be asked.
    """

    object: Literal["key"] = "key"
    name: str
    groups: list[str] | None
    admin: bool
    adapters: bool


@router.get("/key")
def read_key(access: AccessOf) -> Key:
    """Say what the key of this request may do."""
    groups = None if access.groups is None else sorted(access.groups)
    return Key(name=access.name or OWNER_NAME, groups=groups, admin=access.admin, adapters=access.adapters)
