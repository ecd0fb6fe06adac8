"""The gateway with the real assistant: a real index, the packaged models, and `doyen serve` as a process."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from doyen import Doyen
from doyen.core.workspace import FILE_NAME, Workspace, create_workspace
from doyen.platform.serving.gateway.api import create_app
from doyen.retrieval.chosen import open_retriever

pytestmark = pytest.mark.model

PUMP = """# Service procedure: PX-90 pump

## Filter

The intake filter of the PX-90 pump is replaced every 412 operating hours. The part number of the filter is VK-7731.
After replacement, run the pump for six minutes and write the pressure into the log.

## Oil

The PX-90 takes 0.8 litres of Marlin 46 oil. The oil is changed every 1,900 hours.
"""
TRAVEL = (
    "<html><body><h1>Travel policy</h1><p>Trips above 640 euros need the consent of the head of department.</p></body></html>"
)


def upload(client: TestClient, name: str, data: bytes | str, source: str | None = None) -> Any:
    content = data.encode() if isinstance(data, str) else data
    return client.post("/v1/documents", files={"file": (name, content)}, data={"source": source} if source else {})


def ask(client: TestClient, question: str, model: str = "rag") -> Any:
    messages = [{"role": "user", "content": question}]
    return client.post("/v1/chat/completions", json={"model": model, "messages": messages, "max_tokens": 24})


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    workspace = create_workspace(tmp_path_factory.mktemp("gateway") / "space", "test")
    (workspace.root / FILE_NAME).write_text('name = "test"\n[serving]\nmax_upload_mb = 1\n')
    with TestClient(create_app(workspace), base_url="http://127.0.0.1") as client:
        yield client


def test_from_an_empty_workspace_to_cited_answers_and_back(gateway: TestClient) -> None:
    without = ask(gateway, "How often is the intake filter of the PX-90 replaced?")
    assert without.status_code == 409
    assert without.json()["error"]["code"] == "index_missing"
    assert "ingest" in without.json()["error"]["message"]
    assert gateway.get("/readyz").status_code == 503
    assert gateway.post("/v1/search", json={"query": "filter"}).status_code == 409
    plain = ask(gateway, "Say hello.", "base")
    assert plain.status_code == 200
    assert plain.json()["passages"] == plain.json()["citations"] == []

    pump = upload(gateway, "px-90.md", PUMP, "service/px-90.md")
    assert pump.status_code == 201
    assert pump.json()["source"] == "service/px-90.md"
    assert pump.json()["chunks"] >= 1
    travel = upload(gateway, "travel.html", TRAVEL).json()
    assert gateway.get("/readyz").json() == {"status": "ready", "missing": {}}
    first = gateway.get("/v1/documents", params={"limit": 1}).json()
    second = gateway.get("/v1/documents", params={"limit": 1, "after": first["next"]}).json()
    assert [item["source"] for item in first["data"] + second["data"]] == ["service/px-90.md", "travel.html"]
    assert (first["total"], second["next"]) == (2, None)

    found = gateway.post("/v1/search", json={"query": "part number of the intake filter", "k": 2}).json()["passages"]
    assert found[0]["source"] == "service/px-90.md"
    for passage in found:
        assert text_of(gateway, passage) == passage["text"]

    answer = ask(gateway, "How often is the intake filter of the PX-90 pump replaced?").json()
    assert answer["passages"][0]["source"] == "service/px-90.md"
    documents = {passage["chunk_id"]: passage for passage in answer["passages"]}
    for citation in answer["citations"]:
        place = {**documents[citation["chunk_id"]], "start": citation["start"], "end": citation["end"]}
        assert text_of(gateway, place) == citation["quote"]
    assert answer["abstained"] or "VK-7731" in answer["passages"][0]["text"]
    feedback = gateway.post("/v1/feedback", json={"answer_id": answer["answer_id"], "rating": 1})
    assert feedback.status_code == 201

    replaced = upload(gateway, "px-90.md", PUMP.replace("412", "555"), "service/px-90.md").json()
    assert replaced["id"] == pump.json()["id"]
    assert replaced["version"] != pump.json()["version"]
    texts = [
        passage["text"] for passage in gateway.post("/v1/search", json={"query": "intake filter hours"}).json()["passages"]
    ]
    assert any("555" in text for text in texts)
    assert not any("412" in text for text in texts)

    assert gateway.delete(f"/v1/documents/{travel['id']}").json()["deleted"] is True
    assert gateway.delete(f"/v1/documents/{travel['id']}").status_code == 404
    text = f"/v1/documents/{travel['id']}/text"
    assert gateway.get(text, params={"version": travel["version"]}).status_code == 404
    purged = gateway.delete(f"/v1/documents/{travel['id']}", params={"purge": True}).json()["purged"]
    assert purged["versions"] == 1
    assert gateway.delete(f"/v1/documents/{travel['id']}", params={"purge": True}).status_code == 404
    database = gateway.app.state.services.workspace.state.glob("doyen.db*")
    assert not [path for path in database if b"640 euros" in path.read_bytes()]
    sources = {item["source"] for item in gateway.post("/v1/search", json={"query": "travel policy trips"}).json()["passages"]}
    assert "travel.html" not in sources


def text_of(client: TestClient, place: dict[str, Any]) -> str:
    """Return the stretch of a document that a passage or citation names."""
    span = {name: place[name] for name in ("version", "start", "end")}
    return client.get(f"/v1/documents/{place['document_id']}/text", params=span).json()["text"]


def test_the_index_can_be_opened_by_many_threads_at_once(gateway: TestClient) -> None:
    """Chroma's own client cache breaks when two threads fill it."""
    services = gateway.app.state.services
    barrier = threading.Barrier(8)

    def search() -> int:
        barrier.wait()
        return len(open_retriever(services.workspace, services.store).retrieve("PX-90 oil", 1))

    for _ in range(3):
        with ThreadPoolExecutor(8) as pool:
            found = [pool.submit(search) for _ in range(8)]
        assert [future.result() for future in found] == [1] * 8


def test_unusable_uploads_leave_nothing(gateway: TestClient) -> None:
    before = gateway.get("/v1/documents").json()["total"]
    assert upload(gateway, "broken.pdf", b"%PDF-1.7 nothing of the kind").status_code == 422
    assert upload(gateway, "empty.md", b"").status_code == 400
    assert upload(gateway, "../../etc/passwd", b"x", "../../etc/passwd").status_code == 400
    big = upload(gateway, "big.txt", b"a" * 1_200_000)
    assert big.status_code == 413
    assert "max_upload_mb" in big.json()["error"]["message"]
    assert gateway.get("/v1/documents").json()["total"] == before
    assert not list(Path(gateway.app.state.services.workspace.root).parent.glob("etc"))


def test_an_archive_gives_its_documents_and_says_what_failed(gateway: TestClient) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in {"a/valve.md": "# Valve\n\nThe valve VB-4410 opens at 3.1 bar.", "b.pdf": "no PDF"}.items():
            archive.writestr(name, text)
    answer = upload(gateway, "set.zip", packed.getvalue())
    assert answer.status_code == 201
    body = answer.json()
    assert (body["object"], [each["source"] for each in body["data"]]) == ("document.archive", ["set.zip/a/valve.md"])
    assert [each["source"] for each in body["failed"]] == ["set.zip/b.pdf"]
    found = gateway.post("/v1/search", json={"query": "VB-4410", "k": 1}).json()
    assert found["passages"][0]["source"] == "set.zip/a/valve.md"
    assert upload(gateway, "cut.zip", packed.getvalue()[:-80]).status_code == 422
    assert gateway.delete(f"/v1/documents/{body['data'][0]['id']}").status_code == 200


def test_modes_with_an_adapter_need_one(gateway: TestClient) -> None:
    for model in ("finetune", "hybrid", "hybrid@known:1"):
        response = ask(gateway, "How often?", model)
        assert response.status_code == 404
        assert "adapter" in response.json()["error"]["message"]


def test_a_second_writer_is_told_to_wait(gateway: TestClient) -> None:
    workspace: Workspace = gateway.app.state.services.workspace
    with workspace.lock("a test"):
        response = upload(gateway, "late.md", "# Late")
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "busy"
    assert int(response.headers["retry-after"]) > 0


def test_serve_starts_both_servers_and_stops_cleanly(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "space", "test")
    (workspace.root / FILE_NAME).write_text('name = "test"\n[serving]\nport = 0\n[ui]\nport = 0\n')
    command = [
        sys.executable,
        "-c",
        "from doyen.platform.cli.main import main; main()",
        "serve",
        "--workspace",
        str(workspace.root),
    ]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stderr), daemon=True)
    reader.start()
    try:
        end = time.monotonic() + 90
        while not (found := dict(re.findall(r"(Gateway|Chat): (http://\S+)", "".join(lines)))).get("Chat"):
            assert process.poll() is None, "".join(lines)
            assert time.monotonic() < end, "".join(lines)
            time.sleep(0.1)
        assert httpx.get(f"{found['Gateway']}/healthz").json() == {"status": "ok"}
        assert "gradio" in httpx.get(found["Chat"]).text
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, "".join(lines)
    finally:
        process.kill()
    assert "Traceback" not in "".join(lines)


@pytest.mark.parametrize("seconds", [1, 3, 6])
def test_a_stop_while_the_model_is_being_loaded_is_quick_and_clean(tmp_path: Path, seconds: float) -> None:
    """Native code of PyTorch aborts the process (134) when the interpreter ends below it."""
    (tmp_path / "pump.md").write_text("# Pump\n\nThe oil of the PX-90 is changed every 800 hours.\n")
    workspace = create_workspace(tmp_path / "space", "test")
    with Doyen(workspace) as doyen:
        doyen.ingest([tmp_path / "pump.md"])
    command = [sys.executable, "-m", "doyen.platform.cli.main", "serve", "--port", "0", "--no-ui"]
    with subprocess.Popen([*command, "--workspace", str(workspace.root)], stderr=subprocess.PIPE, text=True) as process:
        assert any("Ctrl-C stops" in line for line in process.stderr)
        time.sleep(seconds)
        process.send_signal(signal.SIGTERM)
        stopped = time.monotonic()
        assert process.wait(30) == 0, process.stderr.read()
        assert time.monotonic() - stopped < 8


def test_serve_refuses_the_network_without_a_key(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "space", "test")
    command = [sys.executable, "-c", "from doyen.platform.cli.main import main; main()", "serve", "--host", "0.0.0.0"]
    done = subprocess.run([*command, "--workspace", str(workspace.root)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "api_key" in done.stderr
    assert "Traceback" not in done.stderr


def test_pages_without_text_are_named_and_a_bomb_is_refused_with_its_reason(gateway: TestClient) -> None:
    cases = Path(__file__).parents[1] / "ingestion" / "cases"
    scan = upload(gateway, "mixed_scan.pdf", (cases / "mixed_scan.pdf").read_bytes())
    empty, recognised = scan.json()["pages_without_text"], [each["page"] for each in scan.json()["recognised"]]
    assert (scan.status_code, sorted([*empty, *recognised])) == (201, [2, 3])
    assert recognised == ([2, 3] if shutil.which("tesseract") else [])
    bomb = upload(gateway, "deep.jsonl", "[" * 200_000)
    assert bomb.status_code in (400, 422)
    assert "nested too deep" in bomb.json()["error"]["message"]
    gateway.delete(f"/v1/documents/{scan.json()['id']}")
