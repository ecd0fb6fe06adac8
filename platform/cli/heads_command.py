"""``doyen classify`` and ``doyen extract``: what trained heads say of a text."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from doyen.platform.cli.session import CliSession, with_session

TextsArgument = Annotated[list[str], typer.Argument(help="One or several texts, in quotes.")]
HeadOption = Annotated[
    str | None, typer.Option("--adapter", help="name or name:version of the head; default: the only one there is.")
]


@with_session
def classify(session: CliSession, texts: TextsArgument, adapter: HeadOption = None) -> None:
    """Show the classes of texts, as a head that was trained on labels gives them."""
    head, found = session.doyen.heads.classify(texts, adapter)
    lines = []
    for text, each in zip(texts, found, strict=True):
        shown = ", ".join(f"{score.label} {score.score:.2f}" for score in each.scores[:5])
        lines.append(f"{', '.join(each.labels) or 'none'}  ({shown})  {text[:60]}")
    session.emit({"adapter": head.ref, "texts": [asdict(each) for each in found]}, "\n".join(lines))


@with_session
def extract(session: CliSession, texts: TextsArgument, adapter: HeadOption = None) -> None:
    """Show the entities of texts, or their tokens with their tags, as a head that was trained on labels finds them."""
    head, found = session.doyen.heads.extract(texts, adapter)
    lines = [
        f"{entity.label:<12} {entity.text}  [{entity.start}:{entity.end}]  {entity.score:.2f}"
        for each in found
        for entity in each.entities
    ]
    session.emit({"adapter": head.ref, "texts": [asdict(each) for each in found]}, "\n".join(lines) or "Nothing found.")
