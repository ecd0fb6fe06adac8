"""``doyen train``: a dataset becomes an adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doyen.core.errors import InputError
from doyen.platform.cli.session import CliSession, with_session


@with_session
def train(
    session: CliSession,
    dataset: Annotated[str | None, typer.Argument(help="Dataset id, or a name: its newest version.")] = None,
    adapter: Annotated[str | None, typer.Option(help="Name of the adapter; default: the dataset's name.")] = None,
    reader: Annotated[bool, typer.Option("--reader", help="Train the reader, which finds answers in passages.")] = False,
    replay: Annotated[
        Path | None,
        typer.Option(
            help="With --reader: general questions on paragraphs (SQuAD's form) to mix in, so that less is forgotten."
        ),
    ] = None,
    general_reading: Annotated[
        Path | None,
        typer.Option(help="Questions on paragraphs (SQuAD's form) that teach the base model to answer from passages."),
    ] = None,
) -> None:
    """Train a LoRA adapter of the generator, or the reader. Stopped and started again, it goes on."""
    doyen = session.doyen
    if (dataset is None) == (general_reading is None) or (general_reading and reader) or (replay and not reader):
        raise InputError(
            "name a dataset, with --reader for a reader, which alone takes --replay; or --general-reading PARAGRAPHS alone"
        )
    if general_reading:
        made, usage = doyen.train_general_reading(general_reading, adapter), "--mode rag-reading"
    elif reader:
        made, usage = doyen.train_reader(str(dataset), adapter, replay=replay), "--mode extract"
    else:
        made = doyen.train(str(dataset), adapter)
        usage = f"--mode hybrid --adapter {made.ref}"
    text = f"{'Reader' if reader else 'Adapter'} {made.ref} is ready ({made.status}).\nNext: doyen ask QUESTION {usage}"
    session.emit({"adapter": made.ref, "status": made.status, "manifest": made.manifest}, text)
