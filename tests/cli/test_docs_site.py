"""The documentation site builds without a broken link, and what the tutorial shows works as it is written."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r'^```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL)


def test_the_site_builds_without_a_broken_link(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    pages = {
        name: (tmp_path / "reference" / f"{name}.html").read_text(encoding="utf-8")
        for name in ("cli", "settings", "api", "python")
    }
    assert "doyen annotate push" in pages["cli"]
    assert "top_k" in pages["settings"]
    assert "Passages returned when a caller names no number" in pages["settings"]
    assert "/v1/chat/completions" in pages["api"]
    assert "Doyen.ask" in pages["python"]
    fetched = [re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(https?://[^"]+)"', page) for page in pages.values()]
    assert not any(fetched), "a page of the site needs the network"


@pytest.mark.model
def test_the_tutorial_works_as_written(tmp_path: Path, doyen: Callable[..., Any]) -> None:
    """Files are written, commands run in their order, and each line of a block titled "prints" is printed by them."""
    where, printed = tmp_path, ""
    for language, title, text in blocks():
        if language == "sh":
            printed = ""
            for line in text.splitlines():
                if line.startswith("cd "):
                    where = where / line.removeprefix("cd ")
                    continue
                outcome = doyen(*shlex.split(line)[1:], cwd=where)
                assert outcome.code == 0, f"{line}\n{outcome.out}\n{outcome.err}"
                printed += outcome.out
        elif title == "prints":
            missing = [line for line in text.splitlines() if line not in printed]
            assert not missing, f"{missing} not in what was printed:\n{printed}"
        elif title:
            (tmp_path / title).parent.mkdir(exist_ok=True)
            (tmp_path / title).write_text(text, encoding="utf-8")
    assert (tmp_path / "pumps" / "report" / "report.html").is_file()


def blocks() -> Iterator[tuple[str, str | None, str]]:
    """Yield language, title and text of the tutorial's blocks of code."""
    for match in BLOCK.finditer((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")):
        yield match["language"], match["title"], match["text"]
