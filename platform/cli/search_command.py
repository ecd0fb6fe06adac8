"""``doyen search``: passages for a query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from doyen.core.modes import MAX_PASSAGES
from doyen.platform.cli.session import CliSession, with_session

if TYPE_CHECKING:
    from doyen.core.answers import Passage


@with_session
def search(
    session: CliSession,
    query: Annotated[str, typer.Argument(help="What to look for.")],
    k: Annotated[int | None, typer.Option("--k", "-k", min=1, max=MAX_PASSAGES, help="How many passages.")] = None,
) -> None:
    """Show the passages that the retriever finds for a query."""
    result = session.doyen.search(query, k)
    lines = [f"{rank}. {_place(p)} score {p.score:.3f}\n{p.text}\n" for rank, p in enumerate(result.passages, start=1)]
    found: dict[str, object] = {"query": result.query, "passages": [p.public_json() for p in result.passages]}
    if result.warning:
        found["warning"] = result.warning
        lines.insert(0, f"Warning: {result.warning}")
    session.emit(found, "\n".join(lines) or "Nothing found.")


def _place(passage: Passage) -> str:
    from doyen.core.answers import version_note

    page = f", page {passage.page}" if passage.page else ""
    return f"{passage.source}{page}{version_note(passage)} [{passage.start}:{passage.end}]"
