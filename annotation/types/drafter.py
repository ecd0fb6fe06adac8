"""Drafts: what a person is shown (an excerpt), and what a model or a rule says about it beforehand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from doyen.annotation.types.spans import find_quotes
from doyen.annotation.types.typed_labels import Label, PromptResponse


@dataclass(frozen=True)
class Excerpt:
    """The stretch of a document that an annotator sees; ``parsed_text[start:start + len(text)] == text``.

    Attributes:
        source, document_id, version, chunk_id: where it comes from; empty for a text that is no document's.
        page: page number from 1, or None where there are no pages.
        heading: path of headings above it, or an empty string.
    """

    text: str
    source: str = ""
    document_id: str = ""
    version: str = ""
    chunk_id: str = ""
    start: int = 0
    page: int | None = None
    heading: str = ""


@dataclass(frozen=True)
class Draft:
    """A label that a model or a rule proposes, for a person to correct.

    Attributes:
        label: None where nothing is proposed, but the text is worth labelling.
        score: certainty from 0 to 1; tasks with a low one are served first.
    """

    label: Label | None
    score: float

    @classmethod
    def of_answer(cls, text: str, prompt: str, response: str, score: float, evidence: Iterable[str] = ()) -> Draft:
        """Return a question and its answer about a text.

        Args:
            response: may be empty, where only a question is proposed.
            evidence: exact quotes, which are located in the text; those that it does not hold are left out.
        """
        spans, _ = find_quotes(text, list(evidence))
        return cls(PromptResponse(prompt, response, answerable=True, evidence=tuple(spans)), score)


class Drafter(Protocol):
    """Proposes labels: a task type by its rules, a model (``ModelDrafter``), or whatever else is brought along."""

    @property
    def version(self) -> str:
        """Name of the model or rules, stored with each prediction."""

    def draft(self, excerpt: Excerpt) -> Draft | None:
        """Return a draft, or None for an excerpt that is not worth an expert's time."""
