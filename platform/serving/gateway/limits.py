"""How many answers are generated at once, and how many requests may wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from doyen.platform.serving.gateway.errors import Overloaded, TimedOut


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

    async def acquire(self, timeout_s: float) -> Callable[[], None]:
        """Wait for a turn; return the function that gives it back, which may be called twice.

        Raises:
            Overloaded: as many requests as allowed are waiting already.
            TimedOut: the turn did not come in time.
        """
        if self._slots.locked() and self.waiting >= self._max_waiting:
            raise Overloaded(
                f"{self.running} answer(s) are being generated and {self.waiting} request(s) wait: try again in a few seconds"
            )
        self.waiting += 1
        try:
            await asyncio.wait_for(self._slots.acquire(), timeout_s)
        except TimeoutError as error:
            raise TimedOut(f"no turn within {timeout_s:g} s: try again when the server is less busy") from error
        finally:
            self.waiting -= 1
        self.running += 1
        held = True

        def release() -> None:
            nonlocal held
            if held:
                held = False
                self.running -= 1
                self._slots.release()

        return release
