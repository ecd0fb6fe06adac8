"""Proposed labels: what a person is shown (an excerpt), and what a model or a rule says about it beforehand."""

from __future__ import annotations

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
class Proposal:
    """A label that a model or a rule proposes, for a person to correct.

    Attributes:
        label: None where nothing is proposed, but the text is worth labelling.
        score: certainty from 0 to 1; tasks with a low one are served first.
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


def propose(drafter: Drafter, excerpt: Excerpt) -> Proposal | None:
    """Return the drafter's label of an excerpt, with its evidence located."""
    draft = drafter.draft(excerpt)
    return draft.located(excerpt.text) if isinstance(draft, Draft) else draft
