"""Running the gateway, and an application beside it, until Ctrl-C."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from doyen.core.connections import server_config
from doyen.core.errors import SettingsError, StateError
from doyen.core.network import is_loopback
from doyen.core.settings import FILE_NAME
from doyen.core.workspace import Workspace
from doyen.platform.serving.gateway.api import create_app

logger = logging.getLogger("doyen.gateway")


@dataclass(frozen=True)
class Listener:
    """An application bound to an address.

    Attributes:
        name: what users call it.
    """

    name: str
    app: ASGIApp
    socket: socket.socket

    @property
    def url(self) -> str:
        """The base URL under which this machine reaches it."""
        host, port = self.socket.getsockname()[:2]
        if host in {"0.0.0.0", "::"}:  # noqa: S104 - a comparison
            host = "127.0.0.1"
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@dataclass(frozen=True)
class AppFactory:
    """An application to serve beside the gateway.

    Attributes:
        build: makes it from the gateway's base URL.
    """

    name: str
    port: int
    build: Callable[[str], ASGIApp]


def run_servers(
    workspace: Workspace, *, host: str | None = None, port: int | None = None, beside: AppFactory | None = None
) -> None:
    """Serve the gateway, and an application beside it, until Ctrl-C or SIGTERM.

    Args:
        host: address to bind, default serving.host. Port 0 takes a free one.
        beside: the chat, for example, bound to the same address.

    Raises:
        SettingsError: the address is not loopback and there is no API key.
        StateError: a port is taken.
    """
    settings = workspace.settings.serving
    host = host or settings.host
    check_exposure(host, has_key=bool(settings.keys or settings.api_key.get_secret_value()))
    listeners = [Listener("Gateway", create_app(workspace, host=host), bind(host, settings.port if port is None else port))]
    try:
        if beside is not None:
            place = bind(host, beside.port)
            listeners.append(Listener(beside.name, beside.build(listeners[0].url), place))
        asyncio.run(_serve_until_signal(listeners))
    finally:
        for listener in listeners:
            listener.socket.close()


def check_exposure(host: str, *, has_key: bool) -> None:
    """Refuse to open a server without a key to the network.

    Raises:
        SettingsError: saying how to set the key.
    """
    if not has_key and not is_loopback(host):
        raise SettingsError(
            FILE_NAME,
            [
                f"serving.host {host!r} opens the gateway to the network, but there is no key: run "
                "`doyen keys add NAME`, set serving.api_key (DOYEN_SERVING__API_KEY), or bind to 127.0.0.1"
            ],
        )


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        StateError: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise StateError(f"cannot listen on {host} port {port} ({error.strerror}): choose another one with --port") from error


async def _serve_until_signal(listeners: Sequence[Listener]) -> None:
    """Serve all listeners until SIGINT, SIGTERM or the end of one of them; then stop all.

    Raises:
        StateError: a server could not start.
    """
    servers = [_Server(server_config(listener.app)) for listener in listeners]
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, _stop, servers)
    pairs = zip(servers, listeners, strict=True)
    tasks = [asyncio.create_task(server.serve(sockets=[listener.socket])) for server, listener in pairs]
    try:
        while not all(server.started for server in servers):
            if any(task.done() for task in tasks):
                raise StateError("a server could not start: its reason is in the log above")
            await asyncio.sleep(0.02)
        for listener in listeners:
            logger.info("%s: %s", listener.name, listener.url)
        logger.info("Ctrl-C stops")
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(name)


class _Server(uvicorn.Server):
    """A server that leaves signals to ``serve``, which stops several of them."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _stop(servers: Sequence[uvicorn.Server]) -> None:
    """Ask all servers to stop; at the second signal they do not wait for open connections."""
    for server in servers:
        server.force_exit = server.should_exit
        server.should_exit = True
