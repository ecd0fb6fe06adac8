"""A real Label Studio server for the tests: a seeded template is built once, each session runs on a copy in memory."""

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
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from doyen.ingestion.annotation.label_studio import LabelStudioBackend
from doyen.platform.core.manifest import now
from doyen.platform.core.store import Store, open_store
from doyen.platform.core.store.schema import ChunkRow, DocumentRow, DocumentVersionRow
from doyen.platform.core.workspace import Workspace, create_workspace

ROOT = Path(__file__).parents[2]
SEED = Path(__file__).with_name("seed_label_studio.py")
ENVIRONMENT = Path(os.environ.get("DOYEN_LABEL_STUDIO_ENV", ROOT / ".venv-labelstudio"))
START_TIMEOUT_S = 120

TEXT = (
    "Sample pump\n\nThe sample pump PN 410-778 must be replaced every 4,000 operating hours.\r\n"
    "The flow is 1.2 L/min 😀 at 20 °C. Use only membrane kit MK-7.\n\n"
    "Cafe\u0301 staff never open the pump. Call the service desk when code E-41 returns.\n"
)
SECOND = "Heated line\n\nThe heated line runs at 180 °C and is inspected twice a year.\n"


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

    def client(self, person: str, **kwargs: object) -> object:
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


@pytest.fixture(scope="session")
def label_studio() -> Iterator[LabelStudioServer]:
    """A running server with three people, on a copy of the template."""
    if not (ENVIRONMENT / "bin" / "label-studio").exists():
        message = f"no Label Studio in {ENVIRONMENT}: run `make .venv-labelstudio` or set DOYEN_LABEL_STUDIO_ENV"
        if os.environ.get("DOYEN_REQUIRE_LABEL_STUDIO"):
            pytest.fail(message)
        pytest.skip(message)
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


@pytest.fixture
def remote(tmp_path: Path, label_studio: LabelStudioServer) -> Workspace:
    """A workspace whose settings name the server."""
    workspace = create_workspace(tmp_path / "remote", "test")
    with (workspace.root / "doyen.toml").open("a") as settings:
        token = label_studio.tokens["lead@example.com"]["token"]
        settings.write(f'\n[annotation]\nlabel_studio_url = "{label_studio.url}"\nlabel_studio_api_key = "{token}"\n')
    return workspace


@pytest.fixture
def remote_store(remote: Workspace) -> Iterator[Store]:
    """The database of ``remote``, with documents."""
    opened = open_store(remote)
    add_document(opened, "manual.md", TEXT, cuts=(0, 13, len(TEXT)))
    add_document(opened, "lines.md", SECOND, cuts=(0, len(SECOND)))
    yield opened
    opened.close()


@pytest.fixture
def filled(store: Store) -> Store:
    """The database of ``workspace``, with documents."""
    add_document(store, "manual.md", TEXT, cuts=(0, 13, len(TEXT)))
    add_document(store, "lines.md", SECOND, cuts=(0, len(SECOND)))
    return store


def add_document(store: Store, source: str, text: str, *, cuts: tuple[int, ...]) -> None:
    """Store a document with chunks between the cuts, as an ingestion would."""
    with store.session() as session:
        session.add(
            DocumentRow(
                document_id=f"doc-{source}",
                source=source,
                root="",
                version="v1",
                title=source,
                media_type="text/markdown",
                size=len(text),
                modified_ns=0,
                settings_fingerprint="",
                duplicate_of=None,
                near_group=source,
                ingested_at=now(),
            )
        )
        session.add(
            DocumentVersionRow(document_id=f"doc-{source}", version="v1", source=source, text=text, pages=[], created_at=now())
        )
        session.flush()
        for ordinal, (start, end) in enumerate(pairwise(cuts)):
            session.add(
                ChunkRow(
                    chunk_id=f"{source}-{ordinal}",
                    document_id=f"doc-{source}",
                    version="v1",
                    ordinal=ordinal,
                    start=start,
                    end=end,
                    page=None,
                    heading="Sample pump",
                    text=text[start:end],
                    indexed=False,
                )
            )


def backend_of(workspace: Workspace) -> LabelStudioBackend:
    """Return a direct connection to the workspace's server."""
    settings = workspace.settings.annotation
    assert settings.label_studio_url
    return LabelStudioBackend(settings.label_studio_url, settings.label_studio_api_key.get_secret_value())
