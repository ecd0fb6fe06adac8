"""Where people label: what a backend sends back, and what both of them do, a Label Studio server and files.

Both exchange tasks and results in Label Studio's JSON format, so that either can stand in for the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from doyen.annotation.labelstudio.regions import Result


@dataclass(frozen=True)
class RemoteAnnotation:
    """An annotation as a backend reports it.

    Attributes:
        annotator: e-mail address or another stable name of the person who made it.
        skipped: the person declined the task; such an annotation carries no label.
        updated_at: ISO 8601 time of this version; empty when the backend does not know.
        editor: who changed it last, where that is somebody else.
        starred: it is marked as the ground truth.
    """

    external_id: str
    annotator: str
    result: Result
    updated_at: str
    skipped: bool = False
    editor: str | None = None
    starred: bool = False


@dataclass(frozen=True)
class RemoteTask:
    """A task as a backend reports it, with all its present annotations.

    Attributes:
        uid: our own id from the task's data; None for tasks that someone else put there.
        data: the whole of it, where the backend knows more than the uid.
    """

    external_id: str
    uid: str | None
    annotations: list[RemoteAnnotation] = field(default_factory=list)
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RemoteProject:
    """A project as a backend reports it.

    Attributes:
        note: the text that people see beside its title; it holds the marker of the workspace that made it.
        config: its labelling configuration as it is there now; empty where there is none.
        private: nobody but this workspace can have made it, whatever the note says.
    """

    external_id: str
    note: str
    config: str
    private: bool = False


class Backend(Protocol):
    """A place where people label. Every method may raise ServiceError, and Unauthorized for refused credentials."""

    @property
    def location(self) -> str:
        """The server's URL, or "files"."""

    def projects(self, title: str, external_id: str | None) -> Iterator[RemoteProject]:
        """Yield the project with that id, where there is one, and then those with that title."""

    def place(self, project_id: str) -> str:
        """Return where the project's tasks lie, in words or as a path, for messages."""

    def make_project(self, title: str, note: str, config: str) -> str:
        """Make a project and return its id."""

    def update_project(self, project_id: str, *, note: str | None = None, config: str | None = None) -> None:
        """Replace its note or its labelling configuration; None leaves it as it is."""

    def count_tasks(self, project_id: str) -> int:
        """Return how many tasks the project holds, ours or not."""

    def known_uids(self, project_id: str) -> dict[str, set[str]]:
        """Return uid → external task ids of every task of ours that is there now; more than one after an import by hand."""

    def add_tasks(self, project_id: str, tasks: Sequence[dict[str, Any]]) -> list[str]:
        """Add a batch of tasks (``data``, ``predictions``, ``overlap``); return their external ids in the same order."""

    def set_overlap(self, project_id: str, people: int, tasks: Mapping[str, int]) -> None:
        """Have the tasks served until so many people have labelled them; safe to repeat.

        Args:
            people: the most that any task needs.
            tasks: external task id → how many people; tasks that are not named stay as they are.
        """

    def read_changes(self, project_id: str, since: str | None) -> tuple[str | None, Iterator[RemoteTask]]:
        """Read tasks that changed at or after ``since`` (None: all), with all their present annotations.

        Returns:
            The time from which the next call goes on (ISO 8601; None where everything is read each time), and the tasks.
        """

    def people(self) -> dict[int, str]:
        """Return the e-mail address of each user id that the place knows."""
