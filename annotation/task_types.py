"""Task types: how one kind of task is shown, read, checked, put into words, and drafted, under a description.

A new kind of label is a class in ``types/typed_labels.py``, a module in ``types/`` (``TextKind``) with an entry in
``TEXT_KINDS``, and its fields and screen in ``labelstudio/regions.py`` and ``labelstudio/screens.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Protocol, cast

from doyen.annotation.labelstudio.regions import Reading, Result, read_label, write_label
from doyen.annotation.labelstudio.screens import screen_of
from doyen.annotation.types import classification, coreference, entities, pos, prompt_response
from doyen.annotation.types.descriptions import TYPE_NAMES, TaskDescription, TypeName, default_description
from doyen.annotation.types.drafter import Draft, Excerpt
from doyen.annotation.types.prompt_response import draft_question
from doyen.annotation.types.typed_labels import LABEL_TYPES, Label, LabelError
from doyen.core.errors import InputError, NotFoundError
from doyen.core.records import TEXT_MARK, Pair
from doyen.core.text import is_blank

MODEL_SCORE = 0.5
"""Certainty of a model's draft where the caller knows no better."""


class TextKind(Protocol):
    """What a module in ``types/`` offers for labels of a text; models train on the instruction form, and answer in it."""

    def instruction(self, description: TaskDescription) -> str:
        """Return what a model is asked to do with a text, and in which form it answers."""

    def answer(self, label: Any, text: str, description: TaskDescription) -> str:
        """Return the label in that form; never empty."""

    def parse(self, answer: str, text: str, description: TaskDescription) -> tuple[Any, list[str]]:
        """Read such an answer: what is sound of it (None: nothing), and what is wrong with it."""

    def row(self, label: Any, text: str) -> dict[str, Any]:
        """Return the label as a plain row for training a classifier."""

    def propose(self, text: str, description: TaskDescription) -> Draft | None:
        """Return a label by rule, or None."""


TEXT_KINDS = cast(
    dict[str, TextKind],
    {
        TypeName.CLASSIFICATION: classification,
        TypeName.SENTIMENT: classification,
        TypeName.ENTITIES: entities,
        TypeName.COREFERENCE: coreference,
        TypeName.POS: pos,
    },
)


class TaskType:
    """One type of task under one description; implements ``Drafter`` by rule, without a model.

    ``data`` is a task's data as ``tasks.task_data`` makes it; its ``text`` is what the label is about.
    """

    version = "rules-1"
    """Of its drafts."""

    def __init__(self, description: TaskDescription) -> None:
        self.description = description
        self._kind = TEXT_KINDS.get(description.type)

    @property
    def name(self) -> str:
        """Its name in commands and in the store."""
        return self.description.type

    @cached_property
    def config(self) -> str:
        """The labelling screen: a Label Studio configuration (XML)."""
        return screen_of(self.description)

    def salvage(self, result: Result, data: Mapping[str, Any]) -> Reading:
        """Read a result: what is sound of it (None: nothing that makes a label), and a sentence for each part that is not."""
        return read_label(result, data["text"], self.description)

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
        return write_label(self._own(label), data["text"], data["uid"])

    def prediction(self, label: Label, score: float, data: Mapping[str, Any], version: str) -> dict[str, Any]:
        """Return a proposed label as a prediction of that version, with its certainty from 0 to 1."""
        return {"model_version": version, "score": score, "result": self.write(label, data)}

    def to_pair(self, label: Label, data: dict[str, Any], *, pair_id: str, annotator: str, created_at: str) -> Pair:
        """Return the label in instruction form. Raises InputError for labels of another type."""
        own = self._own(label)
        who = {"id": pair_id, "annotator": annotator or None, "created_at": created_at or None}
        if self._kind is None:
            return Pair.model_validate(who | prompt_response.pair_fields(own, data))
        text, source = data["text"], data.get("source") or None
        # The text proves the answer where it is a document's.
        evidence = [text] if source and data.get("document_id") and not is_blank(text) else []
        answer, group = self._kind.answer(own, text, self.description), data.get("group") or data["uid"]
        said = {"prompt": self.instruction(text), "response": answer, "source": source, "evidence": evidence, "group": group}
        return Pair.model_validate(who | said)

    def row(self, label: Label, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the label as a plain row for training a classifier (JSON values). Raises InputError."""
        return (self._kind or prompt_response).row(self._own(label), data["text"])

    def instruction(self, text: str) -> str:
        """Return the prompt that asks a model for the label of a text: what to do, what the labels mean, the text."""
        if self._kind is None:
            return prompt_response.ask(text)
        labels = (f"- {each.name}: {each.meaning}" if each.meaning else f"- {each.name}" for each in self.description.labels)
        return "\n".join([self._kind.instruction(self.description), "", *labels]) + TEXT_MARK + text

    def parse(self, answer: str, text: str) -> tuple[Label | None, list[str]]:
        """Read a model's answer to the instruction: what is sound of it (None: nothing), and what is wrong with it."""
        return self._kind.parse(answer, text, self.description) if self._kind else prompt_response.parse(answer, text)

    def draft(self, excerpt: Excerpt) -> Draft | None:
        """Return a label by rule (None in the draft: the rules know nothing), or None for a text that asks for none."""
        if self._kind is None:
            return draft_question(excerpt)
        if not excerpt.text.strip():
            return None
        return self._kind.propose(excerpt.text, self.description) or Draft(None, 0.0)

    def _own(self, label: Label) -> Any:
        wanted = LABEL_TYPES[self.name]
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
