"""One question on its way: its answers, one or two side by side, as they come from the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from doyen.core.answers import Answer, Extract
from doyen.ui.conversation import Conversation, Exchange, messages_for, save
from doyen.ui.gateway_client import GatewayClient, GatewayError, PageImages, Piece
from doyen.ui.markup import Coming, conversation_html
from doyen.ui.stopping import Stopped, until

STOPPED = "You stopped this answer."


class Side:
    """An answer that is coming.

    Attributes:
        exchange: its question, in the end with the answer or what came instead.
        coming: what there is to show until then.
    """

    def __init__(self, question: str, changed: asyncio.Event) -> None:
        self.exchange, self.coming, self._changed = Exchange(question), Coming(), changed

    async def follow(self, pieces: AsyncGenerator[Piece, None], stop: asyncio.Event) -> None:
        """Take the pieces in until the answer is complete, fails or is stopped."""
        try:
            async for piece in until(stop, pieces):
                self._take(piece)
                self._changed.set()
        except Stopped:
            self.exchange = Exchange(self.exchange.question, problem=STOPPED)
        except GatewayError as error:
            self.exchange = Exchange(self.exchange.question, problem=str(error))
        finally:
            self._changed.set()

    def _take(self, piece: Piece) -> None:
        match piece:
            case Answer():
                self.exchange = replace(self.exchange, answer=piece)
            case PageImages():
                self.exchange = replace(self.exchange, page_images=piece.paths)
            case Extract():
                self.coming = replace(self.coming, extract=piece)
            case str():
                self.coming = replace(self.coming, text=self.coming.text + piece)


async def answer_question(
    client: GatewayClient, question: str, done: Conversation, models: Sequence[str], stop: asyncio.Event
) -> AsyncIterator[tuple[Any, ...]]:
    """Add the question to the conversation and yield what the page shows while its answers come: the values of `dialogue`.

    Args:
        models: what is asked: one, or two side by side.
    """
    changed = asyncio.Event()
    messages = messages_for(question, done)
    sides = [Side(question, changed) for _ in models]
    done.append(_joined([Exchange(question) for _ in models]))
    yield dialogue(done)
    tasks = [
        asyncio.create_task(side.follow(client.ask(messages, model), stop)) for side, model in zip(sides, models, strict=True)
    ]
    try:
        while not all(task.done() for task in tasks):
            await changed.wait()
            changed.clear()
            shown = [*done[:-1], _joined([side.exchange for side in sides])]
            yield gr.skip(), conversation_html(shown, *(side.coming for side in sides)), gr.skip()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    done[-1] = _joined([side.exchange for side in sides])
    for task in tasks:
        task.result()
    yield dialogue(done)


def _joined(exchanges: list[Exchange]) -> Exchange:
    return replace(exchanges[0], beside=exchanges[1] if len(exchanges) > 1 else None)


def dialogue(done: Conversation) -> tuple[Conversation, str, str]:
    """Return the conversation, its HTML, and what the browser keeps of it: the values of ``ChatParts.dialogue``."""
    return done, conversation_html(done), save(done)
