"""What a module in ``types/`` offers: how labels of a task type are put into words for a model, read from them, and drafted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from doyen.annotation.types.descriptions import TaskDescription
from doyen.annotation.types.drafter import Draft, Excerpt
from doyen.core.records import TEXT_MARK
from doyen.core.text import is_blank


class Words(Protocol):
    """Labels of one task type in words. Models train on the instruction form, and answer in it."""

    def prompt(self, text: str, description: TaskDescription) -> str:
        """Return the prompt that asks a model for the label of a text: what to do, what the labels mean, the text."""

    def parse(self, answer: str, text: str, description: TaskDescription) -> tuple[Any, list[str]]:
        """Read a model's answer: what is sound of it (None: nothing), and what is wrong with it."""

    def pair_fields(self, label: Any, data: Mapping[str, Any], description: TaskDescription) -> dict[str, Any]:
        """Return what a label of a task's data says of a training pair."""

    def row(self, label: Any, text: str) -> dict[str, Any]:
        """Return the label as a plain row for training a classifier (JSON values)."""

    def draft(self, excerpt: Excerpt, description: TaskDescription) -> Draft | None:
        """Return a label by rule (None in the draft: the rules know nothing), or None for a text that asks for none."""


class TextWords(Protocol):
    """What is special to labels of a text whose prompt names the labels; ``AboutText`` makes ``Words`` of it."""

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


@dataclass(frozen=True)
class AboutText:
    """Implements ``Words`` for labels of a text."""

    own: TextWords

    def prompt(self, text: str, description: TaskDescription) -> str:
        """Return the instruction, the labels with their meanings, and the text."""
        labels = (f"- {each.name}: {each.meaning}" if each.meaning else f"- {each.name}" for each in description.labels)
        return "\n".join([self.own.instruction(description), "", *labels]) + TEXT_MARK + text

    def parse(self, answer: str, text: str, description: TaskDescription) -> tuple[Any, list[str]]:
        """Read an answer."""
        return self.own.parse(answer, text, description)

    def pair_fields(self, label: Any, data: Mapping[str, Any], description: TaskDescription) -> dict[str, Any]:
        """Return prompt and answer; a document's text proves the answer."""
        text, source = data["text"], data.get("source") or None
        return {
            "prompt": self.prompt(text, description),
            "response": self.own.answer(label, text, description),
            "source": source,
            "evidence": [text] if source and data.get("document_id") and not is_blank(text) else [],
            "group": data.get("group") or data["uid"],
        }

    def row(self, label: Any, text: str) -> dict[str, Any]:
        """Return the label as a plain row."""
        return self.own.row(label, text)

    def draft(self, excerpt: Excerpt, description: TaskDescription) -> Draft | None:
        """Return a label by rule; None for a blank text."""
        if not excerpt.text.strip():
            return None
        return self.own.propose(excerpt.text, description) or Draft(None, 0.0)
