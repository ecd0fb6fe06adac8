"""Databases as earlier versions of Doyen left them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from doyen.core.store.database import MIGRATIONS
from doyen.core.workspace import Workspace


@contextmanager
def database_of(workspace: Workspace, revision: str) -> Iterator[sa.Connection]:
    """Give a connection to the workspace's new database with the schema of a migration, to be filled as it was then."""
    workspace.state.mkdir()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = sa.create_engine(workspace.database_url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        yield connection
    engine.dispose()
