"""Annotation: tasks from chunks, exchange with Label Studio or files, and labels as training pairs."""

from doyen.ingestion.annotation.contracts import Backend, Draft, Drafter, Excerpt, LabelError, TaskType
from doyen.ingestion.annotation.create import create_project
from doyen.ingestion.annotation.labels import (
    ImportReport,
    Labels,
    export_pairs,
    import_pairs,
    labelled_pairs,
    read_labels,
)
from doyen.ingestion.annotation.orphans import Orphan, OrphanedLabels
from doyen.ingestion.annotation.projects import get_project, list_projects
from doyen.ingestion.annotation.puller import PullReport
from doyen.ingestion.annotation.status import ProjectStatus, project_status
from doyen.ingestion.annotation.sync import PushReport, pull, push
from doyen.ingestion.annotation.tasks import draft_tasks, prompt_tasks

__all__ = [
    "Backend",
    "Draft",
    "Drafter",
    "Excerpt",
    "ImportReport",
    "LabelError",
    "Labels",
    "Orphan",
    "OrphanedLabels",
    "ProjectStatus",
    "PullReport",
    "PushReport",
    "TaskType",
    "create_project",
    "draft_tasks",
    "export_pairs",
    "get_project",
    "import_pairs",
    "labelled_pairs",
    "list_projects",
    "project_status",
    "prompt_tasks",
    "pull",
    "push",
    "read_labels",
]
