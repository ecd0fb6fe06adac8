"""Structured logging to stderr: one JSON object a line with ``--json``, one readable line otherwise.

Whatever a record holds, it makes one line, so that nobody outside can write lines of their own into the log; the lines
of a traceback follow indented. Passwords and keys are hidden.
"""

from __future__ import annotations

import json
import logging
import sys

from doyen.core.redaction import one_line, redact, redact_values

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
        return json.dumps(redact_values(line), default=lambda value: redact(str(value)))


class LineFormatter(logging.Formatter):
    """Formats a record as one line that begins with its level and logger."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and below it, indented, the traceback."""
        lines = [f"{record.levelname} {record.name}: {one_line(redact(record.getMessage()))}"]
        if record.exc_info:
            lines += [f"    {one_line(redact(line))}" for line in self.formatException(record.exc_info).splitlines()]
        return "\n".join(lines)


def configure_logging(*, as_json: bool, debug: bool) -> None:
    """Send logs of Doyen (and warnings of libraries) to stderr. Safe to call twice."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("doyen").setLevel(logging.DEBUG if debug else logging.INFO)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING if debug else logging.ERROR)
