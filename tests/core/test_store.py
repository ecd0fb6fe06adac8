"""The database: migrations, versions from the future, rollback, and the writer lock."""

import subprocess
import sys
import textwrap

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from support.old_schema import database_of

from doyen.core.errors import Busy, IncompatibleError, MissingPart, ServiceError, SettingsError, StateError
from doyen.core.store import open_store
from doyen.core.store.schema import AnnotationProjectRow, AnswerRow, Base, ChunkRow


def test_migrations_give_the_schema_that_the_code_expects(store):
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"


def test_a_database_from_a_newer_version_is_refused(workspace, store):
    with store.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    with pytest.raises(IncompatibleError, match="upgrade doyen"):
        open_store(workspace)


def test_a_damaged_database_is_a_sentence(workspace):
    workspace.state.mkdir()
    (workspace.state / "doyen.db").write_bytes(b"this is not a database" * 500)
    with pytest.raises(StateError, match="restore a backup"):
        open_store(workspace)


@pytest.mark.parametrize("url", ["postgresql://ann:hunter2@127.0.0.1:1/x", "postgres://ann:hunter2@127.0.0.1:1/x"])
def test_a_postgresql_url_ends_in_a_sentence_without_its_password(workspace, monkeypatch, url):
    (workspace.root / "doyen.toml").write_text(f'[platform]\ndatabase_url = "{url}"\n')
    with pytest.raises(ServiceError, match="start its server") as caught:
        open_store(workspace)
    assert "hunter2" not in str(caught.value)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingPart, match=r"pip install 'doyen\[postgres\]'"):
        open_store(workspace)


def test_the_module_of_a_missing_driver_is_not_sold_as_a_package(workspace, monkeypatch):
    monkeypatch.setenv("DOYEN_PLATFORM__DATABASE_URL", "mysql://h/x")
    with pytest.raises(MissingPart) as caught:
        open_store(workspace)
    assert "pip install MySQLdb" not in str(caught.value)
    assert "pip install 'doyen[postgres]'" in str(caught.value)


@pytest.mark.parametrize("url", ["nonsense", "oracel://x/y", "mysql://ann:hunter2@h/x", "postgresql://h:port/x"])
def test_other_database_urls_end_in_a_sentence(workspace, url):
    (workspace.root / "doyen.toml").write_text(f'[platform]\ndatabase_url = "{url}"\n')
    with pytest.raises((SettingsError, MissingPart)) as caught:
        open_store(workspace)
    assert "hunter2" not in str(caught.value)


def test_a_failed_session_rolls_back(store):
    row = {"task_type": "prompt_response", "backend": "files", "config": ""}
    with pytest.raises(RuntimeError), store.session() as session:
        session.add(AnnotationProjectRow(name="a", **row))
        raise RuntimeError
    with store.session() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(AnnotationProjectRow)) == 0


def test_one_writer_at_a_time_and_a_killed_one_frees_the_lock(workspace):
    code = f"""
        import sys, time
        from pathlib import Path
        from doyen.core.workspace import Workspace
        with Workspace(Path({str(workspace.root)!r})).lock("a test"):
            print("held", flush=True)
            time.sleep(60)
    """
    other = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    held = rf"cannot start ingesting: another doyen command \(a test, process {other.pid}, since 20.*\) is changing"
    with pytest.raises(Busy, match=held), workspace.lock("ingesting"):
        pass
    other.kill()
    other.wait()
    with workspace.lock("ingesting"):
        pass


def test_an_older_workspace_gets_an_id_for_good_and_its_projects_an_overlap(workspace):
    with database_of(workspace, "0005") as connection:
        for name, purpose in (("qa", "annotation"), ("qa review", "review")):
            values = f"'{name}', 'entities', 'files', '', '{{}}', '{purpose}', 0"
            columns = "name, task_type, backend, config, description, purpose, foreign_tasks"
            connection.execute(sa.text(f"INSERT INTO annotation_projects ({columns}) VALUES ({values})"))
    ids = []
    for _ in range(2):
        store = open_store(workspace)
        ids.append(store.workspace_id())
        with store.session() as session:
            rows = session.scalars(sa.select(AnnotationProjectRow).order_by(AnnotationProjectRow.name)).all()
        assert [(row.overlap, row.overlap_share) for row in rows] == [(2, 0.2), (1, 0.2)]
        store.close()
    assert ids[0] == ids[1]
    assert len(ids[0]) == 32


def test_answers_of_an_older_workspace_were_not_checked(workspace):
    with database_of(workspace, "0006") as connection:
        columns = "answer_id, question, history, answer, mode, model, abstained, passages, citations, created_at"
        values = "'a', 'q', '[]', '26', 'rag', 'm', 0, '[]', '[]', '2025-01-01'"
        connection.execute(sa.text(f"INSERT INTO answers ({columns}) VALUES ({values})"))
    store = open_store(workspace)
    with store.session() as session:
        assert session.scalars(sa.select(AnswerRow)).one().support == "not_checked"
    store.close()


def test_chunks_of_an_older_workspace_stay(workspace):
    with database_of(workspace, "0008") as connection:
        columns = "document_id, source, root, path, version, title, media_type, size, modified_ns, settings_fingerprint"
        values = "'d', 'a.md', '/r', '/r/a.md', 'v', 'A', 'text/plain', 3, 1, 'f'"
        connection.execute(sa.text(f"INSERT INTO documents ({columns}, near_group, ingested_at) VALUES ({values}, 'd', 'now')"))
        columns = 'chunk_id, document_id, version, ordinal, start, "end", page, heading, text, indexed'
        connection.execute(sa.text(f"INSERT INTO chunks ({columns}) VALUES ('c', 'd', 'v', 0, 0, 3, NULL, 'A', 'One', 1)"))
        connection.execute(sa.text("INSERT INTO index_removals (chunk_id) VALUES ('gone')"))
    store = open_store(workspace)
    with store.session() as session:
        chunk = session.scalars(sa.select(ChunkRow)).one()
        assert (chunk.chunk_id, chunk.document_id, chunk.start, chunk.end, chunk.text) == ("c", "d", 0, 3, "One")
    store.close()
