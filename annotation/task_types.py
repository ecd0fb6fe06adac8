"""The table of task types: a new kind of annotation is one ``Kind`` (``types/``) and one entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Generic

from doyen.annotation.contracts import Excerpt, LabelError, Proposal, Result, TaskType
from doyen.annotation.descriptions import TaskDescription, default_description, parse_description
from doyen.annotation.prompt_response import PromptResponseType
from doyen.annotation.records import Label
from doyen.annotation.types.classification import ClassesKind
from doyen.annotation.types.contracts import Kind, L
from doyen.annotation.types.coreference import CoreferenceKind
from doyen.annotation.types.entities import EntitiesKind
from doyen.annotation.types.pos import TagsKind
from doyen.core.errors import InputError, NotFoundError
from doyen.core.records import TEXT_MARK, Pair
from doyen.core.text import is_blank


class LabellingType(Generic[L]):
    """Implements ``TaskType`` for labels of a text: a kind of label under a description."""

    def __init__(self, description: TaskDescription, kind: Kind[L]) -> None:
        self._description, self._kind = description, kind

    @property
    def name(self) -> str:
        """Its name in commands and in the store."""
        return self._description.type

    @property
    def description(self) -> TaskDescription:
        """Labels, guideline and what else a data lead decides."""
        return self._description

    @cached_property
    def config(self) -> str:
        """The labelling screen."""
        return self._kind.screen(self._description)

    def read(self, result: Result, data: dict[str, Any]) -> Label:
        """Return the label that a result means. Raises LabelError."""
        label, problems = self.salvage(result, data)
        if label is None or problems:
            raise LabelError(problems)
        return label

    def salvage(self, result: Result, data: dict[str, Any]) -> tuple[Label | None, list[str]]:
        """Return what is sound of a result, and what is wrong with it."""
        return self._kind.read(result, data["text"], self._description)

    def write(self, label: Label, data: dict[str, Any]) -> Result:
        """Return the label as regions. Raises InputError for labels of another type."""
        return self._kind.write(self._own(label), data["text"], data["uid"])

    def problems(self, result: Result, data: dict[str, Any]) -> list[str]:
        """Return what is wrong with a result; empty when it is a valid label."""
        return self.salvage(result, data)[1]

    def prediction(self, label: Label, score: float, data: dict[str, Any], version: str) -> dict[str, Any]:
        """Return a proposed label as a Label Studio prediction."""
        return {"model_version": version, "score": score, "result": self.write(label, data)}

    def to_pairs(self, label: Label, data: dict[str, Any], *, pair_id: str, annotator: str, created_at: str) -> list[Pair]:
        """Return one pair: instruction and text, and the label in words. The text is the evidence where it is a document's.

        Raises:
            InputError: the label is of another type.
        """
        text, source = data["text"], data.get("source") or None
        pair = Pair(
            id=pair_id,
            prompt=self.instruction(text),
            response=self._kind.answer(self._own(label), text, self._description),
            source=source,
            evidence=[text] if source and data.get("document_id") and not is_blank(text) else [],
            annotator=annotator or None,
            created_at=created_at or None,
            group=data.get("group") or data["uid"],
        )
        return [pair]

    def row(self, label: Label, data: dict[str, Any]) -> dict[str, Any]:
        """Return the label as a plain row. Raises InputError for labels of another type."""
        return self._kind.row(self._own(label), data["text"])

    def instruction(self, text: str) -> str:
        """Return what a model is asked to do, what the labels mean, and the text."""
        labels = (
            f"- {label.name}: {label.meaning}" if label.meaning else f"- {label.name}" for label in self.description.labels
        )
        return "\n".join([self._kind.instruction(self._description), "", *labels]) + TEXT_MARK + text

    def parse(self, answer: str, text: str) -> tuple[Label | None, list[str]]:
        """Read a model's answer to the instruction: what is sound of it, and what is wrong with it."""
        return self._kind.parse(answer, text, self._description)

    def propose(self, excerpt: Excerpt) -> Proposal | None:
        """Return a label by rule; without one for a text about which the rules know nothing; None for an empty text."""
        if not excerpt.text.strip():
            return None
        return self._kind.propose(excerpt.text, self._description) or Proposal(None, 0.0)

    def _own(self, label: Label) -> L:
        if not isinstance(label, self._kind.label_type):
            wanted = self._kind.label_type.__name__
            raise InputError(f"a {self.name} task takes labels of type {wanted}, not {type(label).__name__}")
        return label


_MAKERS: dict[str, Callable[[TaskDescription], TaskType]] = {
    "prompt-response": PromptResponseType,
    "classification": lambda description: LabellingType(description, ClassesKind()),
    "entities": lambda description: LabellingType(description, EntitiesKind()),
    "sentiment": lambda description: LabellingType(description, ClassesKind()),
    "coreference": lambda description: LabellingType(description, CoreferenceKind()),
    "pos": lambda description: LabellingType(description, TagsKind()),
}
TASK_TYPES = tuple(_MAKERS)


def get_task_type(name: str, description: TaskDescription | None = None) -> TaskType:
    """Return the task type of that name.

    Args:
        description: default: the type's own, where it has one.

    Raises:
        NotFoundError: there is no such type.
        InputError: the description is of another type.
        DescriptionError: the type has no default description.
    """
    if name not in _MAKERS:
        raise NotFoundError(f"there is no task type {name!r}: known ones are {', '.join(sorted(_MAKERS))}")
    if description is not None and description.type != name:
        raise InputError(f"the description is one of task type {description.type}, not {name}")
    return _MAKERS[name](description or default_description(name))


def stored_task_type(name: str, stored: Mapping[str, Any]) -> TaskType:
    """Return the task type of a project with the description that is stored with it; empty: the default one."""
    return get_task_type(name, parse_description(dict(stored), "the project's stored description") if stored else None)
