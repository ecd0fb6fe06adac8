"""Reads files in a child process with limits on time and memory, so that a damaged or hostile file fails alone.

The child is started once and reused over files. It is a program of its own and not a fork: the server's threads and locks do
not come with it, and its environment holds no secrets.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from doyen.core.child_environment import child_environment
from doyen.core.errors import UnreadableDocument
from doyen.ingestion.document import ParsedDocument, Unpacked
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.word_boxes import Box

COMMAND = (sys.executable, "-P", "-m", "doyen.ingestion.readers.worker")
LARGEST_IDLE_KB = 600_000
"""A child that once took more memory is replaced: what the allocator keeps would count against the next file."""

log = logging.getLogger(__name__)


class ReaderProcess:
    """A child process that parses one file at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the child if there is none; it loads its libraries while the caller goes on."""
        with self._lock:
            self._running()

    def read(self, data: bytes, name: str, limits: Limits) -> ParsedDocument:
        """Parse a file as ``read_document`` does.

        Raises:
            UnreadableDocument: it cannot be parsed, or not within the limits; or the parser crashed on it.
        """
        return ParsedDocument.from_json(json.loads(self._ask(data, limits, task="document", name=name)))

    def unpack(self, data: bytes, name: str, limits: Limits, folder: Path) -> Unpacked:
        """Write the members of an archive or an e-mail into a folder, as ``unpack`` does.

        Raises:
            UnreadableDocument: it cannot be opened, or not within the limits; or the parser crashed on it.
        """
        found = json.loads(self._ask(data, limits, task="unpack", name=name, folder=str(folder)))
        return Unpacked(*([(first, second) for first, second in found[part]] for part in ("members", "failed", "skipped")))

    def sitemap(self, data: bytes, limits: Limits) -> dict[str, list[str]]:
        """Return the addresses in a sitemap, as ``read_sitemap`` does.

        Raises:
            UnreadableDocument: it cannot be read, or not within the limits; or the parser crashed on it.
        """
        found: dict[str, list[str]] = json.loads(self._ask(data, limits, task="sitemap", name="sitemap.xml"))
        return found

    def render(self, data: bytes, page: int, areas: Sequence[Box], limits: Limits) -> bytes:
        """Return a page of a PDF as ``render_page`` does.

        Raises:
            UnreadableDocument: it cannot be drawn, or not within the limits; or the program crashed on it.
        """
        return self._ask(data, limits, task="page", name="a page", page=page, areas=[list(area) for area in areas])

    def _ask(self, data: bytes, limits: Limits, **task: Any) -> bytes:
        """Return what the child gives back for a file."""
        with self._lock:
            child = self._running()
            late = threading.Event()
            watchdog = threading.Timer(limits.wall_seconds(len(data)), _end, (child, late))
            watchdog.start()
            try:
                reply, body = _exchange(child, {**task, "size": len(data), "limits": asdict(limits)}, data)
            except (OSError, EOFError, ValueError) as error:
                self._close()
                raise UnreadableDocument(_crash_reason(child, late.is_set(), limits, len(data))) from error
            finally:
                watchdog.cancel()
            if late.is_set() or reply["peak_kb"] > LARGEST_IDLE_KB:
                self._close()
        if "unreadable" in reply:
            raise UnreadableDocument(reply["unreadable"])
        if "fault" in reply:
            log.warning("reading %r failed: %s", task["name"], reply["trace"])
            raise UnreadableDocument(f"the reader failed on it ({reply['fault']}): convert it to another format")
        return body

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._close()
            self._child = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=child_environment(),
                start_new_session=True,
            )
        return self._child

    def _close(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            _kill(child)
            child.wait()
            for stream in (child.stdin, child.stdout):
                if stream is not None:
                    stream.close()


def _exchange(child: subprocess.Popen[bytes], request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    """Send a file and return the reply's head and body."""
    requests, replies = child.stdin, child.stdout
    if requests is None or replies is None:
        raise EOFError
    requests.write(json.dumps(request).encode("ascii") + b"\n" + data)
    requests.flush()
    line = replies.readline()
    if not line:
        raise EOFError
    reply = json.loads(line)
    body = replies.read(reply["size"])
    if len(body) < reply["size"]:
        raise EOFError
    return reply, body


def _end(child: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    _kill(child)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End the child with the programs that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def _crash_reason(child: subprocess.Popen[bytes], late: bool, limits: Limits, size: int) -> str:
    if late or child.returncode == -signal.SIGXCPU:
        seconds = limits.wall_seconds(size) if late else limits.seconds(size)
        return f"it takes more than {seconds:,.0f} s to read: split it, or raise ingestion.max_read_s"
    code = child.returncode
    what = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
    return f"the reader crashed on it or ran out of memory ({what}): convert it to another format or split it"


_shared = ReaderProcess()
atexit.register(_shared.close)


def shared_reader() -> ReaderProcess:
    """Return the reader that all ingestion of this process uses; it is started at once."""
    _shared.start()
    return _shared
