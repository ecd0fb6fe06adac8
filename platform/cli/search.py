"""``doyen search``: passages for a query."""

from __future__ import annotations

from typing import Annotated

import typer

from doyen.core.errors import InputError
from doyen.platform.cli.session import DebugOption, JsonOption, WorkspaceOption, open_session


def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    k: Annotated[int | None, typer.Option("--k", "-k", min=1, max=100, help="How many passages.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show the passages that the retriever finds for a query."""
    from doyen.retrieval.index import open_retriever

    if not query.strip():
        raise InputError("the query is empty: say what to look for")
    with open_session(workspace, as_json=as_json, debug=debug) as session:
        settings = session.workspace.settings
        if len(query) > settings.serving.max_question_chars:
            raise InputError(
                f"the query has {len(query)} characters, at most {settings.serving.max_question_chars} are allowed"
            )
        retriever = open_retriever(session.workspace, session.store)
        passages = retriever.retrieve(query, k or settings.retrieval.top_k)
        lines = [
            f"{rank}. {p.source}{f', page {p.page}' if p.page else ''} [{p.start}:{p.end}] score {p.score:.3f}\n{p.text}\n"
            for rank, p in enumerate(passages, start=1)
        ]
        found = {"query": query, "passages": [p.to_json() for p in passages]}
        if retriever.problem:
            found["warning"] = retriever.problem
            lines.insert(0, f"Warning: {retriever.problem}")
        session.emit(found, "\n".join(lines) or "Nothing found.")
