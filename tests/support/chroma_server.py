"""A real Chroma server on loopback, with files of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

START_SECONDS = 60


class ChromaServer:
    """Runs ``chroma run`` until it is stopped."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        program = Path(sys.executable).parent / "chroma"
        command = [str(program), "run", "--host", "127.0.0.1", "--port", str(port), "--path", str(folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End it without warning."""
        self._process.kill()
        self._process.wait(timeout=30)

    def _wait(self) -> None:
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                urlopen(f"{self.url}/api/v2/heartbeat", timeout=5).close()
                return
            except (URLError, OSError):
                if self._process.poll() is not None or time.monotonic() > end:
                    raise
                time.sleep(0.1)
