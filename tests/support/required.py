"""What a test needs of its machine: without it the test is left out, and fails where the machine was said to have it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

DATA = Path(os.environ.get("DOYEN_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


def require(there: bool, part: str, remedy: str) -> None:
    """Leave the test out, or fail it where ``DOYEN_REQUIRE_<part>`` is set, unless the part is there."""
    if there:
        return
    if os.environ.get(f"DOYEN_REQUIRE_{part}"):
        pytest.fail(remedy)
    pytest.skip(remedy)


def require_chromium() -> str:
    """Return Chromium's path."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    require(path is not None, "BROWSER", "Chromium is not installed: run scripts/install_system_packages.sh")
    assert path
    return path


def require_disk() -> None:
    """Ask for user namespaces, in which a test may mount a small disk."""
    able = (
        shutil.which("unshare") and subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0
    )
    require(bool(able), "DISK", "a small disk cannot be mounted here: `unshare -rm true` must work")


def require_data(name: str) -> Path:
    """Return a folder of the reference data."""
    require((DATA / name).is_dir(), "DATA", f"no {name} in {DATA}: set DOYEN_DATA")
    return DATA / name
