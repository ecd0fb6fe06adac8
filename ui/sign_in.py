"""Who is signed in to the pages: each person asks the gateway with their own key, which browsers never get back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import gradio as gr

from doyen.ui.gateway_client import GatewayClient, GatewayError

logger = logging.getLogger("doyen.ui")


class Gateway:
    """The gateway, as those who are signed in may use it.

    A person signs in with the name of their key and the key. Names are unique among keys, so that a name stands for one key.

    Attributes:
        url: base URL of the gateway, without /v1.
        needs_key: whether people sign in; else everybody asks without a key.
    """

    def __init__(self, url: str, *, needs_key: bool) -> None:
        self.url, self.needs_key = url.rstrip("/"), needs_key
        self._anyone = GatewayClient(url)
        self._clients: dict[str, GatewayClient] = {}
        self._lock = threading.Lock()

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
            self._clients[name] = client
        return True

    def client(self, request: gr.Request) -> GatewayClient:
        """Return the client of who sent a request of the pages."""
        if not self.needs_key:
            return self._anyone
        with self._lock:
            # Gradio lets nobody in who is not signed in; whoever it does not know has no key here.
            return self._clients.get(str(request.username), self._anyone)

    def with_client(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a handler of events that calls with the sender's client before the components' values."""

        def handle(request: gr.Request, *values: Any) -> Any:
            return call(self.client(request), *values)

        return handle
