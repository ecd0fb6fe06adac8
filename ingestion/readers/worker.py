"""The process in which files are parsed: ``python -m doyen.ingestion.readers.worker``, started by ``process.py``.

It reads requests from standard input and writes replies to standard output, each a line of JSON with its ``size`` and then so
many bytes, until its input ends. A request's bytes are the file, a reply's the result of the request's ``task`` as JSON: the
document, what was unpacked into a ``folder``, or the addresses of a sitemap; for a ``page``, its picture as PNG. Nothing that a
parser does here reaches the process that asked: not its memory, not its secrets, not its time.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from doyen.core.errors import UnreadableDocument
from doyen.core.memory import peak_memory_mb
from doyen.ingestion.readers import read_document
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.readers.sitemap import read_sitemap
from doyen.ingestion.readers.unpack import unpack
from doyen.ingestion.word_boxes import Box


def main() -> None:
    """Serve requests until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not mix with the replies
    requests = sys.stdin.buffer
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while line := requests.readline():
        request = json.loads(line)
        data = requests.read(request["size"])
        limits = Limits(**request["limits"])
        with _bounded(limits, len(data)):
            reply = _serve(request, data, limits)
        body = reply.pop("body", b"")
        peak = round(peak_memory_mb() * 2**10)
        answers.write(json.dumps({**reply, "size": len(body), "peak_kb": peak}).encode("ascii") + b"\n" + body)
        answers.flush()


def _serve(request: dict[str, Any], data: bytes, limits: Limits) -> dict[str, Any]:
    try:
        if request["task"] == "page":
            from doyen.ingestion.readers.page_image import render_page

            return {"body": render_page(data, request["page"], [Box(*area) for area in request["areas"]])}
        return {"body": json.dumps(_result(request, data, limits)).encode("ascii")}
    except UnreadableDocument as error:
        return {"unreadable": str(error)}
    except MemoryError:
        return {"unreadable": f"it takes more than {limits.memory_bytes(len(data)) / 1e6:,.0f} MB of memory to read: split it"}
    except Exception as error:  # noqa: BLE001 - whatever a parser raises is a fault of this one file
        return {"fault": f"{type(error).__name__}: {error}"[:500], "trace": traceback.format_exc()[-5000:]}


def _result(request: dict[str, Any], data: bytes, limits: Limits) -> Any:
    if request["task"] == "unpack":
        return asdict(unpack(data, request["name"], limits, Path(request["folder"])))
    if request["task"] == "sitemap":
        return read_sitemap(data)
    return read_document(data, request["name"], limits).to_json()


@contextlib.contextmanager
def _bounded(limits: Limits, size: int) -> Iterator[None]:
    """Limit memory and processor time for one file; the limits are lifted for the reply."""
    seconds = int(time.process_time() + limits.seconds(size)) + 5
    bounds = {resource.RLIMIT_AS: limits.memory_bytes(size), resource.RLIMIT_CPU: seconds}
    before = {kind: resource.getrlimit(kind) for kind in bounds}
    for kind, most in bounds.items():
        hard = before[kind][1]
        # Not every system limits address space.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    try:
        yield
    finally:
        for kind, both in before.items():
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(kind, both)


if __name__ == "__main__":
    main()
