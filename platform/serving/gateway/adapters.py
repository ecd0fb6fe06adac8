"""``/v1/adapters``: trained adapters, and which version of each is promoted."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from doyen.eval.gate import require_gate
from doyen.eval.report import load_report
from doyen.finetune.registry import Adapter, Registry
from doyen.platform.core.errors import InputError
from doyen.platform.core.store.schema import AdapterRow
from doyen.platform.serving.gateway.evals import report_folder
from doyen.platform.serving.gateway.services import Services, ServicesOf

router = APIRouter(prefix="/v1", tags=["adapters"])


class AdapterVersion(BaseModel):
    """A version of an adapter.

    Attributes:
        id: "name:version".
        status: candidate, promoted or retired; at most one version of a name is promoted.
        manifest: what it was trained from.
    """

    object: Literal["adapter"] = "adapter"
    id: str
    name: str
    version: int
    status: str
    base_model: str
    dataset_id: str
    created_at: str
    manifest: dict[str, Any]


class AdapterList(BaseModel):
    """All adapters: by name, newest version first."""

    object: Literal["list"] = "list"
    data: list[AdapterVersion]


@router.get("/adapters")
def list_adapters(services: ServicesOf) -> AdapterList:
    """List adapters."""
    found = sorted(registry_of(services).list(), key=lambda adapter: (adapter.name, -adapter.version))
    return AdapterList(data=[_version(services, adapter) for adapter in found])


class PromotionRequest(BaseModel):
    """What speaks for a promotion.

    Attributes:
        report: id of an evaluation whose figures meet the rules for promotion.
        force: promote without a report, or against it.
    """

    model_config = ConfigDict(extra="forbid")

    report: str | None = None
    force: bool = False


@router.post("/adapters/{name}/{version}/promote")
def promote(name: str, version: int, body: PromotionRequest, services: ServicesOf) -> AdapterVersion:
    """Make a version the one that answers when only the adapter's name, or none, is given."""
    if not body.force:
        if body.report is None:
            raise InputError("name the evaluation that speaks for this adapter as report, or send force: true")
        require_gate(load_report(report_folder(services, body.report)), f"{name}:{version}")
    promoted = registry_of(services).promote(f"{name}:{version}")
    return _version(services, promoted)


@router.post("/adapters/{name}/rollback")
def rollback(name: str, services: ServicesOf) -> AdapterVersion:
    """Promote the version that was promoted before the current one."""
    return _version(services, registry_of(services).rollback(name))


def registry_of(services: Services) -> Registry:
    """Return the workspace's registry of adapters."""
    return Registry(services.workspace, services.store)


def _version(services: Services, adapter: Adapter) -> AdapterVersion:
    with services.store.session() as session:
        row = session.get_one(AdapterRow, (adapter.name, adapter.version))
    return AdapterVersion(
        id=adapter.ref,
        name=adapter.name,
        version=adapter.version,
        status=adapter.status,
        base_model=adapter.base_model,
        dataset_id=adapter.dataset_id,
        created_at=row.created_at,
        manifest=adapter.manifest,
    )
