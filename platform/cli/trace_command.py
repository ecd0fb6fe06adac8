"""``doyen trace``: what something came from, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from doyen.platform.cli.session import CliSession, with_session

if TYPE_CHECKING:
    from doyen.core.lineage import Item, Stage, Trace


@with_session
def trace(
    session: CliSession,
    wanted: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="Of an answer, label, row (DATASET#PAIR), dataset, adapter or document.",
        ),
    ],
    kind: Annotated[str | None, typer.Option(help="What it is, where an id stands for several: document, label, …")] = None,
    shown: Annotated[int, typer.Option("--show", min=1, help="How many of each kind to name; all are counted.")] = 20,
) -> None:
    """Show what anything came from and what came of it: documents, labels, datasets, adapters, answers, feedback."""
    found = session.doyen.trace(wanted, kind=kind, shown=shown)
    session.emit(asdict(found), "\n".join(describe(found)))


def describe(found: Trace) -> list[str]:
    """Return a trace as lines for people."""
    items = [_line(item, with_kind=True) for item in found.items]
    came_from = list(_stages(found.came_from)) or ["  nothing that is known"]
    came_of = list(_stages(found.came_of)) or ["  nothing yet"]
    return [*items, "came from", *came_from, "what came of it", *came_of]


def _stages(stages: Sequence[Stage]) -> Iterator[str]:
    for stage in stages:
        yield f"  {stage.total} × {stage.kind}"
        yield from (f"    {_line(item)}" for item in stage.items)
        if stage.total > len(stage.items):
            yield f"    … and {stage.total - len(stage.items)} more (--show)"


def _line(item: Item, *, with_kind: bool = False) -> str:
    name = f"{item.kind} {item.id}" if with_kind else item.id
    title = f"  {item.title}" if item.title and item.title != item.id else ""
    return f"{name}{title}{f'  ({item.state})' if item.state else ''}"
