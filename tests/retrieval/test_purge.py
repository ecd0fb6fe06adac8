"""After a purge no byte of a document's text is left in the workspace; what people made is named."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from doyen import Doyen
from doyen.annotation import create_project, draft_tasks, push
from doyen.core.errors import NotFoundError, ServiceError, StorageError
from doyen.core.manifest import short_id
from doyen.core.records import Turn
from doyen.core.store.schema import AnnotationRow, AnnotationTaskRow, AnswerRow, FeedbackRow
from doyen.ingestion.ingest import ingest_bytes
from doyen.platform import documents
from doyen.platform.checks import check_workspace
from doyen.platform.documents import delete_documents, ingest_documents
from doyen.platform.serving.answer_store import record_answer
from doyen.platform.serving.assistant import open_assistant
from doyen.retrieval.chosen import open_retriever

SECRET = "Quorvexil"
OTHER = "# Motor\n\nThe motor of the mill turns at 1400 rpm."


def document(version: int) -> str:
    return f"# Clearance {SECRET}\n\nThe code word {SECRET} opens vault {version}. Tell the code word {SECRET} to nobody.\n"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "documents"
    made.mkdir()
    (made / "clearance.md").write_text(document(1))
    (made / "motor.md").write_text(OTHER)
    return made


def places(workspace, text=SECRET) -> list[str]:
    """Return the files whose bytes hold the text in any usual encoding."""
    needles = [text.encode(), text.lower().encode(), text.encode("utf-16-le"), text.encode("utf-32-le")]
    needles += [text.lower().encode("utf-16-le"), text.lower().encode("utf-32-le")]
    files = [path for path in workspace.root.rglob("*") if path.is_file()]
    return [str(path.relative_to(workspace.root)) for path in files if any(each in path.read_bytes() for each in needles)]


def test_nothing_of_a_purged_document_is_left(workspace, store, folder):
    ingest_documents(workspace, store, [folder])
    (folder / "clearance.md").write_text(document(2))
    ingest_documents(workspace, store, [folder])
    create_project(workspace, store, "qa1")
    assert draft_tasks(store, "qa1") == 2
    push(workspace, store, "qa1")
    with closing(open_assistant(workspace, store)) as assistant:
        answer = assistant.ask(f"What does the code word {SECRET} open?", "rag")
        history = [Turn(role="user", content=f"{SECRET}?"), Turn(role="assistant", content=answer.answer)]
        later = assistant.ask("How fast does the motor of the mill turn?", "base", record=False)
    record_answer(store, later, history)
    assert any(SECRET in passage.text for passage in answer.passages)
    assert len(places(workspace)) >= 3, places(workspace)

    report = delete_documents(workspace, store, ["clearance.md"], purge=True)
    assert report.removed == ["clearance.md"]
    assert (report.purged.versions, report.purged.answers, report.purged.tasks) == (2, 1, 1)
    assert report.purged.kept == []
    assert places(workspace) == []
    with store.session() as session:
        assert session.scalars(select(AnswerRow.history)).all() == [[]]
    assert open_retriever(workspace, store).retrieve("How fast is the motor?", 1)[0].source == "motor.md"


def test_a_document_can_be_purged_after_it_was_removed_and_does_not_come_back(workspace, store, folder):
    ingest_documents(workspace, store, [folder])
    delete_documents(workspace, store, ["clearance.md"])
    assert all("doyen.db" in place for place in places(workspace)), "only the versions are kept, for lineage"
    report = delete_documents(workspace, store, [short_id("clearance.md")], purge=True)
    assert (report.removed, report.purged.versions) == ([], 1)
    assert places(workspace) == []
    ingest_documents(workspace, store, [folder])
    assert places(workspace) == []
    with pytest.raises(NotFoundError):
        delete_documents(workspace, store, ["clearance.md"], purge=True)


def test_what_people_made_stays_and_is_named(workspace, store, folder):
    ingest_documents(workspace, store, [folder])
    ingest_bytes(workspace, store, "copy.md", document(1).encode())
    create_project(workspace, store, "qa1")
    draft_tasks(store, "qa1")
    with store.session() as session:
        task = session.scalars(select(AnnotationTaskRow).where(AnnotationTaskRow.document_id == short_id("clearance.md"))).one()
        label = {"annotator": "ann", "result": [], "current": True, "created_at": "2026", "pulled_at": "2026"}
        session.add(AnnotationRow(annotation_id="a", task_uid=task.uid, external_id="1", revision="r", **label))
    with closing(open_assistant(workspace, store)) as assistant:
        answer = assistant.ask(f"What does the code word {SECRET} open?", "rag")
    with store.session() as session:
        session.add(FeedbackRow(feedback_id="f", answer_id=answer.answer_id, rating=-1, created_at="2026"))
    report = delete_documents(workspace, store, ["clearance.md"], purge=True)
    said = "\n".join(report.purged.kept)
    assert "1 task(s) of project 'qa1' with the labels that people made" in said
    assert "1 question(s) and the feedback" in said
    assert "copy.md, which has the same text" in said
    with store.session() as session:
        row = session.get_one(AnswerRow, answer.answer_id)
        assert (row.answer, row.citations, row.history) == ("", [], [])
        assert not [passage for passage in row.passages if passage["document_id"] == short_id("clearance.md")]


def test_no_old_copy_answers_after_a_folder_and_a_file_of_it(workspace, store, folder):
    """The steps of cases/folder_then_file.sh."""
    question = "Which vault does the code word open?"
    ingest_documents(workspace, store, [folder])
    ingest_documents(workspace, store, [folder / "clearance.md"])
    (folder / "clearance.md").write_text(document(2))
    ingest_documents(workspace, store, [folder])
    texts = [passage.text for passage in open_retriever(workspace, store).retrieve(question, 5)]
    assert any("vault 2" in text for text in texts)
    assert not any("vault 1" in text for text in texts)
    (folder / "clearance.md").unlink()
    ingest_documents(workspace, store, [folder])
    assert [passage.source for passage in open_retriever(workspace, store).retrieve(question, 5)] == ["motor.md"]


def problem_of(workspace, store, name: str) -> str | None:
    """Return what `doyen doctor` says against one of its checks."""
    doyen = Doyen(workspace, store=store)
    return next((check.detail for check in check_workspace(doyen) if check.name == name and not check.ok), None)


@pytest.mark.parametrize("purge", [False, True])
def test_on_a_full_disk_nothing_is_begun(workspace, store, folder, monkeypatch, purge):
    ingest_documents(workspace, store, [folder])
    before = places(workspace)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=10, used=9, free=1000))
    with pytest.raises(StorageError, match="same command again"):
        delete_documents(workspace, store, ["clearance.md"], purge=purge)
    assert places(workspace) == before
    monkeypatch.undo()
    assert delete_documents(workspace, store, ["clearance.md"], purge=purge).removed == ["clearance.md"]
    assert (places(workspace) == []) == purge


def test_without_the_chroma_server_nothing_is_begun(workspace, store, folder):
    ingest_documents(workspace, store, [folder])
    settings = workspace.root / "doyen.toml"
    settings.write_text(f'{settings.read_text()}\n[retrieval]\nchroma_url = "http://127.0.0.1:9"\n')
    before = places(workspace)
    with pytest.raises(ServiceError):
        delete_documents(type(workspace)(workspace.root), store, ["clearance.md"], purge=True)
    assert places(workspace) == before


@pytest.mark.parametrize("step", ["mark_stale", "purge_documents", "rebuild_index", "compact"])
@pytest.mark.parametrize("name", ["clearance.md", short_id("clearance.md"), "motor.md"])
def test_a_purge_that_failed_is_named_and_finished_by_a_second_run(workspace, store, folder, monkeypatch, step, name):
    ingest_documents(workspace, store, [folder])

    def fails(*arguments, **keywords):
        raise StorageError("the disk is full")

    monkeypatch.setattr(store if step == "compact" else documents, step, fails)
    with pytest.raises(StorageError):
        delete_documents(workspace, store, ["clearance.md"], purge=True)
    monkeypatch.undo()
    assert places(workspace)
    assert short_id("clearance.md") in problem_of(workspace, store, "purges")
    delete_documents(workspace, store, [name], purge=True)
    assert places(workspace) == []
    assert problem_of(workspace, store, "purges") is None
    with pytest.raises(NotFoundError):
        delete_documents(workspace, store, ["clearance.md"], purge=True)


def test_a_purge_beside_an_open_database_is_finished_later(workspace, store, folder):
    ingest_documents(workspace, store, [folder])
    with closing(sqlite3.connect(workspace.state / "doyen.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM chunks").fetchone()
        with store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=100")
        [kept] = delete_documents(workspace, store, ["clearance.md"], purge=True).purged.kept
        assert "purge again" in kept
    assert places(workspace)
    assert problem_of(workspace, store, "purges")
    assert delete_documents(workspace, store, ["clearance.md"], purge=True).purged.kept == []
    assert places(workspace) == []
    assert problem_of(workspace, store, "purges") is None
