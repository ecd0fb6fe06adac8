"""The command line as users run it: in processes of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

MINI = Path(__file__).parent / "mini"
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


def run_doyen(*arguments: object, cwd: Path | None = None, timeout: float = 900, **environment: str) -> Outcome:
    """Run ``doyen`` and wait for its end."""
    command = [*DOYEN, *map(str, arguments)]
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=timeout, env={**os.environ, **environment}, check=False
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def doyen() -> Callable[..., Outcome]:
    """The ``doyen`` command."""
    return run_doyen


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
    return folder, run_doyen("demo", "--example", MINI, "--workspace", folder, "--json", timeout=900, **no_network.environment)
