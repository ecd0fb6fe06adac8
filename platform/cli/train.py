"""``doyen train``: a dataset becomes an adapter."""

from __future__ import annotations

from typing import Annotated

import typer

from doyen.platform.cli.dataset import find_dataset_id
from doyen.platform.cli.session import DebugOption, JsonOption, WorkspaceOption, open_session


def train(
    dataset: Annotated[str, typer.Argument(help="Dataset id, or a name: its newest version.")],
    adapter: Annotated[str | None, typer.Option(help="Name of the adapter; default: the dataset's name.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Train a LoRA adapter. Stopped and started again, it goes on."""
    from doyen.finetune.dataset import load_dataset
    from doyen.finetune.train import train_adapter
    from doyen.retrieval.index import open_retriever

    with open_session(workspace, as_json=as_json, debug=debug) as session:
        loaded = load_dataset(session.workspace, find_dataset_id(session.store, dataset))
        retriever = open_retriever(session.workspace, session.store)
        name = adapter or loaded.name
        made = train_adapter(session.workspace, session.store, loaded, retriever, name=name, reporter=session.reporter)
        text = f"Adapter {made.ref} is ready ({made.status}).\nNext: doyen ask QUESTION --mode hybrid --adapter {made.ref}"
        session.emit({"adapter": made.ref, "status": made.status, "manifest": made.manifest}, text)
