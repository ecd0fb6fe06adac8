"""How long, how slowly and how often clients may hold connections of a uvicorn server, which itself sets no such limits.

    connect ──head_s──▶ request's head ──body_s + bytes / body_rate──▶ body ──▶ application ──write_s each write──▶ answer
       ▲                                                                                                             │
       └─────────────────────────────────── head_s for the next request ─────────────────────────────────────────────┘

Whoever is slower is cut off. Where an address, or all together, hold too many connections, the one that has been silent
for longest without having sent a whole request makes room for the new one, so that half-open connections, however
many, never keep others out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

KEEP_ALIVE_S = 5
GRACE_S = 5
"""How long open connections may go on after Ctrl-C."""
FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_STATE = "doyen.connection"


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits of one server.

    Attributes:
        head_s: seconds from connecting, or from the last answer, to the end of a request's head.
        body_s: seconds for a request's body, to which every ``body_rate`` bytes that came add one.
        write_s: seconds that a client may leave a part of its answer unread.
        per_address: connections of one address.
        total: connections of all.
    """

    head_s: float = 10
    body_s: float = 20
    body_rate: float = 1000
    write_s: float = 30
    per_address: int = 100
    total: int = 200


def server_config(app: ASGIApp, limits: ConnectionLimits | None = None, **options: Any) -> uvicorn.Config:
    """Return the configuration of a server that keeps the limits; ``options`` are those of uvicorn."""
    limited = LimitedConnections(app, limits or ConnectionLimits())
    return uvicorn.Config(
        limited,
        http=limited.new_protocol,  # type: ignore[arg-type]  # called like a class
        log_config=None,
        access_log=False,
        server_header=False,
        # A forwarded address is the client's own claim, and would be logged as its address.
        proxy_headers=False,
        lifespan="on",
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        # Above our own limit: it counts connections that were just cut off, too.
        limit_concurrency=2 * limited.limits.total,
        **options,
    )


class LimitedConnections:
    """An application, and the connections over which it is asked."""

    def __init__(self, app: ASGIApp, limits: ConnectionLimits) -> None:
        self.app = app
        self.limits = limits
        self._open: set[_Connection] = set()

    def new_protocol(self, **options: Any) -> asyncio.Protocol:
        """Return what uvicorn puts behind a new connection."""
        return _Connection(self, **options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request within the limits of its connection."""
        connection: _Connection | None = scope.get("state", {}).pop(_STATE, None) if scope["type"] == "http" else None
        if connection is None:
            await self.app(scope, receive, send)
            return
        with connection.serving(scope):
            await self.app(scope, connection.timed_receive(receive), connection.timed_send(send))

    def admit(self, new: _Connection) -> bool:
        """Count a connection, make room for it where there are too many, and return whether that could be done."""
        self._open.add(new)
        neighbours = [other for other in self._open if other.address == new.address]
        for crowd, limit in ((neighbours, self.limits.per_address), (list(self._open), self.limits.total)):
            if len(crowd) <= limit:
                continue
            idle = [other for other in crowd if other.incomplete and other is not new]
            if not idle:
                return False
            min(idle, key=lambda other: other.heard_at).abort()
        return True

    def forget(self, gone: _Connection) -> None:
        """Count a connection no longer."""
        self._open.discard(gone)


class _Connection(H11Protocol):
    """One connection with its deadlines.

    Attributes:
        address: the client's, without port.
        incomplete: whether no whole request has come that is not answered yet.
        heard_at: the loop's time of the last byte that came.
    """

    def __init__(self, server: LimitedConnections, *, app_state: dict[str, Any], **options: Any) -> None:
        super().__init__(app_state={**app_state, _STATE: self}, **options)
        self.address = ""
        self.incomplete = True
        self.heard_at = 0.0
        self._server = server
        self._limits = server.limits
        self._link: asyncio.Transport | None = None
        self._requests = 0
        self._head_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._link = transport
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else ""
        self.heard_at = asyncio.get_running_loop().time()
        self._expect_head()
        if not self._server.admit(self):
            transport.write(FULL)
            transport.close()

    def data_received(self, data: bytes) -> None:
        self.heard_at = asyncio.get_running_loop().time()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.forget(self)
        self._expect_nothing()
        super().connection_lost(exc)

    def abort(self) -> None:
        """Cut the connection off, whatever waits to be written."""
        self._server.forget(self)
        if self._link is not None:
            self._link.abort()

    @contextmanager
    def serving(self, scope: Scope) -> Iterator[None]:
        """Note that a request is being served, and expect the next one afterwards."""
        self._expect_nothing()
        self._requests += 1
        names = {name for name, _ in scope["headers"]}
        self.incomplete = bool(names & {b"content-length", b"transfer-encoding"})
        try:
            yield
        finally:
            self._requests -= 1
            if not self._requests:
                self.incomplete = True
                self._expect_head()

    def timed_receive(self, receive: Receive) -> Receive:
        """Cut off a client whose body comes too slowly."""
        clock = asyncio.get_running_loop().time
        started, received = clock(), 0

        async def receive_in_time() -> Message:
            nonlocal received
            if not self.incomplete:
                return await receive()
            try:
                async with asyncio.timeout_at(started + self._limits.body_s + received / self._limits.body_rate):
                    message = await receive()
            except TimeoutError:
                self.abort()
                return {"type": "http.disconnect"}
            received += len(message.get("body", b""))
            self.incomplete = message.get("more_body", False)
            return message

        return receive_in_time

    def timed_send(self, send: Send) -> Send:
        """Cut off a client that does not read."""

        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(self._limits.write_s):
                    await send(message)
            except TimeoutError:
                self.abort()

        return send_in_time

    def _expect_head(self) -> None:
        self._expect_nothing()
        self._head_deadline = asyncio.get_running_loop().call_later(self._limits.head_s, self.abort)

    def _expect_nothing(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None
