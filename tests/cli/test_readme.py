"""What the README shows works as it is written, and the files that texts point to exist."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from reportlab.pdfgen.canvas import Canvas

ROOT = Path(__file__).resolve().parents[2]
MINI = Path(__file__).parent / "mini"
ROOMS = ("core", "ingestion", "annotation", "retrieval", "finetune", "eval", "platform", "ui")
FOLDERS = (*ROOMS, "docs", "examples", "benchmarks", "scripts", "tests")


def test_every_file_that_a_text_points_to_exists() -> None:
    """Paths in prose, docstrings and comments are taken from the root or from the folder of the file that names them."""
    cited = re.compile(rf"(?<![\w/.~<{{])(?:{'|'.join(FOLDERS)})/[\w./-]*\w\.(?:md|py|toml|txt|png|jsonl|sh|css|jinja)\b")
    linked = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)")
    missing = []
    for name in git_files():
        file = ROOT / name
        # check.sh names the one file that must never exist.
        if (
            name == "scripts/check.sh"
            or file.suffix not in {".md", ".py", ".toml", ".css", ".sh"}
            or name.startswith(("examples/", "tests/"))
        ):
            continue
        text = file.read_text(encoding="utf-8")
        paths = [*cited.findall(text), *(linked.findall(text) if file.suffix == ".md" else [])]
        missing += [f"{name}: {path}" for path in paths if not any((base / path).exists() for base in (ROOT, file.parent))]
    assert not missing, missing


def git_files() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def readme_commands() -> list[str]:
    """Return the lines of the README's walk through one's own documents."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text.split("## With your own documents", 1)[1].split("```")[1]
    return [line.split("  #")[0].strip() for line in block.splitlines() if line.strip()]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A person's home with documents of the mini domain, one of them the PDF that the README removes."""
    home = tmp_path / "home"
    shutil.copytree(MINI / "documents", home / "documents")
    (home / "documents" / "old").mkdir()
    page = Canvas(str(home / "documents" / "old" / "policy.pdf"))
    page.drawString(72, 700, "The old travel policy of 2019 is no longer in force.")
    page.save()
    return home


@pytest.mark.model
@pytest.mark.timeout(900)
def test_the_readme_walk_works_as_written(home: Path, doyen: Callable[..., Any]) -> None:
    """Every line in its order; the server in a process of its own, the rest in the tests' process."""
    where = home
    done = []
    for line in readme_commands():
        if line.startswith("cd "):
            where = where / line.removeprefix("cd ")
            continue
        if line == "doyen serve":
            serve_until_it_answers(where, home)
            continue
        if line.startswith("doyen annotate pull"):
            label_drafts(where)
        if line.startswith("doyen dataset build"):
            few = (MINI / "questions.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)[3:5]
            (where / "questions.jsonl").write_text("".join(few), encoding="utf-8")
        words = [word.replace("~", str(home), 1) if word.startswith("~/") else word for word in shlex.split(line)[1:]]
        outcome = doyen(*words, cwd=where, HOME=str(home))
        done.append(words[0])
        if "promote" in line:
            assert outcome.code == 1, "two questions cannot open the gate"
            assert "not let qa:1 be promoted" in outcome.err
            continue
        assert outcome.code == 0, f"{line}\n{outcome.out}\n{outcome.err}"
        if line.startswith("doyen init"):
            shrink(where / line.split()[2] / "doyen.toml")
        if line.startswith("doyen annotate export"):
            assert (where / "pairs.jsonl").read_text(encoding="utf-8").strip(), "labels became pairs"
    assert {"init", "ingest", "search", "ask", "annotate", "dataset", "train", "eval", "adapters", "doctor"} <= set(done)


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a person with ``.venv/bin`` on the path and ports that nobody else takes."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ports = {"DOYEN_SERVING__PORT": str(free_port()), "DOYEN_UI__PORT": str(free_port())}
    return {**os.environ, "HOME": str(home), "PATH": path, **ports}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def shrink(settings: Path) -> None:
    """Let training and answers take seconds: these settings stand for a person's own."""
    small = "[finetune]\nrank = 2\nepochs = 0.3\nforgetting_probe = false\ncontext_passages = 1\n"
    small += "[serving]\ncontext_passages = 1\nmax_tokens = 6\n"
    settings.write_text(f'name = "my-domain"\n{small}[eval]\nbootstrap_samples = 200\n', encoding="utf-8")


def label_drafts(workspace: Path) -> None:
    """Label as two people do in files: both take the drafts, of the first task one corrects the answer."""
    folder = workspace / ".doyen" / "annotation" / "qa"
    tasks = [json.loads(line) for line in (folder / "tasks.jsonl").read_text(encoding="utf-8").splitlines()]
    drafted = [task for task in tasks if task.get("predictions") and task["predictions"][0]["result"]]
    assert len(drafted) >= 3
    for number, task in enumerate(drafted):
        mine = task["predictions"][0]["result"]
        other = json.loads(json.dumps(mine))
        if number == 0:
            next(region for region in other if region["from_name"] == "response")["value"]["text"] = ["Something else."]
        people = enumerate((("ada", mine), ("bo", other)), start=1)
        task["annotations"] = [{"id": i, "completed_by": name, "result": result} for i, (name, result) in people]
    (folder / "labels.jsonl").write_text("".join(json.dumps(task) + "\n" for task in drafted), encoding="utf-8")


def serve_until_it_answers(workspace: Path, home: Path) -> None:
    """Start ``doyen serve``, wait until gateway and chat answer, and end it as Ctrl-C does."""
    chosen = environment(home)
    process = subprocess.Popen(["doyen", "serve"], cwd=workspace, env=chosen, stderr=subprocess.PIPE, text=True)
    try:
        for port, path in ((chosen["DOYEN_SERVING__PORT"], "/healthz"), (chosen["DOYEN_UI__PORT"], "/")):
            assert answers(f"http://127.0.0.1:{port}{path}"), f"nothing answers at port {port}"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()


def answers(url: str) -> bool:
    """Whether a page comes within a minute."""
    for _ in range(120):
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return True
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    return False
