"""``doyen label head``: drafts of a project's labels by a trained head."""

from __future__ import annotations

from typing import Annotated

import typer

from doyen.platform.cli.session import CliSession, ProjectOption, with_session


@with_session
def head(
    session: CliSession,
    project: ProjectOption,
    adapter: Annotated[
        str | None, typer.Option(help="name or name:version of the head; default: the one trained on this project.")
    ] = None,
) -> None:
    """Let a trained head draft the labels of a project's open tasks, for people to correct; the least sure come first."""
    made, count = session.doyen.model_drafts.draft_by_head(project, adapter)
    text = f"{count} tasks have a new draft by head {made.ref}.\nNext: doyen annotate push --project {project} --scores"
    session.emit({"adapter": made.ref, "drafts": count}, text)
