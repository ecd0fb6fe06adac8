"""A conversation as the chat keeps it: questions with what came of them, also over a reload of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import TypeAdapter, ValidationError

from doyen.core.answers import Answer

RELOADED = "The page was reloaded before this answer was complete: ask again."


@dataclass(frozen=True)
class Exchange:
    """A question and what came of it.

    Attributes:
        answer: None while it is coming, and where an error came instead.
        problem: that error's sentence.
        page_images: for each citation the gateway's path of its page, None where it has none.
    """

    question: str
    answer: Answer | None = None
    problem: str = ""
    page_images: tuple[str | None, ...] = ()


Conversation = list[Exchange]
_SAVED = TypeAdapter(Conversation)


def answer_at(exchanges: Sequence[Exchange], index: int | None) -> Answer | None:
    """Return the answer at a place of the conversation, None where there is none."""
    return exchanges[index].answer if index is not None and 0 <= index < len(exchanges) else None


def last_answered(exchanges: Sequence[Exchange]) -> int | None:
    """Return the place of the newest answer, None before there is one."""
    return max((index for index, exchange in enumerate(exchanges) if exchange.answer), default=None)


def messages_for(question: str, done: Sequence[Exchange]) -> list[dict[str, str]]:
    """Return the conversation as the gateway takes it; questions without an answer are left out."""
    messages = []
    for exchange in done:
        if exchange.answer is not None:
            messages.append({"role": "user", "content": exchange.question})
            messages.append({"role": "assistant", "content": exchange.answer.answer})
    return [*messages, {"role": "user", "content": question}]


def save(exchanges: Sequence[Exchange]) -> str:
    """Return the conversation as text for the browser to keep; `restore` reads it."""
    return _SAVED.dump_json(list(exchanges)).decode()


def restore(saved: str | None) -> Conversation:
    """Return a kept conversation; a damaged one, or one of another version, is given up for an empty one."""
    try:
        exchanges = _SAVED.validate_json(saved or "[]")
    except ValidationError:
        return []
    return [exchange if exchange.answer or exchange.problem else replace(exchange, problem=RELOADED) for exchange in exchanges]
