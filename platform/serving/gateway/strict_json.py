"""JSON bodies that every later step can take: text that can be stored and printed, numbers that are numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

MAX_DEPTH = 100
_LARGEST = 2**63
_HALF_PAIR = re.compile("[\ud800-\udfff]")


class StrictRoute(APIRoute):
    """A route whose JSON bodies are read strictly; what is wrong with one is a 400."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the route's handler, which is given a request that reads JSON strictly."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return handle_strictly


class _StrictRequest(Request):
    async def json(self) -> Any:
        """Return the body's value."""
        return parse_strictly(await self.body())


def parse_strictly(body: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        HTTPException: 400, because the body is not JSON in UTF-8, nests too deeply, or holds NaN, Infinity, an integer of
            more than 64 bits, a lone surrogate or a NUL character.
    """
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        _check(value)
    except UnicodeDecodeError as error:
        raise HTTPException(400, f"the body is not UTF-8 (byte {error.start}): send JSON in UTF-8") from error
    except RecursionError as error:
        raise HTTPException(400, f"the body nests more than {MAX_DEPTH} levels: send a flatter one") from error
    except ValueError as error:
        raise HTTPException(400, f"the body is not valid JSON: {error}") from error
    return value


def _check(value: Any, depth: int = 0) -> None:
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
    elif isinstance(value, int | float) and not -_LARGEST <= value < _LARGEST:
        raise ValueError("a number is too large")


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ValueError("a text holds a NUL character")
    if not text.isascii() and _HALF_PAIR.search(text):
        raise ValueError("a text holds half of a surrogate pair")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")
