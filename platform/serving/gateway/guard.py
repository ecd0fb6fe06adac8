"""What every request passes before a router sees it: identity, origin, size and key; and what every response carries.

Plain ASGI middlewares: Starlette's BaseHTTPMiddleware would hide a client's disconnect from a running generation.
"""

from __future__ import annotations

import logging
import re
import time
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from doyen.core.bodies import limited, says_too_much
from doyen.core.errors import DoyenError
from doyen.core.network import reason_to_refuse
from doyen.platform.serving.gateway.health_routes import Metrics
from doyen.platform.serving.gateway.http_errors import Forbidden, TooLarge, Unauthenticated, error_response
from doyen.platform.serving.gateway.services import ACCESS
from doyen.platform.serving.keys import KeyRing

logger = logging.getLogger("doyen.gateway.access")

JSON_BODY_BYTES = 2_000_000
UPLOAD_OVERHEAD_BYTES = 64_000
"""Room for the boundaries and headers of a multipart body around the file itself."""
OWN_SECRET = ("/v1/annotation/webhook", "/v1/annotation/ml/")
"""Paths that Label Studio calls: it cannot send the API key, so their router asks for a secret of their own."""
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class RequestRecord:
    """Outermost: gives each request an id, and its response security headers, a log line and metrics."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request and record it. Neither query strings, headers nor bodies are logged."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
        status = 0
        started = time.perf_counter()

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, send_marked)
        except Exception as error:
            # The last place before the server's own, which would answer without our headers and body.
            logger.exception("unforeseen error", extra={"fields": {"request_id": request_id}})
            if status:
                raise
            await error_response(error)(scope, receive, send_marked)
        finally:
            self._record(scope, request_id, status, time.perf_counter() - started)

    def _record(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.metrics.requests.labels(route, method, str(status)).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        client = scope.get("client")
        fields = {
            "request_id": request_id,
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "seconds": round(seconds, 4),
            "client": client[0] if client else None,
        }
        logger.info("%s %s %d %.3f s", scope["method"], scope["path"], status, seconds, extra={"fields": fields})


class Guard:
    """Refuses what comes from the wrong place, without the key, or is too large.

    Args:
        keys: say what the caller may do, on every path under /v1 but those with a secret of their own.
        local_only: whether only names of this machine are right in the Host header.
        upload_bytes: largest file that ``POST /v1/documents`` takes.
    """

    def __init__(self, app: ASGIApp, keys: KeyRing, local_only: bool, upload_bytes: int) -> None:
        self.app = app
        self.keys = keys
        self.local_only = local_only
        self.upload_bytes = upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = JSON_BODY_BYTES
        if scope["path"] == "/v1/documents":
            limit = self.upload_bytes + UPLOAD_OVERHEAD_BYTES
        try:
            self._check(scope, headers, limit)
        except DoyenError as error:
            await error_response(error)(scope, receive, send)
            return
        await self.app(scope, limited(receive, limit, _too_large(limit)), send)

    def _check(self, scope: Scope, headers: Headers, limit: int) -> None:
        reason = reason_to_refuse(scope["method"], headers, local_only=self.local_only)
        if reason:
            raise Forbidden(reason)
        keyed = scope["path"].startswith("/v1") and not scope["path"].startswith(OWN_SECRET)
        if keyed:
            scheme, _, given = headers.get("authorization", "").partition(" ")
            access = self.keys.access(given.strip() if scheme.lower() == "bearer" else None)
            if access is None:
                raise Unauthenticated("the API key is missing or wrong: send it as 'Authorization: Bearer …'")
            scope[ACCESS] = access
        if says_too_much(headers, limit):
            raise TooLarge(_too_large(limit))


def _too_large(limit: int) -> str:
    return f"the request's body is larger than {limit / 1e6:.1f} MB: send less, or raise serving.max_upload_mb for documents"
