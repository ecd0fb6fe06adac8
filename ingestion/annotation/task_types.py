"""The table of task types: a new kind of annotation is one class and one entry here."""

from __future__ import annotations

from doyen.ingestion.annotation.contracts import TaskType
from doyen.ingestion.annotation.prompt_response import PromptResponseType
from doyen.platform.core.errors import NotFoundError

TASK_TYPES: dict[str, TaskType] = {task_type.name: task_type for task_type in (PromptResponseType(),)}


def get_task_type(name: str) -> TaskType:
    """Return the task type of that name.

    Raises:
        NotFoundError: there is none.
    """
    if name not in TASK_TYPES:
        raise NotFoundError(f"there is no task type {name!r}: known ones are {', '.join(sorted(TASK_TYPES))}")
    return TASK_TYPES[name]
