"""An OpenAI-compatible model that always says the same."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def saying(text: str) -> Iterator[dict[str, str]]:
    """Serve a model that answers ``text``; yield the environment that makes Doyen use it."""

    class Model(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Stay silent."""

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for delta, reason in (({"role": "assistant", "content": text}, None), ({}, "stop")):
                event = {"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
                self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield {
            "DOYEN_SERVING__ENGINE": "openai",
            "DOYEN_SERVING__OPENAI_URL": f"http://127.0.0.1:{server.server_port}/v1",
            "DOYEN_SERVING__MODEL": "m",
        }
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
