"""The parent's side of a llama.cpp worker: start it, talk to it, see it fail, end it."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import httpx

from doyen.core.child_environment import child_environment
from doyen.core.deadline import time_is_up, time_left
from doyen.core.errors import InputError, NotInTime, ServiceError

START_SECONDS = 180.0
"""Longest loading of model and adapters."""
SILENCE_SECONDS = 120.0
"""A worker that sends nothing for so long while answering has stalled and is ended."""
PROBE_SECONDS = 2.0
"""How long a worker may take to say that it is well when a request's time is up."""
END_SECONDS = 3.0


@dataclass(frozen=True)
class WorkerPlan:
    """What a worker serves.

    Attributes:
        model: GGUF file of the base.
        adapters: GGUF files; an adapter's place is its id.
        context: longest prompt plus answer, in tokens.
        slots: requests that are computed at the same time.
        batch_threads: threads that read prompts.
    """

    model: Path
    adapters: tuple[Path, ...]
    context: int
    slots: int
    batch_threads: int


class WorkerProcess:
    """One running worker. Its socket lies in a folder that only this user can enter."""

    def __init__(self, plan: WorkerPlan) -> None:
        """Start the process and wait until the model is loaded.

        Raises:
            ServiceError: it ended or did not get ready.
        """
        self.plan = plan
        self._folder = Path(tempfile.mkdtemp(prefix="doyen-"))
        self._log = self._folder / "log"
        # llama.cpp takes a host name for a socket when it ends so.
        socket = self._folder / "llama.sock"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "doyen.platform.serving.engines.llamacpp_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # Ctrl-C in a terminal is the parent's business.
                start_new_session=True,
                env=child_environment(OMP_WAIT_POLICY="passive", OMP_NUM_THREADS=str(plan.batch_threads)),
            )
        self._stdin = cast(BinaryIO, self.process.stdin)
        self._stdout = cast(BinaryIO, self.process.stdout)
        try:
            self._start(socket)
        except BaseException:
            self.close()
            raise
        self.client = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(socket), limits=httpx.Limits(max_keepalive_connections=0)),
            base_url="http://worker",
        )
        self._in_flight = 0
        self._heard_at = 0.0
        self._counting = threading.Lock()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def stream(self, body: dict[str, Any]) -> Generator[dict[str, Any], None, None]:
        """Send a completion request and yield its events; closing the iterator cancels it.

        Raises:
            InputError: llama.cpp refused the request.
            NotInTime: the time is up, or the worker has stalled and was ended.
            ServiceError: the worker crashed.
        """
        answer = self.client.stream("POST", "/completion", json={**body, "stream": True}, timeout=_timeout())
        with self._failures(), answer as response:
            if response.status_code != httpx.codes.OK:
                response.read()
            self._check(response)
            for line in response.iter_lines():
                self._heard_at = time.monotonic()
                if line.startswith("data: "):
                    event: dict[str, Any] = json.loads(line.removeprefix("data: "))
                    yield event
                elif line.startswith("error: "):
                    raise ServiceError(f"the llama.cpp worker failed while answering: {line.removeprefix('error: ')}")

    def close(self) -> None:
        """End the process and remove its socket; a second call does nothing."""
        # A worker that has crashed already has closed its end.
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._stdout.close()
        if hasattr(self, "client"):
            self.client.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, socket: Path) -> None:
        orders = json.dumps({**asdict(self.plan), "socket": socket}, default=str)
        watchdog = threading.Timer(START_SECONDS, self.process.kill)
        watchdog.start()
        try:
            self._stdin.write(orders.encode() + b"\n")
            self._stdin.flush()
            line = self._stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            watchdog.cancel()
        if not line:
            raise ServiceError(f"the llama.cpp worker could not load {self.plan.model.name}: {self._last_words()}")

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """Turn broken connections and silence into errors; a worker that hangs is ended, so that the next one starts."""
        with self._counting:
            self._heard_at = self._heard_at if self._in_flight else time.monotonic()
            self._in_flight += 1
        try:
            yield
        except httpx.TimeoutException as error:
            if time_is_up() and self._is_well():
                raise NotInTime("the model did not answer in time: ask for fewer tokens or show fewer passages") from error
            silence = time.monotonic() - self._heard_at
            self.process.kill()
            raise NotInTime(
                f"the llama.cpp worker sent nothing for {silence:.0f} s and was ended: ask again, a new one starts"
            ) from error
        except httpx.TransportError as error:
            # The connection breaks a moment before the process can be reaped.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(END_SECONDS)
            raise ServiceError(f"the llama.cpp worker crashed ({self._last_words()}): ask again, a new one starts") from error
        finally:
            with self._counting:
                self._in_flight -= 1

    def _is_well(self) -> bool:
        """Return whether the worker still talks, and has talked lately to any of those that it owes an answer."""
        if time.monotonic() - self._heard_at > SILENCE_SECONDS:
            return False
        try:
            return self.client.get("/health", timeout=PROBE_SECONDS).is_success
        except httpx.HTTPError:
            return False

    def _check(self, response: httpx.Response) -> None:
        if response.status_code == httpx.codes.OK:
            return
        problem = response.json().get("error", {})
        message = str(problem.get("message", response.text))
        if response.status_code == httpx.codes.BAD_REQUEST:
            raise InputError(f"the model cannot take this request: {message}")
        raise ServiceError(f"the llama.cpp worker failed ({response.status_code}): {message}")

    def _last_words(self) -> str:
        """The exit status and the last line of the log."""
        code = self.process.poll()
        ended = "still running"
        if code is not None:
            ended = f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if self._log.is_file() else []
        return f"{ended}; {lines[-1][:300]}" if lines else ended


def _timeout() -> httpx.Timeout:
    return httpx.Timeout(time_left(SILENCE_SECONDS), pool=None)
