"""The one place that knows HTTP status codes: what each class of error means to a client.

Bodies have OpenAI's form, so that its clients raise their own exceptions with our sentence:
``{"error": {"message", "type", "code"}}``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from doyen.core.errors import (
    Busy,
    DoyenError,
    IncompatibleError,
    IndexMissing,
    InputError,
    MissingPart,
    ModelMissing,
    NotFoundError,
    NotInTime,
    ServiceError,
    SettingsError,
    StateError,
    StorageError,
    Unauthorized,
    UnreadableDocument,
    UsageError,
    WorkspaceMissing,
)
from doyen.platform.serving.page_images import WrongPlace

RETRY_AFTER_S = 2


class Unauthenticated(UsageError):
    """The request has no API key, or a wrong one."""


class Forbidden(UsageError):
    """The request comes from a place that may not send it, or with a key that may not."""


class TooLarge(InputError):
    """The request's body is larger than this server takes."""


class Overloaded(Busy):
    """Too many requests are waiting already."""


class TimedOut(StateError):
    """The answer took longer than the settings allow."""


class ErrorCode(NamedTuple):
    """What an error is to an HTTP client."""

    status: int
    type: str
    code: str


# The nearest class of an error's ancestry counts.
ERROR_CODES: dict[type[BaseException], ErrorCode] = {
    Unauthenticated: ErrorCode(401, "authentication_error", "invalid_api_key"),
    Forbidden: ErrorCode(403, "permission_error", "forbidden"),
    TooLarge: ErrorCode(413, "invalid_request_error", "too_large"),
    UnreadableDocument: ErrorCode(422, "invalid_request_error", "unreadable_document"),
    WrongPlace: ErrorCode(422, "invalid_request_error", "wrong_place"),
    NotFoundError: ErrorCode(404, "invalid_request_error", "not_found"),
    SettingsError: ErrorCode(500, "server_error", "settings"),
    UsageError: ErrorCode(400, "invalid_request_error", "invalid_request"),
    # OpenAI's clients know 429 as the one to try again after a while.
    Overloaded: ErrorCode(429, "rate_limit_error", "overloaded"),
    TimedOut: ErrorCode(504, "timeout_error", "timeout"),
    Busy: ErrorCode(503, "overloaded_error", "busy"),
    IndexMissing: ErrorCode(409, "state_error", "index_missing"),
    IncompatibleError: ErrorCode(409, "state_error", "incompatible"),
    WorkspaceMissing: ErrorCode(503, "state_error", "workspace_missing"),
    StateError: ErrorCode(409, "state_error", "wrong_state"),
    ModelMissing: ErrorCode(503, "server_error", "model_missing"),
    MissingPart: ErrorCode(503, "server_error", "missing_part"),
    StorageError: ErrorCode(507, "server_error", "storage"),
    Unauthorized: ErrorCode(502, "server_error", "upstream_refused"),
    NotInTime: ErrorCode(504, "timeout_error", "timeout"),
    ServiceError: ErrorCode(502, "server_error", "upstream"),
    DoyenError: ErrorCode(500, "server_error", "internal"),
}
INTERNAL = "the server failed on this request: look for its request id in the server's log"
DESCRIPTIONS = {
    400: "The request is wrong as it was worded.",
    401: "The API key is missing or wrong.",
    403: "The request comes from a place that may not send it, or its key may not change anything.",
    404: "A named thing does not exist.",
    405: "The path takes other methods.",
    409: "Another step is needed first, or two things do not fit.",
    413: "The body is too large.",
    422: "The document cannot be read, or has no such place.",
    429: "Too many requests wait: try again after Retry-After seconds.",
    500: "The settings are not right by now, or the server failed.",
    502: "Another server failed.",
    503: "Another writer is at work, or a part is missing.",
    504: "The time for the request is up.",
    507: "The disk is full, or a file cannot be read.",
}
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


class ErrorDetail(BaseModel):
    """What went wrong, as OpenAI words it."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(BaseModel):
    """The body of every response that is no success."""

    error: ErrorDetail


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI is to say about the errors of a route."""
    return {status: {"model": ErrorBody, "description": DESCRIPTIONS[status]} for status in statuses}


def error_code_of(error: BaseException) -> ErrorCode:
    """Return what an error means to a client; an unforeseen one is the server's fault."""
    for ancestor in type(error).__mro__:
        if ancestor in ERROR_CODES:
            return ERROR_CODES[ancestor]
    return ErrorCode(500, "server_error", "internal")


def error_body(error: BaseException) -> dict[str, Any]:
    """Return the JSON body for an error. What was not raised on purpose is not shown to clients."""
    code = error_code_of(error)
    return _body(str(error) if isinstance(error, DoyenError) else INTERNAL, code.type, code.code)


def error_response(error: BaseException) -> JSONResponse:
    """Return the response for an error."""
    code = error_code_of(error)
    headers = {"Retry-After": str(RETRY_AFTER_S)} if isinstance(error, Busy) else {}
    if code.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error_body(error), code.status, headers)


def install_error_handlers(app: FastAPI) -> None:
    """Make every error that is raised on purpose, by us or the framework, leave in the same form."""

    @app.exception_handler(DoyenError)
    async def on_known(_: Request, error: DoyenError) -> JSONResponse:
        return error_response(error)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        # Without the values, which may be long or private.
        problems = [
            f"{'.'.join(str(part) for part in item['loc'] if part != 'body') or 'body'}: "
            f"{str(item['msg']).removeprefix('Value error, ')}"
            for item in error.errors()[:10]
        ]
        return error_response(InputError(f"the request is not valid: {'; '.join(problems)}"))

    @app.exception_handler(HTTPException)
    async def on_http(_: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, "invalid_request")
        return JSONResponse(_body(str(error.detail), "invalid_request_error", code), error.status_code, error.headers)


def _body(message: str, kind: str, code: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
