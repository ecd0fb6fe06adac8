"""``doyen train``: a dataset becomes an adapter."""

from __future__ import annotations

from typing import Annotated

import typer

from doyen.platform.cli.session import DebugOption, JsonOption, WorkspaceOption, open_session


def train(
    dataset: Annotated[str, typer.Argument(help="Dataset id, or a name: its newest version.")],
    adapter: Annotated[str | None, typer.Option(help="Name of the adapter; default: the dataset's name.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Train a LoRA adapter. Stopped and started again, it goes on."""
    with open_session(workspace, as_json=as_json, debug=debug) as session:
        made = session.doyen.train(dataset, adapter)
        text = f"Adapter {made.ref} is ready ({made.status}).\nNext: doyen ask QUESTION --mode hybrid --adapter {made.ref}"
        session.emit({"adapter": made.ref, "status": made.status, "manifest": made.manifest}, text)
