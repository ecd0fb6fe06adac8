"""``/v1/key``: what the key that comes with the request may do; ``/v1/keys``: all keys, for administrators."""

from __future__ import annotations

import threading
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from doyen.core.errors import InputError, StateError
from doyen.core.settings import FILE_NAME, OWNER_NAME, ServingSettings, load_settings
from doyen.core.workspace import Workspace
from doyen.platform.serving.gateway.http_errors import documented
from doyen.platform.serving.gateway.services import AccessOf, AdminOf, Services, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute
from doyen.platform.serving.keys import add_key, remove_key

router = APIRouter(prefix="/v1", tags=["key"], route_class=StrictRoute)
_writing = threading.Lock()
"""Held while doyen.toml is read and replaced."""


class Key(BaseModel):
    """What the caller may do.

    Attributes:
        name: of the key; "owner" for serving.api_key, and where no key is needed.
        groups: whose documents the caller may read, beside those without groups; None: every document.
        admin: whether documents, their groups and the promoted adapters may be changed.
        adapters: whether modes with an adapter may be asked.
        labels: whether texts may be labelled in projects.
    """

    object: Literal["key"] = "key"
    name: str
    groups: list[str] | None
    admin: bool
    adapters: bool
    labels: bool


@router.get("/key")
def read_key(access: AccessOf) -> Key:
    """Say what the key of this request may do."""
    groups = None if access.groups is None else sorted(access.groups)
    rights = {"admin": access.admin, "adapters": access.adapters, "labels": access.labels}
    return Key(name=access.name or OWNER_NAME, groups=groups, **rights)


class KeyWanted(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    groups: list[str] = Field([], max_length=1000)
    admin: bool = False
    adapters: bool = False
    labels: bool = False


class ListedKey(BaseModel):
    """A key without what would open anything; see `Key`."""

    name: str
    groups: list[str]
    admin: bool
    adapters: bool
    labels: bool


class NewKey(ListedKey):
    """A key that was made.

    Attributes:
        key: the key itself, which is stored nowhere and shown this once.
    """

    object: Literal["key.created"] = "key.created"
    key: str


class KeyDeleted(BaseModel):
    """A key that is refused from now on."""

    object: Literal["key.deleted"] = "key.deleted"
    name: str
    deleted: bool = True


class KeyList(BaseModel):
    """All keys by name.

    Attributes:
        owner: whether there is a `serving.api_key`, which is the owner's.
    """

    object: Literal["list"] = "list"
    data: list[ListedKey]
    owner: bool


@router.get("/keys", responses=documented(500))
def list_keys(services: ServicesOf, _: AdminOf) -> KeyList:
    """List the keys, as they count for the next request."""
    serving = _serving(services)
    keys = [ListedKey(**key.model_dump(exclude={"hash"})) for key in serving.keys]
    return KeyList(data=sorted(keys, key=lambda key: key.name), owner=bool(serving.api_key.get_secret_value()))


@router.post("/keys", status_code=201, responses=documented(500, 507))
def create_key(body: KeyWanted, services: ServicesOf, _: AdminOf) -> NewKey:
    """Make a key and show it, this once. The first key closes the gateway to requests without one."""
    with _writing:
        serving = _serving(services)
        if not (body.admin or serving.keys or serving.api_key.get_secret_value()):
            raise InputError("the first key closes the gateway to requests without one: make one with `admin` first")
        workspace = Workspace(services.workspace.root)
        made = add_key(workspace, **body.model_dump())
    return NewKey(key=made, **body.model_dump())


@router.delete("/keys/{name}", responses=documented(404, 409, 500, 507))
def delete_key(name: str, services: ServicesOf, access: AdminOf) -> KeyDeleted:
    """Remove a key: it is refused at once, and the sessions of who signed in with it end."""
    if name == access.name:
        raise StateError(f"{name!r} is the key of this request: remove it with another one, or with `doyen keys remove {name}`")
    with _writing:
        remove_key(Workspace(services.workspace.root), name)
    return KeyDeleted(name=name)


def _serving(services: Services) -> ServingSettings:
    return load_settings(services.workspace.root / FILE_NAME).serving
