"""Fixtures that all tests share. Tests are offline: the hub and telemetry are off before anything is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.update({"HF_HUB_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "False", "TOKENIZERS_PARALLELISM": "false"})

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from doyen.core.store import Store, open_store
from doyen.core.workspace import FILE_NAME, Workspace, create_workspace


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name every test that was left out, and why."""
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"LEFT OUT {report.nodeid}: {str(reason).removeprefix('Skipped: ')}")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A fresh workspace with default settings."""
    return create_workspace(tmp_path / "space", "test")


@pytest.fixture
def store(workspace: Workspace) -> Iterator[Store]:
    """The workspace's database."""
    opened = open_store(workspace)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def tiny_reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a reader that knows the sentences of ``support.tiny_reader.FACTS``."""
    from support.tiny_reader import train_tiny_reader

    return train_tiny_reader(tmp_path_factory.mktemp("tiny-reader"))


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small encoder for heads."""
    from support.tiny_encoder import make_tiny_encoder

    return make_tiny_encoder(tmp_path_factory.mktemp("tiny-encoder"))


@pytest.fixture
def space(workspace: Workspace, tiny_encoder: Path) -> Workspace:
    """The workspace with the small encoder as its embedder, and short trainings of heads."""
    (workspace.root / FILE_NAME).write_text(
        f'name = "test"\n[retrieval]\nembedder = "{tiny_encoder}"\n'
        "[finetune]\nrank = 4\nhead_epochs = 2\ncheckpoint_steps = 1\n"
    )
    return Workspace(workspace.root)
