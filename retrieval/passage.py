"""What retrieval returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

Support = Literal["supported", "number_not_found", "not_checked"]
"""Whether an answer's numbers, units and codes stand in the sentences that it cites; see platform/serving/number_guard.py."""


@dataclass(frozen=True)
class Passage:
    """A retrieved stretch of a document, best first in every list.

    Attributes:
        chunk_id: the chunk (the first one, where neighbouring chunks were joined).
        document_id: its document.
        version: the document version that the offsets refer to.
        source: path relative to the ingested root, or URL.
        start: first character in the document's parsed text.
        end: one past the last character; ``parsed_text[start:end] == text``.
        page: page number from 1, or None where there are no pages.
        heading: path of headings above it, or an empty string.
        score: fused relevance, larger is better; comparable within one query only.
        text: the passage.
        signals: named scores behind the ranking ("dense" cosine, "lexical" BM25, …) for debugging.
    """

    chunk_id: str
    document_id: str
    version: str
    source: str
    start: int
    end: int
    page: int | None
    heading: str
    score: float
    text: str
    signals: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the passage as the command line and the gateway show it."""
        shown = ("chunk_id", "document_id", "source", "start", "end", "page", "score", "text")
        return {name: getattr(self, name) for name in shown}


@dataclass(frozen=True)
class Citation:
    """A quote that supports an answer: ``parsed_text[start:end] == quote`` in document ``source``.

    Attributes:
        marker: the passage's number in the prompt, from 1.
        support: whether the quote holds figures of the answer; "not_checked" when the answer has none.
    """

    marker: int
    chunk_id: str
    source: str
    start: int
    end: int
    page: int | None
    quote: str
    support: Support = "not_checked"

    def to_json(self) -> dict[str, Any]:
        """Return the citation as answers carry it."""
        return asdict(self)


class Retriever(Protocol):
    """Finds passages for a query."""

    def retrieve(self, query: str, k: int, *, exclude_documents: Sequence[str] = ()) -> list[Passage]:
        """Return at most ``k`` passages, best first, none from ``exclude_documents`` (document ids)."""
