"""An application on a free port of loopback, for tests whose other side needs a real one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from doyen.platform.serving.gateway.server import Listener, bind


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an application on a free port of loopback; yield its URL."""
    listener = Listener("test", app, bind("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on", ws="none", timeout_graceful_shutdown=2))
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
