"""A real Label Studio server: a seeded template is built once, each run works on a copy of it in memory."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
SEED = ROOT / "tests" / "annotation" / "seed_label_studio.py"
ENVIRONMENT = Path(os.environ.get("DOYEN_LABEL_STUDIO_ENV", ROOT / ".venv-labelstudio"))
START_TIMEOUT_S = 120
PASSWORD = "a-test-password-1"


class LabelStudioServer:
    """One server process on a folder; it can be killed and started again."""

    def __init__(self, folder: Path, tokens: dict[str, dict[str, str]]) -> None:
        self.folder, self.tokens = folder, tokens
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers; a busy port would make it take another one, so the log is read."""
        command = [ENVIRONMENT / "bin" / "label-studio", "start", "--no-browser", "--internal-host", "127.0.0.1"]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--port", str(self.port)],
                env=server_environment(self.folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"Label Studio ended: {self._log()}")
            try:
                if httpx.get(f"{self.url}/health", timeout=5).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        self.kill()
        raise RuntimeError(f"Label Studio did not answer within {START_TIMEOUT_S} s: {self._log()}")

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self, person: str, **kwargs: object) -> Any:
        """Return an SDK client that is signed in as that person."""
        from label_studio_sdk import LabelStudio

        return LabelStudio(base_url=self.url, api_key=self.tokens[person]["token"], **kwargs)

    def _log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")[-2000:]


def server_environment(folder: Path) -> dict[str, str]:
    """Return a clean environment: Label Studio also reads plain HOST, PORT, DEBUG and USERNAME."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder / "data"),
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "LABEL_STUDIO_COLLECT_ANALYTICS": "false",
        "LABEL_STUDIO_LATEST_VERSION_CHECK": "false",
        "LABEL_STUDIO_SENTRY_DSN": "",
        "LABEL_STUDIO_FRONTEND_SENTRY_DSN": "",
        "LABEL_STUDIO_USE_DEFAULT_BANNED_SUBNETS": "false",
        "fflag_feat_utc_210_prediction_validation_15082025": "true",
    }


def build_template() -> Path:
    """Return a folder with a migrated and seeded database, made on first use (about a minute) and kept."""
    version = next(ENVIRONMENT.glob("lib/python*/site-packages/label_studio-*.dist-info")).name
    identity = hashlib.sha256(SEED.read_bytes()).hexdigest()[:8]
    template = ROOT / ".cache" / f"{version.removesuffix('.dist-info').replace('_', '')}-{identity}"
    template.parent.mkdir(exist_ok=True)
    with (template.parent / "labelstudio.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            with tempfile.TemporaryDirectory(dir=_memory()) as name:
                fresh = Path(name) / "template"
                fresh.mkdir()
                done = subprocess.run(
                    [ENVIRONMENT / "bin" / "python", SEED],
                    env=server_environment(fresh),
                    capture_output=True,
                    text=True,
                    timeout=600,
                )
                if done.returncode:
                    raise RuntimeError(f"seeding Label Studio failed: {done.stderr[-3000:]}")
                (fresh / "tokens.json").write_text(done.stdout.strip().splitlines()[-1])
                unfinished = template.with_name(template.name + ".new")
                shutil.rmtree(unfinished, ignore_errors=True)
                shutil.copytree(fresh, unfinished)
                unfinished.rename(template)
    return template


def _memory() -> Path | None:
    """Return a folder in memory: SQLite commits are slow on a disk."""
    shared = Path("/dev/shm")
    return shared if os.access(shared, os.W_OK) else None


def is_installed() -> bool:
    """Whether Label Studio's own environment is there."""
    return (ENVIRONMENT / "bin" / "label-studio").exists()


@contextmanager
def running_server() -> Iterator[LabelStudioServer]:
    """Run a server with three people on a copy of the template; it is killed at the end."""
    template = build_template()
    with tempfile.TemporaryDirectory(dir=_memory(), prefix="labelstudio-") as name:
        folder = Path(name) / "server"
        shutil.copytree(template, folder)
        server = LabelStudioServer(folder, json.loads((folder / "tokens.json").read_text()))
        try:
            server.start()
            yield server
        finally:
            server.kill()
