"""The command line and the demo of the tiny domain."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.command_line import Outcome, run_doyen, start_doyen

MINI = Path(__file__).parent / "mini"


@pytest.fixture
def doyen() -> Callable[..., Outcome]:
    """The ``doyen`` command, inside the tests' process."""
    return run_doyen


@pytest.fixture
def doyen_process() -> Callable[..., Outcome]:
    """The ``doyen`` command in a process of its own."""
    return start_doyen


@dataclass(frozen=True)
class NoNetwork:
    """An environment in which Python refuses connections beyond this machine, and the list of those that were tried."""

    log: Path
    environment: dict[str, str]

    def attempts(self) -> list[str]:
        """Addresses and names that a process asked for."""
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []


@pytest.fixture(scope="session")
def no_network(tmp_path_factory: pytest.TempPathFactory) -> NoNetwork:
    """The guard that ``mini_demo`` runs under."""
    folder = tmp_path_factory.mktemp("guard")
    shutil.copy(Path(__file__).with_name("no_network.py"), folder / "sitecustomize.py")
    environment = {**os.environ, "PYTHONPATH": str(folder), "ATTEMPTS": str(folder / "attempts.txt")}
    environment.pop("HF_HUB_OFFLINE", None)
    return NoNetwork(folder / "attempts.txt", environment)


@pytest.fixture(scope="session")
def mini_demo(tmp_path_factory: pytest.TempPathFactory, no_network: NoNetwork) -> tuple[Path, Outcome]:
    """The demo of the tiny domain, run once: its workspace and what it printed."""
    folder = tmp_path_factory.mktemp("demo") / "space"
    return folder, start_doyen("demo", "--example", MINI, "--workspace", folder, "--json", **no_network.environment)
