"""Annotation: tasks from chunks, exchange with Label Studio or files, and labels as training pairs."""

from doyen.annotation.backend import Backend
from doyen.annotation.create import create_project
from doyen.annotation.current_labels import Labels, export_pairs, export_rows, labelled_pairs, labelled_texts, read_labels
from doyen.annotation.exchange.label_import import ImportReport, import_pairs
from doyen.annotation.labelstudio.orphans import Orphan, OrphanedLabels
from doyen.annotation.pulled_labels import PullReport
from doyen.annotation.queue import OpenText, open_texts, set_order
from doyen.annotation.status import ProjectStatus, project_status
from doyen.annotation.store import get_project, list_projects
from doyen.annotation.sync import PushReport, pull, push
from doyen.annotation.task_sources import LabelLinks, TaskLinks, label_links, task_links
from doyen.annotation.task_texts import TaskText, task_texts
from doyen.annotation.task_types import ModelDrafter, TaskType, get_task_type
from doyen.annotation.tasks import draft_tasks, open_chunks, prompt_tasks, redraft_tasks, text_tasks
from doyen.annotation.texts import read_texts
from doyen.annotation.types.descriptions import DescriptionError, LabelDescription, TaskDescription, read_description
from doyen.annotation.types.drafter import Draft, Drafter, Excerpt
from doyen.annotation.types.typed_labels import LabelError

__all__ = [
    "Backend",
    "DescriptionError",
    "Draft",
    "Drafter",
    "Excerpt",
    "ImportReport",
    "LabelDescription",
    "LabelError",
    "LabelLinks",
    "Labels",
    "ModelDrafter",
    "OpenText",
    "Orphan",
    "OrphanedLabels",
    "ProjectStatus",
    "PullReport",
    "PushReport",
    "TaskDescription",
    "TaskText",
    "TaskLinks",
    "TaskType",
    "create_project",
    "draft_tasks",
    "export_pairs",
    "export_rows",
    "get_project",
    "get_task_type",
    "import_pairs",
    "label_links",
    "labelled_pairs",
    "labelled_texts",
    "list_projects",
    "open_chunks",
    "open_texts",
    "project_status",
    "prompt_tasks",
    "pull",
    "push",
    "read_description",
    "read_labels",
    "read_texts",
    "redraft_tasks",
    "set_order",
    "task_texts",
    "task_links",
    "text_tasks",
]
