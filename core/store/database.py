"""Opening the metadata database and bringing its schema up to date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, select, text
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from doyen.core.errors import (
    IncompatibleError,
    MissingPart,
    ServiceError,
    SettingsError,
    StateError,
    StorageError,
)
from doyen.core.files import make_private
from doyen.core.store.schema import WorkspaceRow
from doyen.core.workspace import Workspace

MIGRATIONS = Path(__file__).parent / "migrations"
REVISIONS = sorted(script.name[:4] for script in (MIGRATIONS / "versions").glob("[0-9]*.py"))
"""Schema revisions, oldest first; each migration's file is named after its own."""
BUSY_TIMEOUT_MS = 30_000
RESTORE = (
    "restore a backup of it, or move it away, then run `doyen ingest` with your documents and "
    "`doyen annotate pull` for labels that a server holds"
)


class Store:
    """Sessions on one database whose schema is current."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._sessions = sessionmaker(engine, expire_on_commit=False)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Give a session that commits when the block ends and rolls back when it fails.

        Raises:
            StorageError: the disk is full, read-only or fails.
            StateError: the file is damaged.
        """
        with _database_errors(), self._sessions.begin() as session:
            yield session

    def compact(self) -> bool:
        """Rewrite the database's files, so that nothing of deleted rows is left in them.

        Returns:
            False where another process is using the database, so that old pages stay for now.

        Raises:
            StorageError: the disk is full, read-only or fails.
        """
        sqlite = self.engine.dialect.name == "sqlite"
        try:
            with _database_errors(), self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM" if sqlite else "VACUUM FULL"))
                return not sqlite or connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()[0] == 0
        except OperationalError as error:
            if "locked" not in str(error.orig):
                raise
            return False

    def file_bytes(self) -> int:
        """Return the size of an SQLite file; 0 where a server holds the database."""
        path = Path(self.engine.url.database or "")
        return path.stat().st_size if self.engine.dialect.name == "sqlite" and path.is_file() else 0

    def workspace_id(self) -> str:
        """Return the id of the workspace, which stays the same wherever its folder is moved or copied to."""
        with self.session() as session:
            return session.scalars(select(WorkspaceRow.workspace_id)).one()

    def check(self) -> str | None:
        """Return what is wrong with the structure of an SQLite file, or None."""
        if self.engine.dialect.name != "sqlite":
            return None
        try:
            with self.engine.connect() as connection:
                answer = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
        except DatabaseError as error:
            return str(error.orig)
        return None if answer == "ok" else answer

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


@contextmanager
def _database_errors() -> Iterator[None]:
    """Turn what an SQLite file suffers into our errors; others pass."""
    try:
        yield
    except DatabaseError as error:
        if any(sign in str(error.orig) for sign in ("full", "readonly", "disk I/O")):
            raise StorageError(f"the database cannot be written ({error.orig}): free some space, then try again") from error
        if any(sign in str(error.orig) for sign in ("malformed", "not a database")):
            raise StateError(f"the database is damaged ({error.orig}): {RESTORE}") from error
        raise


def open_store(workspace: Workspace) -> Store:
    """Open the workspace's database, made or migrated to the newest schema when needed.

    Raises:
        IncompatibleError: a newer Doyen has written it.
        StateError: the file is not a database.
        SettingsError: ``platform.database_url`` is no address of a database that SQLAlchemy knows.
        MissingPart: the driver of that database is not installed.
        ServiceError: the database server cannot be reached, or refuses us.
    """
    url = workspace.database_url
    make_private(workspace.state)
    engine = _engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _tune_sqlite)
    try:
        _migrate(engine)
    except DatabaseError as error:
        engine.dispose()
        if engine.dialect.name != "sqlite":
            raise ServiceError(
                f"the database {engine.url.render_as_string()} cannot be used ({' '.join(str(error.orig).split())}): start its "
                "server, or correct platform.database_url"
            ) from error
        raise StateError(f"the database {engine.url.render_as_string()} cannot be opened ({error.orig}): {RESTORE}") from error
    return Store(engine)


def _engine(url: str) -> Engine:
    """Return the engine of a URL; PostgreSQL is spoken to through psycopg unless the URL names another driver."""
    try:
        parsed = make_url(url)
        if parsed.drivername in {"postgres", "postgresql"}:
            parsed = parsed.set(drivername="postgresql+psycopg")
        return create_engine(parsed)
    except ModuleNotFoundError as error:
        # The module of another driver does not have its package's name ("MySQLdb" is in mysqlclient).
        ours = "psycopg" in str(error)
        remedy = "" if ours else "install the package that brings it, or name a PostgreSQL server and "
        remedy += "run `pip install 'doyen[postgres]'`"
        raise MissingPart(f"{error.name}, the driver for platform.database_url, is not installed: {remedy}") from error
    except (ArgumentError, ValueError) as error:
        problem = (
            "platform.database_url: it is no database address such as postgresql://user@host/name; leave it out for SQLite"
        )
        raise SettingsError("the configuration", [problem]) from error


def _tune_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.close()


def _migrate(engine: Engine) -> None:
    with engine.begin() as connection:
        current = _revision(connection)
        if current == REVISIONS[-1]:
            return
        if current is not None and current not in REVISIONS:
            raise IncompatibleError(f"the database has schema {current}, which this version does not know: upgrade doyen")
        # Imported only here: Alembic takes longer to load than most commands take to run.
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    """Return the revision that Alembic has written into the database, None where it has not been there yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(text("SELECT version_num FROM alembic_version"))
