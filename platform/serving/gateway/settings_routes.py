"""``/v1/settings`` and ``/v1/checks``: what is configured, where that comes from, and whether everything is in order."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel

from doyen.core.settings import FILE_NAME
from doyen.core.settings_origin import Origin, describe_settings
from doyen.platform.checks import check_workspace
from doyen.platform.serving.gateway.http_errors import documented
from doyen.platform.serving.gateway.services import AdminOf, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute

router = APIRouter(prefix="/v1", tags=["settings"], route_class=StrictRoute)


class Setting(BaseModel):
    """A setting in force.

    Attributes:
        name: as in "serving.port".
        value: of a secret "***", or an empty text where it is not set.
        default: its value where nobody sets it; null where it has none.
        origin: where the value comes from; "file" is doyen.toml.
        variable: the environment variable that sets it.
        about: what it does.
        waits: whether file or environment say something else by now, which counts from the gateway's next start.
    """

    name: str
    value: Any
    default: Any
    origin: Origin
    variable: str
    about: str
    secret: bool
    waits: bool


class SettingList(BaseModel):
    """All settings.

    Attributes:
        file: where doyen.toml lies.
        version: of Doyen.
    """

    object: Literal["list"] = "list"
    file: str
    version: str
    data: list[Setting]


class CheckResult(BaseModel):
    """What one check found.

    Attributes:
        detail: what was seen, or what is wrong and what to do about it.
    """

    name: str
    ok: bool
    detail: str


class CheckList(BaseModel):
    """All checks."""

    object: Literal["list"] = "list"
    data: list[CheckResult]


@router.get("/settings", responses=documented(500))
def list_settings(services: ServicesOf, _: AdminOf) -> SettingList:
    """List all settings with their origin. Passwords and keys are not shown, not even hashed."""
    file = services.workspace.root / FILE_NAME
    shown = [Setting(**asdict(each)) for each in describe_settings(file, services.settings)]
    return SettingList(file=str(file), version=version("doyen"), data=shown)


@router.get("/checks")
def run_checks(services: ServicesOf, _: AdminOf) -> CheckList:
    """Check models, database, index, adapters, disk and servers, as `doyen doctor` does. It takes seconds."""
    return CheckList(data=[CheckResult(**asdict(each)) for each in check_workspace(services.doyen)])
