"""The command line: in a process of its own where the process is what a test is about, else inside the tests' process."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from doyen.platform.cli.main import main

DOYEN = [sys.executable, "-m", "doyen.platform.cli.main"]


@dataclass(frozen=True)
class Outcome:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as one JSON document."""
        return json.loads(self.out)


def start_doyen(*arguments: object, cwd: Path | None = None, timeout: float = 900, **environment: str) -> Outcome:
    """Run ``doyen`` in a process of its own and wait for its end."""
    command = [*DOYEN, *map(str, arguments)]
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=timeout, env={**os.environ, **environment}, check=False
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def run_doyen(*arguments: object, cwd: Path | None = None, **environment: str) -> Outcome:
    """Run ``doyen`` in this process: the same code without the seconds of a start."""
    out, err = io.StringIO(), io.StringIO()
    words = ["doyen", *map(str, arguments)]
    with patch.object(sys, "argv", words), patch.dict(os.environ, environment), chdir(cwd or Path.cwd()), same_logging():
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    return Outcome(int(ended.value.code or 0), out.getvalue(), err.getvalue())


@contextmanager
def same_logging() -> Iterator[None]:
    """Put the process's logging back as it was: a command sets it up for itself."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:], root.level = handlers, level
