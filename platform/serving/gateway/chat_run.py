"""One answer being generated for an HTTP client: a blocking iterator, driven from the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

from anyio import CancelScope
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from doyen.platform.core.errors import DoyenError
from doyen.platform.serving.gateway.errors import TimedOut

if TYPE_CHECKING:
    from doyen.platform.serving.assistant import Answer


class ClientGone(DoyenError):
    """The client has closed the connection; nobody reads what is said about it."""


class AnswerRun:
    """Pieces of an answer as they come.

    It holds one of the limiter's slots until ``close``, which stops the generation wherever it is.

    Args:
        pieces: what ``Assistant.stream`` returned; each step blocks.
        release: gives the slot back.
        deadline: time of ``time.monotonic()`` after which the generation is stopped.
    """

    def __init__(
        self, request: Request, pieces: Iterator[str | Answer], release: Callable[[], None], deadline: float, limit_s: float
    ) -> None:
        self._request = request
        self._pieces = pieces
        self._release = release
        self._deadline = deadline
        self._limit_s = limit_s
        self._closed = False

    async def next(self) -> str | Answer | None:
        """Return the next piece of text, at the end the answer, and then None.

        Raises:
            ClientGone: the client has disconnected.
            TimedOut: the answer takes too long.
            DoyenError: what the assistant raises.
        """
        if await self._request.is_disconnected():
            raise ClientGone("the client has gone")
        if time.monotonic() > self._deadline:
            raise TimedOut(
                f"the answer took longer than {self._limit_s:g} s and was stopped: ask for fewer tokens "
                "or raise serving.request_timeout_s"
            )
        return await run_sync(next, self._pieces, None)

    async def close(self) -> None:
        """Stop the generation and give the slot back, also while the request is being cancelled. May be called twice."""
        if self._closed:
            return
        self._closed = True
        with CancelScope(shield=True):
            try:
                if isinstance(self._pieces, Generator):
                    await run_sync(self._pieces.close)
            finally:
                self._release()


class ClosingStream(StreamingResponse):
    """A streamed response that ends its run however the connection ends."""

    def __init__(self, run: AnswerRun, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self._run = run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream, then close the run."""
        try:
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:
            await self._run.close()
            raise
        await self._run.close()
