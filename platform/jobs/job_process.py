"""The process that runs one job: ``python -m doyen.platform.jobs.job_process WORKSPACE JOB``.

It ends by itself when the job is to be cancelled or the process that started it is gone; work that is stopped so goes on later.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from doyen.core.errors import Busy, DoyenError
from doyen.core.jobs import Job, Progress, claim, end_job, log_path, losses_path, record_progress, running_lock
from doyen.core.logs import configure_logging
from doyen.core.manifest import now
from doyen.core.redaction import printable, redact
from doyen.core.store import Store, open_store
from doyen.core.store.schema import JobState
from doyen.core.workspace import Workspace, find_workspace
from doyen.platform.app import Doyen
from doyen.platform.jobs.work import parse_work

logger = logging.getLogger("doyen.jobs")
TICK_S = 0.5
"""Between two looks at whether to stop, and two notes of the progress."""
_LOSS = re.compile(r"loss (\d+\.\d+)")


class JobReporter:
    """Keeps the progress for `watched` to store, and writes messages to the job's log."""

    def __init__(self, log: TextIO, losses: Path | None = None) -> None:
        self._log, self._losses = log, losses
        self._bars: list[_Bar] = []

    @contextmanager
    def bar(self, title: str, total: float | None) -> Iterator[_Bar]:
        """Make a piece of work the present one until the block ends."""
        self.say(f"{title} …")
        self._bars.append(_Bar(Progress(title, total=total), time.monotonic(), self._losses))
        try:
            yield self._bars[-1]
        finally:
            self._bars.pop()

    def say(self, message: str) -> None:
        """Write one line to the log."""
        print(f"{now()} {printable(redact(message))}", file=self._log, flush=True)

    @property
    def progress(self) -> Progress:
        """How far the present piece is."""
        if not self._bars:
            return Progress()
        return replace(self._bars[-1].progress, seconds=round(time.monotonic() - self._bars[-1].started, 1))


@dataclass
class _Bar:
    progress: Progress
    started: float
    losses: Path | None = None

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Count, and keep the note; one that tells a loss is also a point of its curve."""
        self.progress = replace(self.progress, done=self.progress.done + amount, note=printable(note))
        told = _LOSS.match(note)
        if told and self.losses is not None:
            with self.losses.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": round(self.progress.done), "loss": float(told[1])}) + "\n")


def run_job(workspace: Workspace, store: Store, job_id: str) -> JobState | None:
    """Run a queued job in this process; return how it ended, or None where it is another's turn."""
    try:
        with running_lock(workspace, job_id):
            job = claim(store, job_id)
            return _run(workspace, store, job) if job else None
    except Busy:
        return None


def _run(workspace: Workspace, store: Store, job: Job) -> JobState:
    state, result, error = JobState.FAILED, {}, ""
    with log_path(workspace, job.job_id).open("a", encoding="utf-8") as log:
        reporter = JobReporter(log, losses_path(workspace, job.job_id))
        try:
            with Doyen(workspace, store=store, reporter=reporter) as doyen, watched(store, job, reporter):
                result = parse_work(job.kind, job.arguments).run(doyen)
            state = JobState.DONE
        except KeyboardInterrupt:
            cancelled = record_progress(store, job.job_id, reporter.progress)
            state = JobState.CANCELLED if cancelled else JobState.INTERRUPTED
        except DoyenError as caught:
            error = redact(str(caught))
        except BaseException as caught:
            error = f"an error of Doyen itself, please report it: {type(caught).__name__}: {redact(str(caught))}"
            reporter.say(traceback.format_exc())
            raise
        finally:
            reporter.say(error or str(state))
            end_job(store, job.job_id, state, result=result, error=error)
    return state


@contextmanager
def watched(store: Store, job: Job, reporter: JobReporter) -> Iterator[None]:
    """Store the progress while the block runs, and interrupt it as Ctrl-C does when the job is to stop."""
    over, parent = threading.Event(), os.getppid()

    def watch() -> None:
        while not over.wait(TICK_S):
            try:
                stop = record_progress(store, job.job_id, reporter.progress)
            except DoyenError as error:
                logger.warning("the progress of job %s cannot be stored: %s", job.job_id, error)
                continue
            if stop or os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGINT)
                return

    thread = threading.Thread(target=watch, name="doyen-job", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Run the job that the command line names."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    configure_logging(as_json=False, debug=False)
    workspace = find_workspace(Path(sys.argv[1]))
    store = open_store(workspace)
    try:
        return int(run_job(workspace, store, sys.argv[2]) is JobState.FAILED)
    finally:
        store.close()


if __name__ == "__main__":
    sys.exit(main())
