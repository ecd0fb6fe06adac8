"""An application on a free port of loopback, for tests whose other side needs a real one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from doyen.core.connections import ConnectionLimits, server_config
from doyen.platform.serving.gateway.server import Listener, bind


@contextmanager
def served(app: Any, limits: ConnectionLimits | None = None) -> Iterator[str]:
    """Serve an application on a free port of loopback as production does; yield its URL."""
    listener = Listener("test", app, bind("127.0.0.1", 0))
    server = uvicorn.Server(server_config(app, limits))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener.socket]})
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    try:
        yield listener.url
    finally:
        server.should_exit = True
        thread.join(20)
        listener.socket.close()
