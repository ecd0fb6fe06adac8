"""``doyen annotate adopt | list | relink``: which projects there are, and tying one to its place on a server."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from doyen.core.errors import InputError
from doyen.platform.cli.session import CliSession, with_session

if TYPE_CHECKING:
    from doyen.annotation import ProjectStatus


@with_session
def adopt(
    session: CliSession,
    project: Annotated[str, typer.Option("--project", "-p", help="Name that it gets here.")],
    remote: Annotated[int, typer.Option("--id", help="Number of the project on the server, as in its address.")],
    task_type: Annotated[str, typer.Option("--type", help="What its labels are, as for `create`.")],
) -> None:
    """Take over a project on the Label Studio server that was not made here, and pull its labels; safe to repeat."""
    report = session.doyen.annotate.adopt(project, remote, task_type)
    lines = [f"{report.adopted} tasks of project {remote} at {report.location} are new here, {report.known} were known."]
    if report.without_text:
        lines.append(f"{report.without_text} tasks have no text and were left alone.")
    if report.left_fields:
        lines.append(f"These fields of its screen are not read: {', '.join(report.left_fields)}.")
    if report.pulled is not None:
        lines.append(f"{report.pulled.added} labels are new, {report.pulled.updated} updated.")
        lines += report.pulled.problems
    session.emit(asdict(report), "\n".join(lines))


@with_session
def list_(session: CliSession) -> None:
    """List the projects with their progress, as the last pull found it."""
    found = session.doyen.annotate.projects()
    text = "\n".join(map(_line, found)) or "there are none yet: make one with `doyen annotate create --project NAME`"
    session.emit({"projects": [asdict(status) for status in found]}, text)


@with_session
def relink(
    session: CliSession,
    project: Annotated[str | None, typer.Option("--project", "-p", help="Name of the annotation project.")] = None,
    remote: Annotated[
        int | None, typer.Option("--id", help="Number of the project on the server; default: the known one.")
    ] = None,
    as_copy: Annotated[
        bool, typer.Option("--as-copy", help="Make this copied workspace one of its own, with projects of its own.")
    ] = False,
) -> None:
    """Connect to the project on the server that holds these tasks: after a move of either."""
    if (project is None) != as_copy:
        raise InputError("name the project with --project, or give --as-copy for the whole workspace: one of the two")
    if project is None:
        names = session.doyen.annotate.separate()
        listed = ", ".join(names) or "none"
        text = f"This workspace has an id of its own. To be made anew with `doyen annotate create`: {listed}."
        session.emit({"separated": names}, text)
        return
    status = session.doyen.annotate.relink(project, remote)
    text = f"Project {project!r} goes on at {status.location}.\nNext: doyen annotate pull --project {project}"
    session.emit(asdict(status), text)


def _line(status: ProjectStatus) -> str:
    from doyen.core.store.schema import Purpose, TaskState

    total = sum(count for state, count in status.tasks.items() if state != TaskState.DELETED)
    kind = f"{status.purpose if status.purpose == Purpose.REVIEW else status.task_type}, {status.location}"
    parts = [f"{status.tasks.get(TaskState.LABELLED, 0)} of {total} tasks labelled", f"{status.labelled_twice} by two or more"]
    parts += [f"{count} {what}" for what, count in (("skipped", status.skipped), ("labels invalid", status.invalid)) if count]
    return f"{status.name} ({kind}): {', '.join(parts)}; last pull {status.synced_at or 'unknown'}"
