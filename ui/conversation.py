"""A conversation as the chat keeps it: questions with what came of them, also over a reload of the page."""

from __future__ import annotations

import re
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
        beside: what another mode answered to the same question; no part of the conversation that later questions go by.
    """

    question: str
    answer: Answer | None = None
    problem: str = ""
    page_images: tuple[str | None, ...] = ()
    beside: Exchange | None = None


Conversation = list[Exchange]
_SAVED = TypeAdapter(Conversation)
_MARKS = re.compile(r"[\\`*_\[\]<>#|!&~]")


def exchange_at(exchanges: Sequence[Exchange], place: int | None) -> Exchange | None:
    """Return the exchange at a place of the conversation, None where there is none.

    Args:
        place: counted from 0; -1 is what stands beside the first exchange, -2 beside the second, and so on.
    """
    if place is None or not -len(exchanges) <= place < len(exchanges):
        return None
    return exchanges[place] if place >= 0 else exchanges[beside_of(place)].beside


def beside_of(place: int) -> int:
    """Return the place beside a place, both ways: 0 and -1, 1 and -2, and so on."""
    return -place - 1


def answer_at(exchanges: Sequence[Exchange], place: int | None) -> Answer | None:
    """Return the answer at a place of the conversation (see `exchange_at`), None where there is none."""
    exchange = exchange_at(exchanges, place)
    return exchange.answer if exchange else None


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
    return [_ended(exchange) for exchange in exchanges]


def _ended(exchange: Exchange) -> Exchange:
    beside = exchange.beside and _ended(exchange.beside)
    problem = exchange.problem or ("" if exchange.answer else RELOADED)
    return replace(exchange, problem=problem, beside=beside)


def to_markdown(exchanges: Sequence[Exchange]) -> str:
    """Return the conversation for people to keep: questions, answers, and the quotes that they rest on.

    Marks of Markdown in texts are escaped, so that a viewer shows them and fetches nothing that a document names.
    """
    parts = ["# Conversation"]
    for exchange in exchanges:
        parts.append(f"## {_one_line(exchange.question)}")
        for each in filter(None, (exchange, exchange.beside)):
            parts += _answer_markdown(each)
    return "\n\n".join(parts) + "\n"


def _answer_markdown(exchange: Exchange) -> list[str]:
    answer = exchange.answer
    if answer is None:
        return [f"*No answer:* {_plain(exchange.problem)}"]
    adapter = f", {answer.adapter}" if answer.adapter else ""
    quotes = [
        f"- [{each.marker}] {_one_line(each.source)}{f', page {each.page}' if each.page else ''}: “{_one_line(each.quote)}”"
        for each in answer.citations
    ]
    return list(filter(None, (_plain(answer.answer), "\n".join(quotes), f"*{answer.mode}{adapter}*")))


def _plain(text: str) -> str:
    return _MARKS.sub(r"\\\g<0>", text)


def _one_line(text: str) -> str:
    return _plain(" ".join(text.split()))
