"""The whole loop on a tiny domain, with the real models: run, repeat, kill, go on."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import httpx
import pytest
from support.command_line import DOYEN

from doyen.core.answers import Citation
from doyen.eval.answer_log import read_answers
from doyen.eval.metrics import citation_recall, key_facts
from doyen.eval.questions import load_questions

MINI = Path(__file__).parent / "mini"

MODES = ["base", "extract", "rag", "rag-short", "rag-reading", "finetune", "hybrid"]

pytestmark = [pytest.mark.model, pytest.mark.timeout(1200)]


def test_the_demo_ends_with_a_report_and_cited_answers(mini_demo):
    folder, outcome = mini_demo
    assert outcome.code == 0, outcome.err
    result = outcome.json
    assert list(result["modes"]) == MODES
    report = json.loads((Path(result["report"]).parent / "report.json").read_text(encoding="utf-8"))
    assert report["questions"]["n"] == 13
    for mode in MODES:
        f1 = report["modes"][mode]["metrics"]["token_f1"]
        assert 0 <= f1["mean"] <= 1
        assert f1["n"] == 12
    assert {"a", "b", "metric", "delta", "low", "high", "p"} <= set(report["comparisons"][0])
    assert len(result["answers"]) == 3
    assert "<html" in Path(result["report"]).read_text(encoding="utf-8")
    assert (folder / ".doyen" / "adapters").is_dir()


def test_what_the_adapter_learned_shows_and_is_cited(mini_demo):
    """From 21 pairs the hybrid answers questions about documents that training never saw better than the base does."""
    folder, outcome = mini_demo
    [gain] = [
        item for item in outcome.json["comparisons"] if (item["a"], item["b"], item["metric"]) == ("hybrid", "base", "token_f1")
    ]
    assert gain["delta"] > 0.1
    assert gain["p"] < 0.05
    questions = {question.id: question for question in load_questions(MINI / "questions.jsonl")}
    given = read_answers(folder / ".doyen" / "reports" / "demo" / "answers.jsonl").values()
    unseen = [
        (questions[record.id], record)
        for record in given
        if record.mode == "hybrid" and "unseen-document" in questions[record.id].tags
    ]
    right = [record.id for question, record in unseen if key_facts(question, record) == citation_recall(question, record) == 1]
    assert right, [(question.question, record.answer) for question, record in unseen]


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
    place = {"chunk_id", "document_id", "version", "source", "heading", "start", "end", "page"}
    assert set(top) == {*place, "revision", "superseded_by", "score", "text"}
    assert top["source"] == "kite.html"
    for mode in ("finetune", "hybrid"):
        answer = doyen("ask", "How many litres does the Kite tank hold?", "--mode", mode, "--workspace", folder, "--json").json
        wanted = {"question", "answer", "mode", "model", "adapter", "abstained", "citations", "usage", "timings", "support"}
        assert wanted <= set(answer)
        assert answer["mode"] == mode
        assert answer["adapter"]
        for citation in answer["citations"]:
            assert set(citation) == {field.name for field in fields(Citation)}
            assert len(citation["quote"]) == citation["end"] - citation["start"]
        if mode == "finetune":
            assert answer["citations"] == []


def test_the_readmes_python_runs_as_written(tmp_path):
    readme = (MINI.parents[2] / "README.md").read_text(encoding="utf-8")
    example = readme.split("```python\n", 1)[1].split("```", 1)[0]
    shutil.copytree(MINI / "documents", tmp_path / "documents")
    (tmp_path / "my-domain").mkdir()
    shutil.copy(MINI / "doyen.toml", tmp_path / "my-domain" / "doyen.toml")
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "not_checked" in done.stdout or "supported" in done.stdout or "number_not_found" in done.stdout


def test_the_doctor_finds_nothing_wrong(mini_demo, doyen):
    folder, _ = mini_demo
    outcome = doyen("doctor", "--workspace", folder, "--json")
    assert outcome.code == 0, outcome.out
    assert all(check["ok"] for check in outcome.json["checks"])


@pytest.mark.soak
def test_killed_at_many_points_the_demo_ends_the_same(mini_demo, tmp_path, doyen_process):
    _, whole = mini_demo
    folder = tmp_path / "space"
    for mark in ("training the adapter: 1", "Answering (rag)"):
        _kill_when_seen(mark, folder)
    outcome = doyen_process("demo", "--example", MINI, "--workspace", folder, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["adapter"] == whole.json["adapter"]
    for mode in MODES:
        ours, theirs = outcome.json["modes"][mode]["metrics"], whole.json["modes"][mode]["metrics"]
        assert ours == theirs
    assert [answer["answer"] for answer in outcome.json["answers"]] == [answer["answer"] for answer in whole.json["answers"]]


def test_nothing_leaves_this_machine(mini_demo, no_network, tmp_path):
    """Every step of the loop, and here the server, runs where connections beyond this machine are refused and noted."""
    folder, outcome = mini_demo
    assert outcome.code == 0, outcome.err
    _ask_a_server(folder, no_network.environment)
    assert no_network.attempts() == []


def _ask_a_server(folder: Path, environment: dict[str, str]) -> None:
    """Start gateway and chat, ask one question and load the chat's page."""
    with socket.socket() as gateway, socket.socket() as chat:
        gateway.bind(("127.0.0.1", 0))
        chat.bind(("127.0.0.1", 0))
        ports = [gateway.getsockname()[1], chat.getsockname()[1]]
    environment = {**environment, "DOYEN_UI__PORT": str(ports[1])}
    command = [*DOYEN, "serve", "--port", str(ports[0]), "--workspace", str(folder)]
    log = folder / "serve.log"
    with log.open("w") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{ports[0]}", timeout=120) as client:
                _wait(lambda: client.get("/readyz").status_code == 200, log)
                body = {
                    "model": "hybrid",
                    "messages": [{"role": "user", "content": "How many litres does the Kite tank hold?"}],
                }
                assert client.post("/v1/chat/completions", json=body).status_code == 200
                _wait(lambda: httpx.get(f"http://127.0.0.1:{ports[1]}/").status_code == 200, log)
        finally:
            process.terminate()
            process.wait(60)


def _wait(ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            if ready():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise AssertionError(log.read_text())


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
