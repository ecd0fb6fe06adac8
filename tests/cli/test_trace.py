"""`doyen trace`: from a document to the answers that came of it and back, also when the document was deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from doyen.annotation import label_links, task_links
from doyen.annotation.feedback_tasks import feedback_tasks
from doyen.core.answers import Answer, Passage
from doyen.core.errors import InputError, NotFoundError
from doyen.core.lineage import Trace
from doyen.core.manifest import build_manifest
from doyen.core.records import REFUSAL, Pair
from doyen.core.workspace import FILE_NAME, Workspace, create_workspace
from doyen.finetune.dataset_use import on_deleted_documents
from doyen.platform.app import Doyen
from doyen.platform.cli.trace_command import describe
from doyen.platform.serving.answer_store import record_answer
from doyen.platform.serving.gateway.api import create_app
from doyen.platform.serving.keys import add_key

SEAL = "The seal of the pump must be replaced every 4,000 hours.\n"
LAMP = "The lamp of the cabinet must be replaced every 900 hours.\n"
FACTS = (("pump.txt", "seal", "Every 4,000 hours."), ("größe/lamp.txt", "lamp", "Every 900 hours."))


@dataclass
class Loop:
    """A workspace in which everything has come of everything once."""

    doyen: Doyen
    dataset: str
    adapter: str
    feedback: str

    def ids(self, wanted: str, direction: str) -> dict[str, set[str]]:
        found = self.doyen.trace(wanted)
        return {stage.kind: {item.id for item in stage.items} for stage in getattr(found, direction)}


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """Two documents, four labels, a dataset, an adapter, its answer, and the feedback on that."""
    folder = tmp_path_factory.mktemp("trace")
    documents = folder / "documents"
    (documents / "größe").mkdir(parents=True)
    (documents / "pump.txt").write_text(SEAL)
    (documents / "größe" / "lamp.txt").write_text(LAMP)
    with Doyen(create_workspace(folder / "space", "test")) as doyen:
        doyen.ingest([documents])
        doyen.annotate.create("qa")
        doyen.annotate.import_pairs("qa", _pairs())
        dataset, _ = doyen.build_dataset("qa", project="qa")
        adapter = _adapter(doyen, dataset.dataset_id, folder)
        record_answer(doyen.store, _answer(doyen, adapter), [])
        said = doyen.give_feedback("answer-1", rating=-1, correction="Every 4,000 operating hours.")
        doyen.annotate.create("chat")
        feedback_tasks(doyen.store, "chat")
        yield Loop(doyen, dataset.dataset_id, adapter, said.feedback_id)


def _pairs() -> list[Pair]:
    told = [
        Pair(id=f"{thing}-1", prompt=f"How often is the {thing} changed?", response=answer, source=source, annotator="ann")
        for source, thing, answer in FACTS
    ]
    return [*told, Pair(id="elsewhere", prompt="Who makes the valve for gas?", response=REFUSAL, annotator="ann", group="g")]


def _adapter(doyen: Doyen, dataset_id: str, folder: Path) -> str:
    (folder / "weights").mkdir()
    (folder / "weights" / "adapter_model.safetensors").write_bytes(b"weights")
    manifest = build_manifest("adapter", inputs={"base": "sha"}, settings={}, seed=1)
    given = {"base_model": "small", "dataset_id": dataset_id, "manifest": manifest}
    return doyen.adapters.register("tuned", folder / "weights", **given).ref


def _answer(doyen: Doyen, adapter: str) -> Answer:
    with doyen.store.session() as session:
        task = next(task for task in task_links(session) if task.source == "pump.txt")
    shown = Passage("c", min(task.documents), "v", "pump.txt", 0, len(SEAL), None, "", 1.0, SEAL)
    told = {"mode": "hybrid", "adapter": adapter, "passages": [shown], "answer_id": "answer-1"}
    return Answer(question="How often is the seal changed?", answer="Every 40 hours.", **told)


def test_from_a_document_to_the_answers_and_the_tasks_that_their_feedback_made(loop: Loop) -> None:
    came_of = loop.ids("pump.txt", "came_of")
    assert f"{loop.dataset}#seal-1" in came_of["row"]
    assert came_of["dataset"] == {loop.dataset}
    assert came_of["adapter"] == {loop.adapter}
    assert came_of["answer"] == {"answer-1"}
    assert came_of["feedback"] == {loop.feedback}
    with loop.doyen.store.session() as session:
        made = {task.uid for task in task_links(session) if task.origin.get("feedback_id") == loop.feedback}
    assert made
    assert made <= came_of["task"], "what the feedback was made into"
    assert loop.doyen.trace("größe/lamp.txt").items[0].title == "größe/lamp.txt"
    assert "answer" in loop.ids("größe/lamp.txt", "came_of"), "by the adapter, though it cites another document"


def test_from_an_answer_back_to_the_documents_and_labels(loop: Loop) -> None:
    found = loop.doyen.trace("answer-1")
    came_from = {stage.kind: [item.title for item in stage.items] for stage in found.came_from}
    assert set(came_from["document"]) == {"pump.txt", "größe/lamp.txt"}
    assert set(came_from["label"]) == {"by ann"}
    assert list(came_from) == ["document", "task", "label", "row", "dataset", "adapter"]
    assert [stage.kind for stage in found.came_of] == ["task", "feedback"]
    assert "came from" in "\n".join(describe(found))


def test_labels_rows_adapters_and_pairs_are_found_by_their_names(loop: Loop) -> None:
    with loop.doyen.store.session() as session:
        label = next(each for each in label_links(session) if each.pair_id == "lamp-1")
    assert loop.doyen.trace("lamp-1").items[0].id == label.label_id
    assert loop.ids(label.label_id, "came_of")["row"] == {f"{loop.dataset}#lamp-1"}
    row = loop.doyen.trace(f"{loop.dataset}#lamp-1")
    assert [item.id for stage in row.came_from if stage.kind == "label" for item in stage.items] == [label.label_id]
    assert loop.doyen.trace("tuned").items == loop.doyen.trace(loop.adapter).items
    assert loop.doyen.trace("qa").items[0].id == loop.dataset
    assert loop.doyen.trace("lamp-1", kind="row").items[0].id == f"{loop.dataset}#lamp-1"
    with pytest.raises(NotFoundError, match="nothing here has the id 'nobody'"):
        loop.doyen.trace("nobody")
    with pytest.raises(InputError, match="no kind 'thing'"):
        loop.doyen.trace("qa", kind="thing")


def test_long_stages_are_counted_and_cut(loop: Loop) -> None:
    rows = next(stage for stage in loop.doyen.trace(loop.dataset, shown=1).came_from if stage.kind == "row")
    assert (rows.total, len(rows.items)) == (3, 1)
    assert any("2 more" in line for line in describe(Trace([], [rows], [])))


def test_only_administrators_trace_over_http(loop: Loop) -> None:
    path = loop.doyen.workspace.root / FILE_NAME
    before = path.read_text()
    reader, admin = add_key(loop.doyen.workspace, "ann"), add_key(Workspace(path.parent), "boss", admin=True)
    with TestClient(create_app(Workspace(path.parent)), base_url="http://127.0.0.1") as client:
        got = {
            key: client.get("/v1/trace/größe/lamp.txt", headers={"Authorization": f"Bearer {key}"}) for key in (reader, admin)
        }
        missing = client.get("/v1/trace/nobody", headers={"Authorization": f"Bearer {admin}"})
    path.write_text(before)
    assert (got[reader].status_code, got[admin].status_code, missing.status_code) == (403, 200, 404)
    assert "lamp" not in got[reader].text
    assert loop.adapter in got[admin].text
    assert set(got[admin].json()) == {"object", "items", "came_from", "came_of"}


def test_a_deleted_document_names_what_used_it_and_the_next_dataset_leaves_its_rows_out(loop: Loop) -> None:
    """Last, because it changes the workspace."""
    labelled_as_unanswerable = _refusal_about(loop.doyen, "größe/lamp.txt")
    report = loop.doyen.remove(["größe/lamp.txt"])
    assert [str(use) for use in report.used_by] == [f"1 in dataset {loop.dataset}, which trained {loop.adapter}"]
    found = loop.doyen.trace("größe/lamp.txt")
    assert found.items[0].state == "deleted"
    assert {loop.dataset, loop.adapter} <= {item.id for stage in found.came_of for item in stage.items}
    made, _ = loop.doyen.build_dataset("qa", project="qa")
    dropped = {entry["id"]: entry["reason"] for entry in made.manifest["dropped"] if entry["step"] == "deleted document"}
    assert dropped == dict.fromkeys(["lamp-1", labelled_as_unanswerable], "its document 'größe/lamp.txt' was deleted")
    assert made.dataset_id != loop.dataset
    assert on_deleted_documents(loop.doyen.store, _pairs()).keys() == {"lamp-1"}
    assert "lamp" not in json.dumps([pair.model_dump() for pair in [*made.train, *made.validation]])


def _refusal_about(doyen: Doyen, source: str) -> str:
    """Label the task of a document as one that it does not answer: the pair names no source."""
    with doyen.store.session() as session:
        task = next(task for task in task_links(session) if task.source == source and task.project == "qa")
    pair = Pair(id="lamp-2", prompt="Who makes the lamp?", response=REFUSAL, annotator="ben", group=task.group)
    doyen.annotate.import_pairs("qa", [pair])
    return pair.id
