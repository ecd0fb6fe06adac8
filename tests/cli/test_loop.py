"""The whole loop on a tiny domain, with the real models: run, repeat, kill, go on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

MINI = Path(__file__).parent / "mini"
MODES = ["base", "rag", "rag-short", "finetune", "hybrid"]

pytestmark = [pytest.mark.model, pytest.mark.timeout(1200)]


def test_the_demo_ends_with_a_report_and_cited_answers(mini_demo):
    folder, outcome = mini_demo
    assert outcome.code == 0, outcome.err
    result = outcome.json
    assert list(result["modes"]) == MODES
    report = json.loads((Path(result["report"]).parent / "report.json").read_text(encoding="utf-8"))
    assert report["questions"]["n"] == 5
    for mode in MODES:
        f1 = report["modes"][mode]["metrics"]["token_f1"]
        assert 0 <= f1["low"] <= f1["mean"] <= f1["high"] <= 1
    assert {"a", "b", "metric", "delta", "low", "high", "p"} <= set(report["comparisons"][0])
    assert len(result["answers"]) == 3
    assert "<html" in Path(result["report"]).read_text(encoding="utf-8")
    assert (folder / ".doyen" / "adapters").is_dir()


def test_a_second_run_reuses_everything(mini_demo, doyen):
    folder, first = mini_demo
    second = doyen("demo", "--example", MINI, "--workspace", folder, "--json")
    assert second.code == 0, second.err
    assert second.json["adapter"] == first.json["adapter"]
    assert second.json["modes"] == first.json["modes"]
    assert "already trained" in second.err
    assert "Answering (hybrid): " not in second.err


def test_search_and_ask_follow_their_contracts(mini_demo, doyen):
    folder, _ = mini_demo
    found = doyen("search", "Kite tank litres", "--k", 2, "--workspace", folder, "--json").json
    assert found["query"] == "Kite tank litres"
    assert len(found["passages"]) == 2
    top = found["passages"][0]
    assert set(top) == {"chunk_id", "document_id", "source", "start", "end", "page", "score", "text"}
    assert top["source"] == "kite.html"
    for mode in ("finetune", "hybrid"):
        answer = doyen("ask", "How many litres does the Kite tank hold?", "--mode", mode, "--workspace", folder, "--json").json
        wanted = {"question", "answer", "mode", "model", "adapter", "abstained", "citations", "usage", "timings"}
        assert wanted <= set(answer)
        assert answer["mode"] == mode
        assert answer["adapter"]
        for citation in answer["citations"]:
            assert set(citation) == {"marker", "chunk_id", "source", "start", "end", "page", "quote"}
            assert len(citation["quote"]) == citation["end"] - citation["start"]
        if mode == "finetune":
            assert answer["citations"] == []


def test_the_doctor_finds_nothing_wrong(mini_demo, doyen):
    folder, _ = mini_demo
    outcome = doyen("doctor", "--workspace", folder, "--json")
    assert outcome.code == 0, outcome.out
    assert all(check["ok"] for check in outcome.json["checks"])


def test_killed_at_many_points_the_demo_ends_the_same(mini_demo, tmp_path, doyen):
    _, whole = mini_demo
    folder = tmp_path / "space"
    for mark in ("training the adapter: 1", "Answering (rag)"):
        _kill_when_seen(mark, folder)
    outcome = doyen("demo", "--example", MINI, "--workspace", folder, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["adapter"] == whole.json["adapter"]
    for mode in MODES:
        ours, theirs = outcome.json["modes"][mode]["metrics"], whole.json["modes"][mode]["metrics"]
        assert ours == theirs
    assert [answer["answer"] for answer in outcome.json["answers"]] == [answer["answer"] for answer in whole.json["answers"]]


def test_nothing_leaves_this_machine(mini_demo, tmp_path):
    """Search, ask and ingest run with a socket layer that refuses every address but loopback and keeps a list."""
    folder, _ = mini_demo
    guard = tmp_path / "sitecustomize.py"
    attempts = tmp_path / "attempts.txt"
    guard.write_text(
        "import socket, os\n"
        "real, lookup = socket.socket.connect, socket.getaddrinfo\n"
        "def note(what):\n"
        "    with open(os.environ['ATTEMPTS'], 'a') as log: log.write(repr(what) + '\\n')\n"
        "    raise OSError('blocked by the test')\n"
        "def connect(self, address):\n"
        "    local = self.family == socket.AF_UNIX or str(address[0]) in ('127.0.0.1', '::1', 'localhost')\n"
        "    return real(self, address) if local else note(address)\n"
        "def getaddrinfo(host, *rest, **more):\n"
        "    return lookup(host, *rest, **more) if host in (None, '127.0.0.1', '::1', 'localhost') else note(host)\n"
        "socket.socket.connect, socket.getaddrinfo = connect, getaddrinfo\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "ATTEMPTS": str(attempts)}
    environment.pop("HF_HUB_OFFLINE", None)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "note.txt").write_text("The Crane hoist lifts 900 kg.\n")
    for arguments in (
        ["ingest", tmp_path / "new"],
        ["search", "Crane hoist"],
        ["ask", "How much does the Crane hoist lift?", "--mode", "hybrid"],
    ):
        command = [sys.executable, "-m", "doyen.platform.cli.main", *map(str, arguments), "--workspace", str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    assert not attempts.exists(), attempts.read_text()


def _kill_when_seen(mark: str, folder: Path) -> None:
    """Start the demo and kill -9 its whole process group a moment after ``mark`` shows on stderr."""
    command = [sys.executable, "-m", "doyen.platform.cli.main", "demo", "--example", str(MINI), "--workspace", str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True)
    seen = False
    for line in process.stderr:
        if mark in line:
            seen = True
            time.sleep(0.4)
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert seen, f"{mark!r} never showed"
