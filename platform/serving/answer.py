"""What the assistant gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

from doyen.core.manifest import now
from doyen.core.modes import Mode
from doyen.core.records import Turn
from doyen.core.store import Store
from doyen.core.store.schema import AnswerRow
from doyen.platform.serving.engines.protocol import FinishReason
from doyen.retrieval.passage import Citation, Passage, Support

ANSWER_RULES = 5
"""To be raised when the same generated text becomes another answer (refusals, loops, small talk, citations): evaluations then
ask again instead of reusing answers of the old rules."""


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

    retrieve_s: float
    first_token_s: float
    total_s: float


@dataclass(frozen=True)
class Answer:
    """An answer with everything that it rests on.

    Attributes:
        adapter: "name:version", or None.
        abstained: the documents hold no answer, as far as Doyen can tell; ``answer`` is then the fixed refusal.
        support: whether the answer's numbers, units and codes stand in the cited sentences (see number_guard.py).
        passages: what the model was shown, best first; markers of citations count from 1 in this list.
        finish_reason: "length" when the answer was cut at the token limit, "repetition" when it was stopped because it
            went round in circles (each repeated part is left in once).
        answer_id: what feedback refers to.
        mode_reason: why ``mode`` was taken, where "best" was asked for.
    """

    question: str
    answer: str
    mode: Mode
    model: str
    adapter: str | None
    abstained: bool
    citations: list[Citation]
    passages: list[Passage]
    usage: Usage
    timings: Timings
    finish_reason: FinishReason
    answer_id: str
    support: Support = "not_checked"
    mode_reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the answer as ``doyen ask --json`` prints it."""
        return {
            "question": self.question,
            "answer": self.answer,
            "mode": self.mode,
            "mode_reason": self.mode_reason,
            "model": self.model,
            "adapter": self.adapter,
            "abstained": self.abstained,
            "support": self.support,
            "citations": [citation.to_json() for citation in self.citations],
            "usage": asdict(self.usage),
            "timings": {name: round(value, 4) for name, value in asdict(self.timings).items()},
            "finish_reason": self.finish_reason,
            "answer_id": self.answer_id,
        }


def new_answer_id() -> str:
    """Return an id that no other answer has."""
    return uuid4().hex


def record_answer(store: Store, answer: Answer, history: Sequence[Turn]) -> None:
    """Store an answer, so that feedback can point to it.

    Raises:
        StorageError: the disk is full.
    """
    with store.session() as session:
        session.add(
            AnswerRow(
                answer_id=answer.answer_id,
                question=answer.question,
                history=[turn.model_dump() for turn in history],
                answer=answer.answer,
                mode=answer.mode,
                model=answer.model,
                adapter=answer.adapter,
                abstained=answer.abstained,
                support=answer.support,
                passages=[asdict(passage) for passage in answer.passages],
                citations=[citation.to_json() for citation in answer.citations],
                created_at=now(),
            )
        )
