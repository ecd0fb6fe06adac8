"""Structured logging to stderr: one JSON object a line with ``--json``, one readable line otherwise."""

from __future__ import annotations

import json
import logging
import sys

NOISY = ("httpx", "httpcore", "chromadb", "sentence_transformers", "urllib3", "alembic", "asyncio", "filelock", "matplotlib")


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object; ``extra={"fields": {…}}`` adds keys."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure_logging(*, as_json: bool, debug: bool) -> None:
    """Send logs of Doyen (and warnings of libraries) to stderr. Safe to call twice."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("doyen").setLevel(logging.DEBUG if debug else logging.INFO)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING if debug else logging.ERROR)
