"""Who is signed in to the pages: each person asks the gateway with their own key, which browsers never get back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any

import gradio as gr
from anyio.to_thread import run_sync
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from doyen.ui.gateway_client import GatewayClient, GatewayError, KeyRefused

logger = logging.getLogger("doyen.ui")


class Gateway:
    """The gateway, as those who are signed in may use it.

    A person signs in with the name of their key and the key. Names are unique among keys, so that a name stands for one key.

    Attributes:
        url: base URL of the gateway, without /v1.
        needs_key: whether people sign in; else everybody asks without a key, until the gateway wants one.
    """

    def __init__(self, url: str, *, needs_key: bool) -> None:
        self.url, self.needs_key = url.rstrip("/"), needs_key
        self._anyone = GatewayClient(url)
        self._clients: dict[str, GatewayClient] = {}
        self._lock = threading.Lock()
        self._pages: gr.routes.App | None = None

    def guard(self, pages: gr.routes.App) -> None:
        """Have the pages ask people to sign in, now or as soon as it is needed."""
        self._pages = pages
        pages.auth = self.sign_in if self.needs_key else None

    def sign_in(self, name: str, key: str) -> bool:
        """Return whether a key is right and has this name; from then on the name asks with it."""
        if not key.strip():
            return False
        client = GatewayClient(self.url, key.strip())
        try:
            known = client.key_name()
        except GatewayError as error:
            logger.info("nobody was signed in: %s", error)
            known = None
        if known is None or known != name:
            client.close()
            return False
        with self._lock:
            before = self._clients.get(name)
            if before is not None and before.api_key != client.api_key:
                self._sign_out(name)  # who signed in with another key of that name has lost it, and must not get this one
            self._clients[name] = client
        return True

    def look_again(self, cookies: Collection[str]) -> None:
        """Before a page is shown: see whether the gateway wants keys by now, and sign out whose key it takes no more.

        Args:
            cookies: values of those that came with the request.
        """
        if self._pages is None:
            return
        if not self.needs_key and _is_refused(self._anyone):
            self.needs_key = True
            self.guard(self._pages)
        for name in {self._pages.tokens[each] for each in cookies if each in self._pages.tokens}:
            with self._lock:
                client = self._clients.get(name)
            if client is None or _is_refused(client):
                with self._lock:
                    self._sign_out(name)

    def _sign_out(self, name: str) -> None:
        """End all sessions of a name; the caller holds the lock."""
        self._clients.pop(name, None)
        if self._pages is not None:
            for token in [token for token, signed_in in self._pages.tokens.items() if signed_in == name]:
                self._pages.tokens.pop(token, None)

    def client(self, request: gr.Request) -> GatewayClient:
        """Return the client of who sent a request of the pages."""
        if not self.needs_key:
            return self._anyone
        with self._lock:
            # Gradio lets nobody in who is not signed in; whoever it does not know has no key here.
            return self._clients.get(str(request.username), self._anyone)

    def client_of(self, cookies: Mapping[str, str]) -> GatewayClient:
        """Return the client of who sent a request that is none of Gradio's, by its cookies."""
        if not self.needs_key or self._pages is None:
            return self._anyone
        names = {self._pages.tokens[each] for each in cookies.values() if each in self._pages.tokens}
        with self._lock:
            return self._clients.get(names.pop(), self._anyone) if len(names) == 1 else self._anyone

    def with_client(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a handler of events that calls with the sender's client before the components' values."""

        def handle(request: gr.Request, *values: Any) -> Any:
            return call(self.client(request), *values)

        return handle


class SignInCheck:
    """Looks, before the page is sent, whether people have to sign in by now."""

    def __init__(self, app: ASGIApp, gateway: Gateway) -> None:
        self.app = app
        self.gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in {"", "/"}:
            await run_sync(self.gateway.look_again, list(HTTPConnection(scope).cookies.values()))
        await self.app(scope, receive, send)


def _is_refused(client: GatewayClient) -> bool:
    try:
        client.key_name()
    except KeyRefused:
        return True
    except GatewayError:
        return False  # nobody is signed out because the gateway cannot be reached
    return False
