"""``/v1/annotation/projects``: labelling projects, their quality, and labelling without a server.

What changes a project is a job (``/v1/jobs``: create-project, push, pull, adjudicate). Labelling takes a key with ``labels``,
since tasks show texts of documents, whatever groups these have or had. Where the gateway has keys, the key's name is the
annotator's.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from doyen.annotation.labelling import LabellingTask, Progress, describe_screen
from doyen.annotation.quality.disputed_tasks import DisputedTask
from doyen.annotation.status import ProjectStatus
from doyen.annotation.store import get_project, task_type_of
from doyen.core.access import Access
from doyen.core.records import REFUSAL
from doyen.core.redaction import redact
from doyen.core.settings import OWNER_NAME
from doyen.platform.serving.gateway.http_errors import Forbidden, documented
from doyen.platform.serving.gateway.services import AccessOf, Services, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute

router = APIRouter(prefix="/v1/annotation/projects", tags=["annotation"], route_class=StrictRoute)
MOST_DISPUTES = 500
Annotator = Annotated[str | None, Query(max_length=200)]


def labels(access: AccessOf) -> Access:
    """Return the access of a caller who may read the texts of all tasks.

    Whether there are documents with groups makes no difference: it would tell of them.

    Raises:
        Forbidden: the key is none that may label.
    """
    if not access.labels:
        raise Forbidden("tasks show texts of all documents: ask for a key with `labels = true`")
    return access


LabellerOf = Annotated[Access, Depends(labels)]


class Project(BaseModel):
    """Where a project stands.

    Attributes:
        location: Label Studio's URL, or "files".
        url: the project in Label Studio; null where it has none.
        purpose: annotation, review, or adopted.
        reviews: the project whose disputed tasks are decided here.
        tasks: how many there are, without deleted ones.
        status: see `ProjectStatus`.
    """

    object: Literal["annotation.project"] = "annotation.project"
    name: str
    type: str
    location: str
    url: str | None
    purpose: str
    reviews: str | None
    tasks: int
    labelled: int
    status: ProjectStatus


class ProjectList(BaseModel):
    """All projects, by name."""

    object: Literal["list"] = "list"
    data: list[Project]


class ProjectDetail(Project):
    """A project with what its annotators are asked to do.

    Attributes:
        description: title, guideline, labels (each with its colour), relations.
        refusal: the response of prompts that their text does not answer.
    """

    description: dict[str, Any]
    refusal: str = REFUSAL


class Agreement(BaseModel):
    """How far the annotators of a project agree.

    Attributes:
        report: see `AgreementReport.as_json`.
        problems: a sentence for each label that is not valid and so is left out.
    """

    object: Literal["annotation.agreement"] = "annotation.agreement"
    report: dict[str, Any]
    problems: list[str]


class Disputes(BaseModel):
    """What an expert should decide, worst first."""

    object: Literal["list"] = "list"
    data: list[DisputedTask]


class NextTask(BaseModel):
    """The task that a person labels next.

    Attributes:
        task: null where there is none for them.
        annotator: whose label it will be.
    """

    object: Literal["annotation.task"] = "annotation.task"
    task: LabellingTask | None
    annotator: str
    progress: Progress


class LabelRequest(BaseModel):
    """A label.

    Attributes:
        label: its fields, as of the task type (docs/task-types.md).
        reason: why an expert decides so; a review alone needs it.
        annotator: who labels; where the gateway has keys, the key's name counts.
    """

    model_config = ConfigDict(extra="forbid")

    label: dict[str, Any]
    reason: Annotated[str, Field(max_length=5000)] = ""
    annotator: Annotated[str | None, Field(max_length=200)] = None


class LabelStored(BaseModel):
    """A label was stored.

    Attributes:
        change: added, updated or unchanged.
    """

    object: Literal["annotation.label"] = "annotation.label"
    project: str
    task: str
    annotator: str
    change: str


@router.get("")
def list_projects(services: ServicesOf, _: LabellerOf) -> ProjectList:
    """List annotation projects with their progress."""
    return ProjectList(data=[Project(**_fields(services, status)) for status in services.doyen.annotate.projects()])


@router.get("/{project}", responses=documented(404))
def show_project(project: str, services: ServicesOf, _: LabellerOf) -> ProjectDetail:
    """Return a project's progress, and what its annotators are asked to do."""
    status, _stale = services.doyen.annotate.status(project)
    description = task_type_of(get_project(services.store, project)).description
    return ProjectDetail(**_fields(services, status), description=describe_screen(description))


@router.get("/{project}/agreement", responses=documented(404, 503))
def show_agreement(project: str, services: ServicesOf, _: LabellerOf, period: Literal["week", "month"] = "week") -> Agreement:
    """Measure how far annotators agree with each other, over time and pair by pair, and with gold items."""
    report, problems = services.doyen.annotate.agreement(project, period=period)
    return Agreement(report=report.as_json(), problems=problems)


@router.get("/{project}/disputes", responses=documented(404, 503))
def list_disputes(
    project: str,
    services: ServicesOf,
    _: LabellerOf,
    threshold: Annotated[float | None, Query(ge=0, le=1)] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_DISPUTES)] = 50,
) -> Disputes:
    """List the tasks that an expert should decide, worst first, with what each annotator said, side by side."""
    return Disputes(data=services.doyen.annotate.disputes(project, threshold=threshold)[:limit])


@router.get("/{project}/next", responses=documented(404))
def show_next_task(
    project: str,
    services: ServicesOf,
    access: LabellerOf,
    annotator: Annotator = None,
    skipped: Annotated[list[str] | None, Query(max_length=200)] = None,
) -> NextTask:
    """Return the task that a person labels next: the least certain draft first, as Label Studio serves them."""
    name = _annotator(access, annotator)
    task = services.doyen.annotate.next_task(project, name, skipped or [])
    return NextTask(task=task, annotator=name, progress=services.doyen.annotate.progress(project, name))


@router.get("/{project}/tasks/{task}", responses=documented(404))
def show_task(project: str, task: str, services: ServicesOf, access: LabellerOf, annotator: Annotator = None) -> NextTask:
    """Return one task with the person's label."""
    name = _annotator(access, annotator)
    found = services.doyen.annotate.task(project, task, name)
    return NextTask(task=found, annotator=name, progress=services.doyen.annotate.progress(project, name))


@router.post("/{project}/tasks/{task}/label", status_code=201, responses=documented(404, 503))
def label_task(project: str, task: str, body: LabelRequest, services: ServicesOf, access: LabellerOf) -> LabelStored:
    """Store a person's label of a task; a second one of the same person is a new version of it."""
    name = _annotator(access, body.annotator)
    change = services.doyen.annotate.label(project, task, body.label, annotator=name, reason=body.reason)
    return LabelStored(project=project, task=task, annotator=name, change=change)


def _annotator(access: Access, given: str | None) -> str:
    return access.name or (given or "").strip() or OWNER_NAME


def _fields(services: Services, status: ProjectStatus) -> dict[str, Any]:
    row = get_project(services.store, status.name)
    present = {state: count for state, count in status.tasks.items() if state != "deleted"}
    is_web = row.backend.startswith(("http://", "https://")) and row.external_id is not None
    return {
        "name": status.name,
        "type": status.task_type,
        "location": status.location,
        "url": f"{redact(row.backend).rstrip('/')}/projects/{row.external_id}" if is_web else None,
        "purpose": status.purpose,
        "reviews": row.parent,
        "tasks": sum(present.values()),
        "labelled": present.get("labelled", 0),
        "status": asdict(status),
    }
