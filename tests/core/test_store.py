"""The database: migrations, versions from the future, rollback, and the writer lock."""

import subprocess
import sys
import textwrap

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from doyen.platform.core.errors import Busy, IncompatibleError, StateError
from doyen.platform.core.store import open_store
from doyen.platform.core.store.schema import AnnotationProjectRow, Base


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
        from doyen.platform.core.workspace import Workspace
        with Workspace(Path({str(workspace.root)!r})).lock("a test"):
            print("held", flush=True)
            time.sleep(60)
    """
    other = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    with pytest.raises(Busy, match="cannot start ingesting"), workspace.lock("ingesting"):
        pass
    other.kill()
    other.wait()
    with workspace.lock("ingesting"):
        pass
