"""How many answers are generated at once, and how many requests may wait."""

from __future__ import annotations

import asyncio

from doyen.platform.serving.gateway.errors import Overloaded


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
