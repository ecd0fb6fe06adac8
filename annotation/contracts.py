"""The shapes that the annotation modules share: excerpts, drafts, what a backend sends back, and two small protocols.

A *task type* says how a task looks and what its labels mean (the table is in ``task_types``). A *backend* is the place
where people label: a Label Studio server or files. Both exchange tasks and results in Label Studio's JSON format, so
that either can stand in for the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from doyen.annotation.descriptions import TaskDescription
from doyen.annotation.offsets import find_quotes
from doyen.annotation.records import Label, PromptResponse
from doyen.core.errors import InputError
from doyen.core.records import Pair

ADOPTED_UID = "doyen_uid"
"""Key of our id in the tasks of a project that was not made here: ``uid`` may be its owner's."""
Result = list[dict[str, Any]]
"""The regions of one annotation or prediction, as Label Studio writes them."""


class LabelError(InputError):
    """An annotation that came back does not make a valid label.

    Attributes:
        problems: one sentence for each thing that is wrong, all of them at once.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


def describe_problems(uid: str, annotator: str, problems: Iterable[str], *, kept: bool) -> list[str]:
    """Return a sentence for each part of a label that is left out, or for each reason why the whole label is.

    Args:
        kept: whether the rest of the label counts.
    """
    what = "left out of the label" if kept else "label"
    return [f"task {uid}, {what} of {annotator or 'unknown'}: {problem}" for problem in problems]


@dataclass(frozen=True)
class Excerpt:
    """The stretch of a document that an annotator sees; ``parsed_text[start:start + len(text)] == text``.

    Attributes:
        page: page number from 1, or None where there are no pages.
        heading: path of headings above it, or an empty string.
    """

    text: str
    source: str
    document_id: str
    version: str
    chunk_id: str
    start: int
    page: int | None = None
    heading: str = ""


@dataclass(frozen=True)
class Proposal:
    """A label that a model or a rule proposes, for a person to correct.

    Attributes:
        label: None where nothing is proposed, but the text is worth labelling.
        score: certainty from 0 to 1; Label Studio's uncertainty sampling serves low ones first.
    """

    label: Label | None
    score: float


@dataclass(frozen=True)
class Draft:
    """A proposed question and answer, by quotes instead of offsets.

    Attributes:
        response: may be empty, where only a question is proposed.
        score: certainty from 0 to 1.
        evidence: exact substrings of the excerpt.
    """

    prompt: str
    response: str
    score: float
    evidence: tuple[str, ...] = ()

    def located(self, text: str) -> Proposal:
        """Return the draft with its evidence located in the text; what the text does not hold is left out."""
        spans, _ = find_quotes(text, list(self.evidence))
        return Proposal(PromptResponse(self.prompt, self.response, answerable=True, evidence=tuple(spans)), self.score)


class Drafter(Protocol):
    """Proposes labels: by rule, through a model (``drafting.ModelDrafter``), or whatever else is brought along."""

    @property
    def version(self) -> str:
        """Name of the model or rules, stored with each prediction."""

    def draft(self, excerpt: Excerpt) -> Draft | Proposal | None:
        """Return a draft, or None for an excerpt that is not worth an expert's time."""


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

    def limit_people(self, project_id: str, people: int) -> None:
        """Have that many people asked for each task that is added from now on."""

    def set_overlap(self, project_id: str, people: int, tasks: Mapping[str, int]) -> None:
        """Have the tasks served until so many people have labelled them; safe to repeat.

        Args:
            people: the most that any task needs.
            tasks: external task id → how many people; tasks that are not named stay as they are.
        """

    def people(self) -> dict[int, str]:
        """Return the e-mail address of each user id that the place knows."""

    def known_uids(self, project_id: str) -> dict[str, set[str]]:
        """Return uid → external task ids of every task of ours that is there now; more than one after an import by hand."""

    def set_data(self, external_id: str, data: Mapping[str, Any]) -> None:
        """Replace the data of a task."""

    def add_tasks(self, project_id: str, tasks: Sequence[dict[str, Any]]) -> list[str]:
        """Add a batch of tasks (``data`` and ``predictions``); return their external ids in the same order."""

    def add_predictions(self, project_id: str, predictions: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Add newer predictions to tasks that are there: pairs of external task id and prediction."""

    def shown_version(self, project_id: str) -> str:
        """Return the version of the predictions that people see and by whose scores tasks are served; may be empty."""

    def show_version(self, project_id: str, version: str) -> None:
        """Have the predictions of this version shown, and tasks served by their scores, the least certain first."""

    def ensure_webhook(self, project_id: str, url: str, headers: dict[str, str]) -> None:
        """Have the URL called, with these headers, whenever a label or a task changes; safe to repeat."""

    def newest_change(self, project_id: str) -> str | None:
        """Return the newest ``updated_at`` of any task, ISO 8601, or None in an empty project."""

    def changed_tasks(self, project_id: str, since: str | None) -> Iterator[RemoteTask]:
        """Yield tasks that changed at or after ``since`` (None: all), with all their present annotations."""


class TaskType(Protocol):
    """How one kind of task is shown, pre-filled, checked, stored as a typed label and turned into training examples.

    ``data`` is a task's data as ``tasks.task_data`` makes it; its ``text`` is what the label is about.
    """

    @property
    def name(self) -> str:
        """Its name in commands and in the store."""

    @property
    def description(self) -> TaskDescription:
        """Labels, guideline and what else a data lead decides."""

    @property
    def config(self) -> str:
        """Label Studio labelling configuration (XML), generated from the description."""

    def read(self, result: Result, data: dict[str, Any]) -> Label:
        """Return the label that a result means. Raises LabelError with everything that is wrong."""

    def salvage(self, result: Result, data: dict[str, Any]) -> tuple[Label | None, list[str]]:
        """Read a result: what is sound of it (None: nothing that makes a label), and a sentence for each part that is not."""

    def write(self, label: Label, data: dict[str, Any]) -> Result:
        """Return the label as Label Studio regions, each with an id; ``read`` is its inverse.

        Raises:
            InputError: the label is of another task type.
        """

    def problems(self, result: Result, data: dict[str, Any]) -> list[str]:
        """Return what is wrong with a result; empty when it is a valid label."""

    def prediction(self, label: Label, score: float, data: dict[str, Any], version: str) -> dict[str, Any]:
        """Return a proposed label as a Label Studio prediction of that version, with its certainty from 0 to 1."""

    def to_pairs(self, label: Label, data: dict[str, Any], *, pair_id: str, annotator: str, created_at: str) -> list[Pair]:
        """Return the label in instruction form, as training pairs of one group."""

    def row(self, label: Label, data: dict[str, Any]) -> dict[str, Any]:
        """Return the label as a plain row for training a classifier of this type (JSON values)."""

    def instruction(self, text: str) -> str:
        """Return the prompt that asks a model for the label of a text."""

    def parse(self, answer: str, text: str) -> tuple[Label | None, list[str]]:
        """Read a model's answer to the instruction: what is sound of it (None: nothing), and what is wrong with it."""

    def propose(self, excerpt: Excerpt) -> Proposal | None:
        """Return a label by rule, or None for a text that is not worth an expert's time."""
