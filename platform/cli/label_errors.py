"""``doyen label errors``: labels that are likely wrong."""

from __future__ import annotations

from typing import Annotated

import typer

from doyen.platform.cli.session import CliSession, ProjectOption, with_session


@with_session
def errors(
    session: CliSession,
    project: ProjectOption,
    share: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of the labels to show, the worst; default: supervision.errors.share."),
    ] = None,
    review: Annotated[
        bool, typer.Option("--review", help="Send them back to people as review tasks, the worst first.")
    ] = False,
    expert: Annotated[str | None, typer.Option(help="With --review: whose answers decide; default: anybody's.")] = None,
) -> None:
    """Show the labels that are likeliest wrong, by models that have not seen them; --review sends them to an expert."""
    report = session.doyen.label_errors(project, share=share, review=review, expert=expert)
    following = (
        f"{report.sent} review tasks are new.\nNext: doyen annotate pull --project {report.review!r}, once they are decided"
        if review
        else f"Next: doyen label errors --project {project} --review, to have them decided"
    )
    session.emit(report.as_json(), f"{report.as_text()}\n{following}")
