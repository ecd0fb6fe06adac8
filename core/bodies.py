"""The size of requests' bodies, said beforehand or counted as they come."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

TOO_LARGE = 413
_LENGTH_DIGITS = 18


def says_too_much(headers: Headers, limit: int) -> bool:
    """Return whether the request announces a body of more than ``limit`` bytes, or of a length that is no number."""
    length = headers.get("content-length", "0")
    return not (length.isascii() and length.isdigit() and len(length) <= _LENGTH_DIGITS) or int(length) > limit


def limited(receive: Receive, limit: int, reason: str) -> Receive:
    """Count the body as it comes in, because a chunked request need not say its length.

    The returned callable raises HTTPException 413 with the reason: frameworks turn other exceptions during parsing into a
    plain 400.
    """
    total = 0

    async def receive_counted() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > limit:
            raise HTTPException(TOO_LARGE, reason)
        return message

    return receive_counted
