"""A task type under a description: what its entry in the table says, applied to the data of tasks; and drafts by a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from doyen.annotation.labelstudio.regions import Reading, Result, label_part, reason_of
from doyen.annotation.type_table import TASK_TYPES
from doyen.annotation.types.descriptions import TYPE_NAMES, TaskDescription, default_description
from doyen.annotation.types.drafter import Draft, Excerpt
from doyen.annotation.types.typed_labels import Label, LabelError, TypedLabel
from doyen.core.errors import InputError, NotFoundError
from doyen.core.records import Pair

MODEL_SCORE = 0.5
"""Certainty of a model's draft where the caller knows no better."""


class TaskType:
    """One type of task under one description; implements ``Drafter`` by rule, without a model.

    ``data`` is a task's data as ``tasks.task_data`` makes it; its ``text`` is what the label is about.
    """

    version = "rules-1"
    """Of its drafts."""

    def __init__(self, description: TaskDescription) -> None:
        self.description = description
        self._entry = TASK_TYPES[description.type]

    @property
    def name(self) -> str:
        """Its name in commands and in the store."""
        return self.description.type

    @cached_property
    def config(self) -> str:
        """The labelling screen: a Label Studio configuration (XML)."""
        return self._entry.screen(self.description)

    def salvage(self, result: Result, data: Mapping[str, Any]) -> Reading:
        """Read a result: what is sound of it (None: nothing that makes a label), and a sentence for each part that is not."""
        return self._entry.read(result, data["text"], self.description)

    def understand(self, result: Result, data: Mapping[str, Any]) -> TypedLabel:
        """Read a result as it is to be stored: an expert's reason is no part of the label."""
        label, problems = self.salvage(label_part(result), data)
        return TypedLabel(label, tuple(problems), reason_of(result))

    def stored(self, typed: Mapping[str, Any] | None) -> TypedLabel:
        """Return the stored form of a label as an object."""
        return TypedLabel.from_json(typed or {}, self._entry.label)

    def read(self, result: Result, data: Mapping[str, Any]) -> Label:
        """Return the label that a result means. Raises LabelError with everything that is wrong."""
        label, problems = self.salvage(result, data)
        if label is None or problems:
            raise LabelError(problems)
        return label

    def problems(self, result: Result, data: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with a result; empty when it is a valid label."""
        return self.salvage(result, data)[1]

    def write(self, label: Label, data: Mapping[str, Any]) -> Result:
        """Return the label as a result; ``read`` is its inverse. Raises InputError for labels of another type."""
        return self._entry.write(self._own(label), data["text"], data["uid"])

    def prediction(self, label: Label, score: float, data: Mapping[str, Any], version: str) -> dict[str, Any]:
        """Return a proposed label as a prediction of that version, with its certainty from 0 to 1."""
        return {"model_version": version, "score": score, "result": self.write(label, data)}

    def to_pair(self, label: Label, data: dict[str, Any], *, pair_id: str, annotator: str, created_at: str) -> Pair:
        """Return the label in instruction form. Raises InputError for labels of another type."""
        who = {"id": pair_id, "annotator": annotator or None, "created_at": created_at or None}
        return Pair.model_validate(who | self._entry.words.pair_fields(self._own(label), data, self.description))

    def row(self, label: Label, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the label as a plain row for training a classifier (JSON values). Raises InputError."""
        return self._entry.words.row(self._own(label), data["text"])

    def instruction(self, text: str) -> str:
        """Return the prompt that asks a model for the label of a text: what to do, what the labels mean, the text."""
        return self._entry.words.prompt(text, self.description)

    def parse(self, answer: str, text: str) -> tuple[Label | None, list[str]]:
        """Read a model's answer to the instruction: what is sound of it (None: nothing), and what is wrong with it."""
        return self._entry.words.parse(answer, text, self.description)

    def draft(self, excerpt: Excerpt) -> Draft | None:
        """Return a label by rule (None in the draft: the rules know nothing), or None for a text that asks for none."""
        return self._entry.words.draft(excerpt, self.description)

    def _own(self, label: Label) -> Any:
        wanted = self._entry.label
        if not isinstance(label, wanted):
            raise InputError(f"a {self.name} task takes labels of type {wanted.__name__}, not {type(label).__name__}")
        return label


def get_task_type(name: str, description: TaskDescription | None = None) -> TaskType:
    """Return the task type of that name.

    Args:
        description: default: the type's own, where it has one.

    Raises:
        NotFoundError: there is no such type.
        InputError: the description is of another type.
        DescriptionError: the type has no default description.
    """
    if name not in TYPE_NAMES:
        raise NotFoundError(f"there is no task type {name!r}: known ones are {', '.join(sorted(TYPE_NAMES))}")
    if description is not None and description.type != name:
        raise InputError(f"the description is one of task type {description.type}, not {name}")
    return TaskType(description or default_description(name))


class ModelDrafter:
    """Implements ``Drafter`` with a model: it is asked in the instruction form that its training uses, too.

    Args:
        ask: takes a prompt and returns the model's answer; may raise, which ends the drafting.
        score: certainty from 0 to 1 of an answer to a prompt, or one number for all.
        version: the model's name, stored with each prediction.
    """

    def __init__(
        self,
        task_type: TaskType,
        ask: Callable[[str], str],
        *,
        version: str,
        score: Callable[[str, str], float] | float = MODEL_SCORE,
    ) -> None:
        self._task_type, self._ask, self._score, self.version = task_type, ask, score, version

    def draft(self, excerpt: Excerpt) -> Draft | None:
        """Return what is sound of the model's answer; nothing of it: no label. None for an empty text."""
        if not excerpt.text.strip():
            return None
        prompt = self._task_type.instruction(excerpt.text)
        answer = self._ask(prompt)
        label, _ = self._task_type.parse(answer, excerpt.text)
        if label is None:
            return Draft(None, 0.0)
        return Draft(label, self._score(prompt, answer) if callable(self._score) else self._score)
