"""``doyen train``: a dataset becomes an adapter."""

from __future__ import annotations

from typing import Annotated

import typer

from doyen.platform.cli.session import CliSession, with_session


@with_session
def train(
    session: CliSession,
    dataset: Annotated[str, typer.Argument(help="Dataset id, or a name: its newest version.")],
    adapter: Annotated[str | None, typer.Option(help="Name of the adapter; default: the dataset's name.")] = None,
    reader: Annotated[bool, typer.Option("--reader", help="Train the reader, which finds answers in passages.")] = False,
) -> None:
    """Train a LoRA adapter of the generator, or the reader. Stopped and started again, it goes on."""
    make = session.doyen.train_reader if reader else session.doyen.train
    made = make(dataset, adapter)
    usage = "--mode extract" if reader else f"--mode hybrid --adapter {made.ref}"
    text = f"{'Reader' if reader else 'Adapter'} {made.ref} is ready ({made.status}).\nNext: doyen ask QUESTION {usage}"
    session.emit({"adapter": made.ref, "status": made.status, "manifest": made.manifest}, text)
