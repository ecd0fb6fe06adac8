"""The gateway's part of jobs: starts a process for each that may run, and stops them when the gateway stops."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable

from doyen.core.errors import DoyenError
from doyen.core.jobs import MOST_ATTEMPTS, give_up, requeue_interrupted, startable
from doyen.core.store import Store
from doyen.core.workspace import Workspace

logger = logging.getLogger("doyen.gateway")
TICK_S = 1.0
STOP_S = 20.0
"""How long a stopped process may take to write down what it has done."""


class JobRunner:
    """Runs the queue of one workspace from the first job on; those that an earlier gateway left go on when it starts."""

    def __init__(self, workspace: Workspace, store: Store) -> None:
        self._workspace, self._store = workspace, store
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._failed_starts: Counter[str] = Counter()
        self._wake, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="doyen-jobs", daemon=True)

    def start(self) -> None:
        """Begin, with what was interrupted."""
        self._thread.start()

    def wake(self) -> None:
        """Look at the queue now."""
        self._wake.set()

    def close(self) -> None:
        """Stop the processes; what they do goes on with the next gateway."""
        self._closed.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()
        for process in self._processes.values():
            process.terminate()
        for job_id, process in self._processes.items():
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                logger.warning("job %s does not stop and is ended", job_id)
                process.kill()
                process.wait()

    def _work(self) -> None:
        self._try(self._requeue)
        while not self._closed.is_set():
            self._try(self._start_what_may_run)
            self._wake.wait(TICK_S)
            self._wake.clear()

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except DoyenError as error:
            logger.warning("jobs cannot be started: %s", error)

    def _requeue(self) -> None:
        for job_id in requeue_interrupted(self._workspace, self._store):
            logger.info("job %s goes on", job_id)

    def _start_what_may_run(self) -> None:
        ended = {job_id for job_id, process in self._processes.items() if process.poll() is not None}
        self._failed_starts.update(job_id for job_id in ended if self._processes.pop(job_id).returncode)
        for job in startable(self._store):
            if self._failed_starts[job.job_id] >= MOST_ATTEMPTS:
                give_up(self._store, job.job_id, "its process ends before it begins: the gateway's log says why")
            elif job.job_id not in self._processes:
                command = [sys.executable, "-P", "-m", "doyen.platform.jobs.job_process", str(self._workspace.root), job.job_id]
                self._processes[job.job_id] = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
