"""Drafts of labels by a head, for people to correct."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from doyen.annotation import Draft, Excerpt, TaskDescription
from doyen.core.errors import InputError
from doyen.core.text import is_blank
from doyen.finetune.heads.head_config import HeadType, head_type, options_of
from doyen.finetune.registry import Adapter

if TYPE_CHECKING:
    from doyen.finetune.heads.head import Head


class HeadDrafter:
    """Implements ``Drafter``: the label that a head gives, with how sure it is of the least sure decision in it."""

    def __init__(self, reference: str, open_head: Callable[[], Head]) -> None:
        """Name a head; it is loaded by the first draft."""
        self.version, self._open = f"head {reference}", open_head

    def draft(self, excerpt: Excerpt) -> Draft | None:
        """Return the label; None for an empty text."""
        from doyen.finetune.heads.head_labels import label_of

        if is_blank(excerpt.text):
            return None
        head = self._open()
        return Draft(*label_of(head.config, head.score([excerpt.text])[0]))


def require_fitting(adapter: Adapter, description: TaskDescription) -> None:
    """Make sure that a head gives labels of a task.

    Raises:
        InputError: it decides something else, or among labels that the task does not have.
    """
    wanted = head_type(description)
    if HeadType(adapter.manifest["head"]) != wanted:
        raise InputError(f"head {adapter.ref} is for {adapter.manifest['head']} and this project for {wanted}: name another")
    strange = sorted(set(adapter.manifest["inputs"]["options"]) - set(options_of(description)))
    if strange:
        raise InputError(f"head {adapter.ref} gives labels that this project does not have: {', '.join(strange)}")
