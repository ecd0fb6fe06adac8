"""``doyen annotate adopt``: a Label Studio project that was not made here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from doyen.platform.cli.session import DebugOption, JsonOption, WorkspaceOption, open_session


def adopt(
    project: Annotated[str, typer.Option("--project", "-p", help="Name that it gets here.")],
    remote: Annotated[int, typer.Option("--id", help="Number of the project on the server, as in its address.")],
    task_type: Annotated[str, typer.Option("--type", help="What its labels are, as for `create`.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Take over a project on the Label Studio server that was not made here, and pull its labels; safe to repeat."""
    from doyen.annotation.adopt import adopt_project

    with open_session(workspace, as_json=as_json, debug=debug) as session:
        report = adopt_project(session.workspace, session.store, project, remote, task_type, reporter=session.reporter)
        lines = [f"{report.adopted} tasks of project {remote} at {report.location} are new here, {report.known} were known."]
        if report.without_text:
            lines.append(f"{report.without_text} tasks have no text and were left alone.")
        if report.left_fields:
            lines.append(f"These fields of its screen are not read: {', '.join(report.left_fields)}.")
        if report.pulled is not None:
            lines.append(f"{report.pulled.added} labels are new, {report.pulled.updated} updated.")
            lines += report.pulled.problems
        session.emit(asdict(report), "\n".join(lines))
