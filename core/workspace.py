"""A workspace: the folder with ``doyen.toml`` and ``.doyen/``, where everything of one domain lives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from doyen.core.errors import InputError, WorkspaceMissing
from doyen.core.files import write_text_atomic
from doyen.core.locks import hold
from doyen.core.manifest import short_id
from doyen.core.settings import FILE_NAME, Settings, load_settings

TEMPLATE = """# Settings of this workspace. Every key has a default; `doyen doctor` shows the values in force.
name = "{name}"

# [serving]
# model = "smollm2-135m-instruct"   # or a local folder, or a Hugging Face id
# engine = "llamacpp"               # or "transformers", or "openai" with openai_url

# [annotation]
# label_studio_url = "http://127.0.0.1:8080"
"""


@dataclass(frozen=True)
class Workspace:
    """Paths and settings of one workspace. Folders are made by those who write into them.

    Attributes:
        root: the folder that holds doyen.toml, absolute.
    """

    root: Path

    @cached_property
    def settings(self) -> Settings:
        """The settings, read once. Raises SettingsError."""
        return load_settings(self.root / FILE_NAME)

    @property
    def state(self) -> Path:
        """The folder of everything that Doyen writes."""
        return self.root / ".doyen"

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the metadata database."""
        return self.settings.platform.database_url or f"sqlite:///{self.state / 'doyen.db'}"

    @property
    def index_folder(self) -> Path:
        """Chroma's files and the lexical index."""
        return self.state / "index"

    @property
    def originals_folder(self) -> Path:
        """Uploaded PDFs as they came."""
        return self.state / "originals"

    @property
    def datasets_folder(self) -> Path:
        """One folder for each dataset version."""
        return self.state / "datasets"

    @property
    def supervision_folder(self) -> Path:
        """What techniques that choose or make labels keep: one folder for each annotation project."""
        return self.state / "supervision"

    @property
    def questions_folder(self) -> Path:
        """Evaluation questions that no dataset may hold, a file for each set."""
        return self.state / "questions"

    @property
    def adapters_folder(self) -> Path:
        """One folder for each adapter version: ``name/version``."""
        return self.state / "adapters"

    @property
    def reports_folder(self) -> Path:
        """One folder for each evaluation, or a link to where it lies (`core/report_files.py`)."""
        return self.state / "reports"

    @property
    def annotation_folder(self) -> Path:
        """Tasks and labels as files, where no Label Studio server is configured."""
        return self.state / "annotation"

    @property
    def snapshot_folder(self) -> Path:
        """What a backup that is being made holds fast."""
        return self.state / "snapshot"

    @property
    def runs_folder(self) -> Path:
        """One folder for each training that has not ended yet."""
        return self.adapters_folder / ".runs"

    @contextmanager
    def training_lock(self, key: str, purpose: str) -> Iterator[None]:
        """Hold an adapter's name, or the name of a run's folder, against a second training.

        Raises:
            Busy: another process trains it.
        """
        refusal = f"cannot start {purpose}: {{holder}} trains it already; wait until it has finished"
        with hold(self.state / "locks" / f"training-{short_id(key)}.lock", purpose, refusal):
            yield

    @contextmanager
    def lock(self, purpose: str, *, wait_s: float = 0) -> Iterator[None]:
        """Hold the workspace for one writer; it is released when the process ends, however it ends.

        Args:
            wait_s: seconds to wait for another writer.

        Raises:
            Busy: another process writes; beyond ``wait_s`` waiting is left to the user.
        """
        refusal = f"cannot start {purpose}: {{holder}} is changing {self.root}; wait until it has finished"
        with hold(self.state / "writer.lock", purpose, refusal, wait_s=wait_s):
            yield


def find_workspace(start: Path | None = None) -> Workspace:
    """Return the workspace of ``start`` (default: the current folder): the nearest folder upwards with a doyen.toml.

    Raises:
        WorkspaceMissing: there is none.
    """
    folder = (start or Path.cwd()).resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / FILE_NAME).is_file():
            return Workspace(candidate)
    raise WorkspaceMissing(f"no {FILE_NAME} in {folder} or above it: run `doyen init` or name one with --workspace")


def create_workspace(folder: Path, name: str | None = None) -> Workspace:
    """Make a workspace in ``folder``, which may exist.

    Raises:
        InputError: it is a workspace already, or a file.
    """
    root = folder.resolve()
    if root.is_file():
        raise InputError(f"{root} is a file: name a folder")
    if (root / FILE_NAME).exists():
        raise InputError(f"{root} is a workspace already: edit its {FILE_NAME} or choose another folder")
    safe = (name or root.name or "workspace").replace("\\", "").replace('"', "")
    write_text_atomic(root / FILE_NAME, TEMPLATE.format(name=safe))
    return Workspace(root)
