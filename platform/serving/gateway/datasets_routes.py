"""``/v1/datasets``: what trainings learn from, with cards; for administrators. Builds and checks are jobs (``/v1/jobs``)."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel

from doyen.core.store.schema import DatasetRow
from doyen.platform.serving.gateway.http_errors import documented
from doyen.platform.serving.gateway.services import AdminOf, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute

router = APIRouter(prefix="/v1", tags=["datasets"], route_class=StrictRoute)
_LONG = frozenset({"near_groups", "frozen_questions", "dropped", "disagreements", "lineage", "files"})
"""Parts of a manifest that grow with the dataset."""


class DatasetSummary(BaseModel):
    """A version of a dataset.

    Attributes:
        counts: pairs of each part, and what was left out.
        classification: whether its pairs are texts with classes.
        origin: where its pairs come from.
    """

    object: Literal["dataset"] = "dataset"
    id: str
    name: str
    created_at: str
    counts: dict[str, Any]
    classification: bool
    origin: dict[str, Any]


class DatasetList(BaseModel):
    """All versions, newest first."""

    object: Literal["list"] = "list"
    data: list[DatasetSummary]


class DatasetDetail(DatasetSummary):
    """A version with all that is known of it.

    Attributes:
        card: what its readers need to know, as Markdown.
        leak_check: what was compared when it was built: a dataset that leaks is not built.
        manifest: the rest of its manifest, without the parts that grow with the dataset.
    """

    card: str
    leak_check: dict[str, str]
    manifest: dict[str, Any]


@router.get("/datasets")
def list_datasets(services: ServicesOf, _: AdminOf) -> DatasetList:
    """List datasets, newest first."""
    return DatasetList(data=[DatasetSummary(**_fields(row)) for row in services.doyen.datasets.list()])


@router.get("/datasets/{dataset}", responses=documented(404, 409))
def show_dataset(dataset: str, services: ServicesOf, _: AdminOf) -> DatasetDetail:
    """Return a dataset, by its id or a name for its newest version, with its card."""
    found = services.doyen.datasets.get(dataset)
    row = next(row for row in services.doyen.datasets.list() if row.dataset_id == found.dataset_id)
    return DatasetDetail(
        **_fields(row),
        card=services.doyen.datasets.card(found.dataset_id),
        leak_check=found.manifest.get("leak_check", {}),
        manifest={name: value for name, value in found.manifest.items() if name not in _LONG},
    )


def _fields(row: DatasetRow) -> dict[str, Any]:
    return {
        "id": row.dataset_id,
        "name": row.name,
        "created_at": row.created_at,
        "counts": row.manifest.get("counts", {}),
        "classification": row.manifest.get("classification", False),
        "origin": {name: value for name, value in row.manifest.get("origin", {}).items() if not isinstance(value, dict)},
    }
