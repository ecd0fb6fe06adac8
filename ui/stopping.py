"""Ending an answer that is coming, from another event of the same page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """The answer was stopped."""


class Running:
    """The answers that are coming, one for each page (Gradio's session hash).

    Gradio's own cancelling leaves it open whether the cancelled event still shows something and whether the next one is
    taken; here the event ends by itself, and what follows comes after it.
    """

    def __init__(self) -> None:
        self._answers: dict[str, tuple[asyncio.Event, asyncio.Event]] = {}

    @asynccontextmanager
    async def answering(self, page: str) -> AsyncIterator[asyncio.Event]:
        """Wait for the end of the page's answer; give the event that is set when the next, made here, is to be stopped."""
        while page in self._answers:
            await self._answers[page][1].wait()
        stop, ended = self._answers[page] = asyncio.Event(), asyncio.Event()
        try:
            yield stop
        finally:
            ended.set()
            del self._answers[page]

    async def stop(self, page: str) -> None:
        """Stop the page's answer, if one is coming, and wait for its end."""
        if page in self._answers:
            stop, ended = self._answers[page]
            stop.set()
            await ended.wait()


async def until(stop: asyncio.Event, pieces: AsyncGenerator[T, None]) -> AsyncIterator[T]:
    """Yield the pieces, and close their generator wherever it is once ``stop`` is set.

    Raises:
        Stopped: ``stop`` was set before the last piece came.
    """
    stopping = asyncio.create_task(stop.wait())
    try:
        while True:
            coming = asyncio.create_task(_next(pieces))
            try:
                await asyncio.wait({coming, stopping}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                coming.cancel()
            if not coming.done() or stop.is_set():
                await asyncio.gather(coming, return_exceptions=True)
                raise Stopped
            for piece in coming.result():
                yield piece
            if not coming.result():
                return
    finally:
        stopping.cancel()
        await pieces.aclose()


async def _next(pieces: AsyncGenerator[T, None]) -> list[T]:
    """Return the next piece as a list of one, empty at the end."""
    async for piece in pieces:
        return [piece]
    return []
