"""``/v1/adapters``: trained adapters, and which stage each version is in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from doyen.core.errors import NotFoundError
from doyen.core.store.schema import AdapterRow
from doyen.finetune.registry import Adapter, no_adapter
from doyen.platform.adapters.adapter_card import card_json
from doyen.platform.serving.gateway.evals_routes import report_folder
from doyen.platform.serving.gateway.http_errors import documented
from doyen.platform.serving.gateway.services import AccessOf, AdminOf, Services, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute

router = APIRouter(prefix="/v1", tags=["adapters"], route_class=StrictRoute)


class AdapterVersion(BaseModel):
    """A version of an adapter.

    Attributes:
        id: "name:version".
        kind: "generator" (writes answers), "reader" (finds them in passages), "general-reading", from which
            adapters of the generator are trained, "embedder" (embeds passages and questions), "classifier" or
            "token-classifier" (heads, which `/v1/classify` and `/v1/extract` ask).
        stage: candidate, staging, production or retired; at most one version of a name is in staging, and one in production.
        manifest: what it was trained from.
    """

    object: Literal["adapter"] = "adapter"
    id: str
    name: str
    version: int
    kind: str
    stage: str
    base_model: str
    dataset_id: str
    created_at: str
    manifest: dict[str, Any]


class AdapterList(BaseModel):
    """All adapters: by name, newest version first."""

    object: Literal["list"] = "list"
    data: list[AdapterVersion]


@router.get("/adapters")
def list_adapters(services: ServicesOf, access: AccessOf) -> AdapterList:
    """List adapters: none for a key that may not ask them."""
    known = services.doyen.adapters.list() if access.adapters else []
    found = sorted(known, key=lambda adapter: (adapter.name, -adapter.version))
    return AdapterList(data=[_version(services, adapter) for adapter in found])


class AdapterCard(BaseModel):
    """All that is known of a version.

    Attributes:
        adapter: "name:version".
        dataset: its id, and the figures of its manifest.
        lineage: what it was trained from, the parent first.
        inputs: hashes of what it was made from.
        training: examples, losses and what was measured.
        cost: estimate, what happened, and the error.
        evaluations: what reports found, with 95% intervals, newest first; none for who may not read reports.
        in_use: why it is not collected.
    """

    adapter: str
    kind: str
    stage: str
    created_at: str
    base_model: str
    base_sha256: str
    fingerprint: str
    dataset: dict[str, Any]
    lineage: list[str]
    inputs: dict[str, Any]
    settings: dict[str, Any]
    seed: int | None
    libraries: dict[str, str | None]
    training: dict[str, Any]
    cost: dict[str, Any] | None
    evaluations: list[dict[str, Any]]
    promotions: list[dict[str, Any]]
    in_use: list[str]


class PromotionRequest(BaseModel):
    """What speaks for a promotion.

    Attributes:
        report: id of an evaluation whose figures meet the rules for promotion.
        force: promote without a report, or against it.
        reason: why, which `force` needs; it is kept with the promotion.
        by: who promotes; kept too.
    """

    model_config = ConfigDict(extra="forbid")

    report: str | None = None
    force: bool | None = None
    reason: str | None = None
    by: str | None = None


@router.get("/adapters/{name}/{version}", responses=documented(404))
def read_adapter(name: str, version: str, services: ServicesOf, access: AccessOf) -> AdapterCard:
    """Describe a version, which is a number, `staging` or `production`; 404 for a key that may not ask adapters."""
    reference = f"{name}:{version}"
    if not access.adapters:
        raise NotFoundError(no_adapter(reference))
    adapter, facts = services.doyen.adapter_card(reference)
    if not access.unrestricted:
        facts = replace(facts, evaluations=())
    return AdapterCard.model_validate(card_json(adapter, facts))


@router.post("/adapters/{name}/{version}/stage", responses=documented(404, 409, 507))
def stage(name: str, version: int, services: ServicesOf, _: AdminOf) -> AdapterVersion:
    """Put a version into staging, where `mode@name:staging` asks it; the one that was there is a candidate again."""
    return _version(services, services.doyen.stage(f"{name}:{version}", by="gateway"))


@router.post("/adapters/{name}/{version}/promote", responses=documented(404, 409, 503, 507))
def promote(name: str, version: int, body: PromotionRequest, services: ServicesOf, access: AdminOf) -> AdapterVersion:
    """Make a version the one that answers when only the adapter's name, or none, is given."""
    report = report_folder(services, body.report, access) if body.report is not None else None
    override = (body.reason or "") if body.force else None
    promoted = services.doyen.promote(f"{name}:{version}", report=report, by=body.by or "gateway", override=override)
    return _version(services, promoted)


@router.post("/adapters/{name}/rollback", responses=documented(404, 409, 503, 507))
def rollback(name: str, services: ServicesOf, _: AdminOf) -> AdapterVersion:
    """Promote the version that was promoted before the current one; behind the first embedder is that of the settings."""
    return _version(services, services.doyen.rollback(name))


def _version(services: Services, adapter: Adapter) -> AdapterVersion:
    with services.store.session() as session:
        row = session.get_one(AdapterRow, (adapter.name, adapter.version))
    return AdapterVersion(
        id=adapter.ref,
        name=adapter.name,
        version=adapter.version,
        kind=adapter.kind,
        stage=adapter.stage,
        base_model=adapter.base_model,
        dataset_id=adapter.dataset_id,
        created_at=row.created_at,
        manifest=adapter.manifest,
    )
