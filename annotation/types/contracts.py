"""What each kind of label has to know about itself; ``task_types.LabellingType`` makes a task type of it."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from doyen.annotation.contracts import Proposal, Result
from doyen.annotation.descriptions import TaskDescription
from doyen.annotation.records import Label

L = TypeVar("L", bound=Label)


class Kind(Protocol[L]):
    """How labels of one kind are shown, read, written and put into words, under a given description."""

    @property
    def label_type(self) -> type[L]:
        """The class of its labels."""

    def screen(self, description: TaskDescription) -> str:
        """Return the labelling configuration."""

    def read(self, result: Result, text: str, description: TaskDescription) -> tuple[L | None, list[str]]:
        """Read a result: what is sound of it (None: nothing), and everything that is wrong with it."""

    def write(self, label: L, text: str, uid: str) -> Result:
        """Return the label as regions with ids; ``read`` is its inverse."""

    def instruction(self, description: TaskDescription) -> str:
        """Return what a model is asked to do with a text, and in which form it answers."""

    def answer(self, label: L, text: str, description: TaskDescription) -> str:
        """Return the label in that form; never empty."""

    def parse(self, answer: str, text: str, description: TaskDescription) -> tuple[L | None, list[str]]:
        """Read such an answer: what is sound of it (None: nothing), and what is wrong with it."""

    def row(self, label: L, text: str) -> dict[str, Any]:
        """Return the label as a plain row for training a classifier."""

    def propose(self, text: str, description: TaskDescription) -> Proposal | None:
        """Return a label by rule, or None."""
