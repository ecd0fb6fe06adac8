"""``doyen init``: make a workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doyen.platform.cli.session import DebugOption, JsonOption, WorkspaceOption, emit


def init(
    folder: Annotated[Path | None, typer.Argument(help="Folder of the new workspace; default: the current one.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the domain; default: the folder's.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Make a workspace: a folder with doyen.toml and a database."""
    from doyen.core.store import open_store
    from doyen.core.workspace import create_workspace

    made = create_workspace(folder or workspace or Path.cwd(), name)
    open_store(made).close()
    text = f"Workspace {made.settings.name!r} made in {made.root}.\nNext: doyen ingest FOLDER --workspace {made.root}"
    emit({"workspace": str(made.root), "name": made.settings.name}, text, as_json=as_json)
