"""Answers being generated for HTTP clients: the queue before the model, and blocking iterators driven from the event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterator
from functools import partial
from typing import Generic, TypeVar

from anyio import CancelScope
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from doyen.core.deadline import until
from doyen.core.errors import DoyenError
from doyen.platform.serving.gateway.http_errors import Overloaded, TimedOut

T = TypeVar("T")
P = TypeVar("P")
"""Pieces of an answer, and at its end the whole."""


class Limiter:
    """A bounded queue before the model, first come, first served.

    Attributes:
        waiting: requests that wait now.
        running: answers that are generated now.
    """

    def __init__(self, max_running: int, max_waiting: int) -> None:
        self._slots = asyncio.Semaphore(max_running)
        self._max_waiting = max_waiting
        self.waiting = 0
        self.running = 0

    def place(self) -> Place:
        """Return a place for one request, which is in the queue once it is entered."""
        return Place(self)


class Place:
    """The place of one request: in the queue, then before the model. Leaving is always safe, however far it came."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._running = False

    async def enter(self) -> None:
        """Wait for the turn; cancelling gives the place in the queue up.

        Raises:
            Overloaded: as many requests as allowed are waiting already.
        """
        limiter = self._limiter
        if limiter._slots.locked() and limiter.waiting >= limiter._max_waiting:
            raise Overloaded(
                f"{limiter.running} answer(s) are being generated and {limiter.waiting} request(s) wait: "
                "try again in a few seconds"
            )
        limiter.waiting += 1
        try:
            await limiter._slots.acquire()
            self._running = True
            limiter.running += 1
        finally:
            limiter.waiting -= 1

    def leave(self) -> None:
        """Give the turn to the next one. May be called twice, and without a turn."""
        if self._running:
            self._running = False
            self._limiter.running -= 1
            self._limiter._slots.release()


class ClientGone(DoyenError):
    """The client has closed the connection; nobody reads what is said about it."""


class RequestTime:
    """The time that a request has: until its client leaves, and not longer than a limit.

    Attributes:
        deadline: time of ``time.monotonic()`` at which it is up.
    """

    def __init__(self, request: Request, limit_s: float) -> None:
        self._request = request
        self._limit_s = limit_s
        self.deadline = time.monotonic() + limit_s

    async def wait(self, awaitable: Awaitable[T]) -> T:
        """Return the awaitable's result, or cancel it.

        Raises:
            ClientGone: the client has disconnected.
            TimedOut: the time is up.
            DoyenError: what the awaitable raises.
        """
        task = asyncio.ensure_future(awaitable)
        gone = asyncio.ensure_future(self._client_leaves())
        try:
            await asyncio.wait({task, gone}, timeout=self.deadline - time.monotonic(), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            if gone.done():
                raise ClientGone("the client has gone")
            raise TimedOut(
                f"the answer took longer than {self._limit_s:g} s and was stopped: ask for fewer tokens, try again when the "
                "server is less busy, or raise serving.request_timeout_s"
            )
        finally:
            gone.cancel()
            task.cancel()

    async def _client_leaves(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass


class AnswerRun(Generic[P]):
    """Pieces of an answer as they come.

    It holds its place before the model until ``close``, which stops the generation wherever it is; and where a step
    cannot be stopped, until that step ends.

    Args:
        ask: called in a thread, returns what ``Assistant.stream`` returns; each step of it blocks.
    """

    def __init__(self, spent: RequestTime, place: Place, ask: Callable[[], Iterator[P]]) -> None:
        self._time = spent
        self._place = place
        self._ask = ask
        self._pieces: Iterator[P] | None = None
        self._stepping = threading.Lock()
        self._closed = False

    async def next(self) -> P | None:
        """Return the next piece of text or the extract, at the end the answer, and then None.

        Raises:
            ClientGone, TimedOut, DoyenError: as ``RequestTime.wait``.
        """
        return await self._time.wait(run_sync(self._step, abandon_on_cancel=True))

    async def close(self) -> None:
        """Stop the generation and give the place up, also while the request is being cancelled. May be called twice."""
        if self._closed:
            return
        self._closed = True
        if self._stepping.locked():
            # Nothing can stop a step in another thread, but whatever it waits for knows the deadline.
            finish = partial(self._finish, asyncio.get_running_loop())
            threading.Thread(target=finish, name="doyen-last-step", daemon=True).start()
            return
        with CancelScope(shield=True):
            try:
                await run_sync(self._stop)
            finally:
                self._place.leave()

    def _step(self) -> P | None:
        with self._stepping, until(self._time.deadline):
            if self._closed:
                return None
            if self._pieces is None:
                self._pieces = self._ask()
            return next(self._pieces, None)

    def _stop(self) -> None:
        with self._stepping:
            if isinstance(self._pieces, Generator):
                self._pieces.close()

    def _finish(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self._stop()
        finally:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._place.leave)


class ClosingStream(StreamingResponse):
    """A streamed response that ends its run however the connection ends."""

    def __init__(self, run: AnswerRun[P], *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self._run = run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream, then close the run."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._run.close()
