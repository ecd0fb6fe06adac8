"""The mission's loop on one answer: the real assistant answers, a person corrects, an expert labels, a training row results."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from doyen.core.store import open_store
from doyen.core.store.schema import AnnotationTaskRow
from doyen.core.workspace import Workspace
from doyen.platform.serving.gateway.api import create_app

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]

MINI = Path(__file__).parent / "mini"
QUESTION = "How many litres does the Kite tank hold?"
RIGHT = "380 litres, filled to the mark."
PROJECT = "from-chat"


def corrected_answer(folder: Path) -> dict[str, Any]:
    """Ask the gateway as the chat does, say what would have been right, and return the answer."""
    with TestClient(create_app(Workspace(folder)), base_url="http://127.0.0.1") as client:
        body = {"model": "rag", "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 8}
        answer = client.post("/v1/chat/completions", json=body).json()
        said = client.post("/v1/feedback", json={"answer_id": answer["answer_id"], "rating": -1, "correction": RIGHT})
        assert said.status_code == 201, said.text
    return answer


def accept_draft(folder: Path) -> dict[str, Any]:
    """Label the one open task as an expert does in files: take the draft, mark the evidence."""
    home = folder / ".doyen" / "annotation" / PROJECT
    (task,) = [json.loads(line) for line in (home / "tasks.jsonl").read_text(encoding="utf-8").splitlines()]
    start = task["data"]["text"].index("380 litres")
    span = {"start": start, "end": start + len("380 litres"), "text": "380 litres", "labels": ["evidence"]}
    region = {"id": "e1", "from_name": "evidence", "to_name": "passage", "type": "labels", "value": span}
    task["annotations"] = [{"id": 1, "completed_by": "ada", "result": [region, *task["predictions"][0]["result"]]}]
    (home / "labels.jsonl").write_text(json.dumps(task) + "\n", encoding="utf-8")
    return task


def test_an_answer_in_the_chat_becomes_a_training_row(doyen: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "space"
    created = doyen("init", folder)
    assert created.code == 0, created.err
    assert doyen("ingest", MINI / "documents", "--workspace", folder).code == 0
    answer = corrected_answer(folder)
    assert answer["passages"], "an answer without passages would prove nothing"

    def annotate(command: str, *arguments: object) -> Any:
        outcome = doyen("annotate", command, *arguments, "--project", PROJECT, "--workspace", folder, "--json")
        assert outcome.code == 0, outcome.err
        return outcome.json

    annotate("create", "--limit", 0)
    assert annotate("feedback")["made"] == 1
    annotate("push")
    task = accept_draft(folder)
    assert task["data"]["prompt"] == QUESTION
    annotate("pull")
    rows = tmp_path / "rows.jsonl"
    annotate("export", rows)
    (row,) = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]
    assert (row["prompt"], row["response"], row["evidence"], row["source"]) == (QUESTION, RIGHT, ["380 litres"], "kite.html")
    with rows.open("a", encoding="utf-8") as file:
        file.write((MINI / "pairs.jsonl").read_text(encoding="utf-8"))
    built = doyen("dataset", "build", rows, "--name", PROJECT, "--workspace", folder, "--json")
    assert built.code == 0, built.err
    dataset = folder / ".doyen" / "datasets"
    assert any(RIGHT in file.read_text(encoding="utf-8") for file in dataset.rglob("*.jsonl")), "trained on from now on"
    with closing(open_store(Workspace(folder))) as store, store.session() as session:
        origin = session.get_one(AnnotationTaskRow, row["group"]).origin
    assert origin["answer_id"] == answer["answer_id"], "the training row leads back to the answer"
