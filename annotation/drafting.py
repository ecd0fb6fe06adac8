"""Drafters: what proposes labels for people to correct, by rule or through a model that is brought along."""

from __future__ import annotations

from collections.abc import Callable

from doyen.annotation.task_types import TaskType
from doyen.annotation.types.drafter import Draft, Excerpt
from doyen.annotation.types.question_rules import draft_question

MODEL_SCORE = 0.5
"""Certainty of a model's draft where the caller knows no better."""


class RuleDrafter:
    """Implements ``Drafter`` without a model: deterministic, and only as clever as its rules.

    Args:
        task_type: default: questions and answers.
    """

    version = "rules-1"

    def __init__(self, task_type: TaskType | None = None) -> None:
        self._task_type = task_type

    def draft(self, excerpt: Excerpt) -> Draft | None:
        """Return the label that the rules of the task type propose."""
        return self._task_type.propose(excerpt) if self._task_type is not None else draft_question(excerpt)


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
        self._task_type, self._ask, self._score, self._version = task_type, ask, score, version

    @property
    def version(self) -> str:
        """The model's name."""
        return self._version

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
