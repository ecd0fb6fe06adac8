"""``/v1/settings`` and ``/v1/checks``: what is configured, where that comes from, and whether everything is in order."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from doyen.core.settings import FILE_NAME
from doyen.core.settings_origin import ShownSetting, describe_settings
from doyen.platform.checks import check_workspace
from doyen.platform.serving.gateway.http_errors import documented
from doyen.platform.serving.gateway.services import AdminOf, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute

router = APIRouter(prefix="/v1", tags=["settings"], route_class=StrictRoute)


class SettingList(BaseModel):
    """All settings.

    Attributes:
        file: where doyen.toml lies.
        version: of Doyen.
    """

    object: Literal["list"] = "list"
    file: str
    version: str
    data: list[ShownSetting]


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
    return SettingList(file=str(file), version=version("doyen"), data=describe_settings(file, services.settings))


@router.get("/checks")
def run_checks(services: ServicesOf, _: AdminOf) -> CheckList:
    """Check models, database, index, adapters, disk and servers, as `doyen doctor` does. It takes seconds."""
    return CheckList(data=[CheckResult(**asdict(each)) for each in check_workspace(services.doyen)])
