"""Pulls in the background: many hints become few pulls, and no hint is needed for a label to arrive in the end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from doyen.core.errors import Busy, DoyenError

logger = logging.getLogger("doyen.gateway")
DELAY_S = 2.0
"""How long a hint waits for others: someone who labels fast causes one pull every two seconds, not one for each click."""
CLOSE_S = 10.0


class PullScheduler:
    """Pulls projects that were hinted at: one pull runs at a time, and a project waits at most once.

    Args:
        pull: pulls the named project; it may raise.
        delay_s: from the first hint to the pull.
    """

    def __init__(self, pull: Callable[[str], object], delay_s: float = DELAY_S) -> None:
        self._pull = pull
        self._delay_s = delay_s
        self._due: dict[str, float] = {}
        self._changed = threading.Condition()
        self._worker: threading.Thread | None = None
        self._closed = False

    def hint(self, project: str) -> bool:
        """Schedule a pull soon; return whether none was waiting already. A pull that is running does not count."""
        with self._changed:
            if self._closed or project in self._due:
                return False
            self._due[project] = time.monotonic() + self._delay_s
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="doyen-pulls", daemon=True)
                self._worker.start()
            self._changed.notify()
            return True

    def close(self) -> None:
        """Forget what waits, and let a running pull end; what it misses, the next pull brings."""
        with self._changed:
            self._closed = True
            self._due.clear()
            self._changed.notify()
        if self._worker is not None:
            self._worker.join(CLOSE_S)

    def _work(self) -> None:
        while (project := self._next()) is not None:
            try:
                self._pull(project)
            except Busy:
                # A pull by hand is running: it may have begun before the change that was hinted at.
                self.hint(project)
            except DoyenError as error:
                logger.warning("project %r was not pulled: %s", project, error)
            except Exception:
                # The thread pulls all projects: what one of them fails on must not end it.
                logger.exception("pulling project %r failed", project)

    def _next(self) -> str | None:
        """Wait for the next project that is due and take it; None when closed."""
        with self._changed:
            while not self._closed:
                project = min(self._due, key=lambda name: self._due[name], default=None)
                wait = None if project is None else self._due[project] - time.monotonic()
                if project is not None and wait is not None and wait <= 0:
                    del self._due[project]
                    return project
                self._changed.wait(wait)
        return None
