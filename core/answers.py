"""What an answer is and what it rests on: one shape for each, wherever it is made, stored, measured or shown.

question ─▶ Passage … ─▶ Answer ─┬─▶ AnswerRow, answers.jsonl, the browser    to_json() and from_json(), nothing lost
Citation … ─▶       └─▶ `doyen ask --json`, the gateway          public_json(), a part of it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import Field, TypeAdapter
from pydantic.json_schema import SkipJsonSchema

from doyen.core.access import OWNER, Access
from doyen.core.modes import Mode
from doyen.core.records import Turn

Support = Literal["supported", "number_not_found", "not_checked"]
"""Whether an answer's numbers, units and codes stand in the sentences that it cites; see platform/serving/number_guard.py."""
Mark = Literal["supported", "unsure", "not_found", "number_differs"]
"""What the passages say of a sentence of an answer; see `MARK_MEANINGS`."""
MARK_MEANINGS: dict[Mark, str] = {
    "supported": "A passage says this",
    "unsure": "A passage says this, but it may not be what was asked",
    "not_found": "No passage says this",
    "number_differs": "The passages give another number, or none",
}
"""Each mark in words for people."""
MARK_SIGNS: dict[Mark, str] = {"supported": "✓", "unsure": "~", "not_found": "?", "number_differs": "≠"}
"""Each mark as one character."""
FinishReason = Literal["stop", "length", "repetition", "cancelled"]
"""Why an answer ended: the model's end token or a stop text, the token limit, a loop, or the reader."""
ANSWER_RULES = 15
"""To be raised when the same generated text becomes another answer (refusals, loops, small talk, citations): evaluations then
ask again instead of reusing answers of the old rules."""


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


class _Lossless:
    """A dataclass that JSON can hold as it is."""

    def to_json(self) -> dict[str, Any]:
        """Return all fields, for `from_json`."""
        return asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Return what ``to_json`` gave; other keys are ignored, and fields with a default may be missing.

        Raises:
            ValueError: it is something else.
        """
        made: Self = _adapter(cls).validate_python(data)  # type: ignore[arg-type]
        return made


@dataclass(frozen=True)
class Passage(_Lossless):
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
        revision: "Revision C, 2023-10-02" where there are several versions of its document, else an empty string.
        superseded_by: source of the newest version of its document, None where it is that itself.
        page_breaks: characters in the document's parsed text, within the passage, at which further pages begin.
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
    signals: Annotated[dict[str, float], Field(exclude=True), SkipJsonSchema()] = field(default_factory=dict)
    revision: str = ""
    superseded_by: str | None = None
    page_breaks: Annotated[tuple[int, ...], Field(exclude=True), SkipJsonSchema()] = ()

    def page_at(self, place: int) -> int | None:
        """Return the page that a character of the document's parsed text, within the passage, is on."""
        return None if self.page is None else self.page + sum(start <= place for start in self.page_breaks)

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Return a stored passage; those of Doyen's first versions have no version and heading, which are empty then."""
        return super().from_json({"version": "", "heading": "", **data})

    def public_json(self) -> dict[str, Any]:
        """Return the passage as the command line and the gateway show it."""
        shown: dict[str, Any] = _adapter(Passage).dump_python(self)
        return shown


@dataclass(frozen=True)
class Citation(_Lossless):
    """A quote that supports an answer: ``parsed_text[start:end] == quote`` in document ``source``.

    Attributes:
        marker: the passage's number in the prompt, from 1.
        page: on which the quote begins, from 1, or None where there are no pages.
        support: whether the quote holds figures of the answer; "not_checked" when the answer has none.
        revision: of its document, as in `Passage`.
        superseded_by: as in `Passage`.
        span: where the answer's words begin and end in the document, of the sentence that an extract was taken from; None for
            other citations.
    """

    marker: int
    chunk_id: str
    source: str
    start: int
    end: int
    page: int | None
    quote: str
    support: Support = "not_checked"
    revision: str = ""
    superseded_by: str | None = None
    span: tuple[int, int] | None = None


@dataclass(frozen=True)
class AnswerSentence(_Lossless):
    """A sentence of an answer with its trust mark.

    Attributes:
        start: first character in the answer.
        end: one past the last character, the sentence's [n] included.
        mark: "number_differs" when a number, unit or code of it stands in no cited sentence about the question, or the answer
            has only those of another kind than was asked for; "supported" when passage sentences hold half of its words, by
            weight, and all its figures; else "not_found". What is supported is "unsure" where the reader thinks it too
            improbable that this is what was asked (``serving.sure``).
        citation: the passage sentence that supports it; None for "not_found" and "number_differs".
    """

    start: int
    end: int
    mark: Mark
    citation: Citation | None = None


@dataclass(frozen=True)
class Extract(_Lossless):
    """A possible answer that stands in a passage word for word; shown while the answer is still being generated.

    Attributes:
        text: the words.
        citation: their sentence, with their place in it (``span``).
        mark: of the words as an answer, as in `AnswerSentence`.
    """

    text: str
    citation: Citation
    mark: Mark = "supported"


@dataclass(frozen=True)
class Usage:
    """Tokens read and written; 0 where the engine was not asked or cannot tell."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True)
class Timings:
    """Seconds since the question arrived.

    Attributes:
        retrieve_s: spent on finding passages; 0 in modes without them.
        first_token_s: until the first text could be shown.
    """

    retrieve_s: float = 0.0
    first_token_s: float = 0.0
    total_s: float = 0.0


@dataclass(frozen=True)
class Answer(_Lossless):
    """An answer with everything that it rests on.

    Attributes:
        mode_reason: why ``mode`` was taken, where "best" was asked for.
        adapter: "name:version", or None.
        abstained: the documents hold no answer, as far as Doyen can tell; ``answer`` is then the fixed refusal.
        support: whether the answer's numbers, units and codes stand in the cited sentences (see number_guard.py).
        finish_reason: "length" when the answer was cut at the token limit, "repetition" when it was stopped because it
            went round in circles (each repeated part is left in once).
        sentences: the answer's sentences with their marks, in order; empty where nothing is checked: refusals, small talk and
            modes without passages. One is "number_differs" exactly when ``support`` is "number_not_found".
        answer_id: what feedback refers to; empty where none was given.
        passages: what the model was shown, best first; markers of citations count from 1 in this list.
        probability: that the passages which were read answer the question; None where nothing was read.
        query: what was searched for: the question, a follow-up with what it leans on; empty where nothing was searched.
        other_versions: what other versions of cited documents say in the same place, where it differs; the marker is that of
            the citation beside which it is shown.
        profile: version of assistant.toml that shaped the prompt; empty where there is none.
    """

    question: str
    answer: str
    mode: Mode
    mode_reason: str | None = None
    model: str = ""
    adapter: str | None = None
    abstained: bool = False
    support: Support = "not_checked"
    citations: list[Citation] = field(default_factory=list)
    sentences: list[AnswerSentence] = field(default_factory=list)
    usage: Usage = Usage()
    timings: Timings = Timings()
    finish_reason: FinishReason = "stop"
    answer_id: str = ""
    passages: list[Passage] = field(default_factory=list)
    probability: float | None = None
    query: str = ""
    other_versions: list[Citation] = field(default_factory=list)
    profile: str = ""

    def public_json(self) -> dict[str, Any]:
        """Return the answer as ``doyen ask --json`` prints it: without the passages."""
        return {name: value for name, value in self.to_json().items() if name != "passages"}

    def marked_text(self) -> list[tuple[str, AnswerSentence | None]]:
        """Return the answer in pieces, each with its sentence, or None between sentences; joined they are the answer."""
        pieces: list[tuple[str, AnswerSentence | None]] = []
        done = 0
        for sentence in self.sentences:
            start, end = max(sentence.start, done), min(sentence.end, len(self.answer))
            if start < end:
                pieces += [(self.answer[done:start], None), (self.answer[start:end], sentence)]
                done = end
        pieces.append((self.answer[done:], None))
        return [piece for piece in pieces if piece[0]]


def version_note(item: Passage | Citation) -> str:
    """Return " (Revision C, 2023-10-02)" or " (Revision B, 2021-03-14, superseded by …)", an empty text without versions."""
    notes = [item.revision, f"superseded by {item.superseded_by}" if item.superseded_by else ""]
    shown = ", ".join(filter(None, notes))
    return f" ({shown})" if shown else ""


class Retriever(Protocol):
    """Finds passages for a query."""

    def retrieve(self, query: str, k: int, *, exclude_documents: Sequence[str] = (), access: Access = OWNER) -> list[Passage]:
        """Return at most ``k`` passages, best first, none from ``exclude_documents`` (document ids).

        For a caller who may not read every document, the others are as if they did not exist.
        """


class Answerer(Protocol):
    """What an evaluation asks."""

    def ask(
        self, question: str, mode: str, *, history: Sequence[Turn] = (), adapter: str | None = None, record: bool = True
    ) -> Answer:
        """Answer a question; ``record=False`` keeps the answer out of the store."""
