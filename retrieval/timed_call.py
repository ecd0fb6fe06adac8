"""Calls that may never come back get a deadline: they run in a thread that is left behind when time is up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class DeadlineExceeded(Exception):
    """The call has not come back; its thread may wait for ever and holds whatever the call holds."""


def call_with_deadline(seconds: float, call: Callable[[], T]) -> T:
    """Return what the call returns, or raise what it raises.

    Raises:
        DeadlineExceeded: it took longer.
    """
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller
            failure.append(error)

    # A daemon, so that a call that hangs does not keep the process from ending.
    thread = threading.Thread(target=run, name="doyen-vectors", daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    if not outcome:
        raise DeadlineExceeded(f"no answer within {seconds:g} s")
    return outcome[0]
