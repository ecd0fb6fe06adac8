"""``doyen train``: a dataset becomes an adapter."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from doyen.core.errors import InputError
from doyen.platform.cli.dataset import find_dataset_id
from doyen.platform.cli.session import CliSession, DebugOption, JsonOption, WorkspaceOption, open_session

if TYPE_CHECKING:
    from doyen.finetune.dataset import Dataset
    from doyen.finetune.registry import Adapter

CALIBRATION_PAIRS = {"rag": 10, "hybrid": 20}
"""Validation pairs that fit when a mode refuses, each asked with and without its document: some seconds a pair on two cores.
Most go to the mode that people use."""


def train(
    dataset: Annotated[str, typer.Argument(help="Dataset id, or a name: its newest version.")],
    adapter: Annotated[str | None, typer.Option(help="Name of the adapter; default: the dataset's name.")] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Fit when rag and hybrid refuse on the validation pairs.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Train a LoRA adapter; on request also fit when rag and hybrid refuse. Stopped and started again, it goes on."""
    from doyen.finetune.dataset import load_dataset

    with open_session(workspace, as_json=as_json, debug=debug) as session:
        loaded = load_dataset(session.workspace, find_dataset_id(session.store, dataset))
        made = train_and_calibrate(session, loaded, adapter or loaded.name, calibrate=calibrate)
        text = f"Adapter {made.ref} is ready ({made.status}).\nNext: doyen ask QUESTION --mode hybrid --adapter {made.ref}"
        session.emit({"adapter": made.ref, "status": made.status, "manifest": made.manifest}, text)


def train_and_calibrate(session: CliSession, dataset: Dataset, name: str, *, calibrate: bool = False) -> Adapter:
    """Train an adapter on a dataset; with ``calibrate`` fit the refusal rules of rag and hybrid on its validation pairs."""
    from doyen.finetune.train import train_adapter
    from doyen.platform.serving.abstention import fit_abstention
    from doyen.platform.serving.assistant import open_assistant
    from doyen.retrieval.index import open_retriever
    from doyen.retrieval.manifest import read_manifest

    workspace, store, reporter = session.workspace, session.store, session.reporter
    adapter = train_adapter(workspace, store, dataset, open_retriever(workspace, store), name=name, reporter=reporter)
    if not calibrate:
        # Fitted on 20 pairs the rule refused 71% of the answerable held-out questions (docs/experiments.md).
        return adapter
    index = read_manifest(workspace.index_folder).content
    with closing(open_assistant(workspace, store)) as assistant:
        for mode, limit in CALIBRATION_PAIRS.items():
            try:
                fit_abstention(
                    assistant, dataset.validation, mode=mode, adapter=adapter.ref, reporter=reporter, index=index, limit=limit
                )
            except InputError as error:
                reporter.say(f"mode {mode} will refuse only where the model itself does: {error}")
    return adapter
