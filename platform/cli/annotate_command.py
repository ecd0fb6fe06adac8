"""``doyen annotate …``: labelling projects, on a Label Studio server or in files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from doyen.platform.cli.annotate_exchange import doccano, export, import_
from doyen.platform.cli.annotate_projects import adopt, list_, relink
from doyen.platform.cli.annotate_quality import adjudicate, agreement, feedback, gold
from doyen.platform.cli.session import CliSession, ProjectOption, with_session

app = typer.Typer(
    help="Annotation: tasks from chunks, exchange with Label Studio or files, labels as pairs.", no_args_is_help=True
)
app.command()(agreement)

app.command()(adjudicate)
app.command()(gold)
app.command()(feedback)
app.command("import")(import_)
app.command()(export)
app.command()(doccano)
app.command()(adopt)
app.command("list")(list_)
app.command()(relink)

OverlapOption = Annotated[
    int | None,
    typer.Option("--overlap", help="People who label each gold item and each task of the share; default: as before, else 2."),
]
ShareOption = Annotated[
    float | None,
    typer.Option("--overlap-share", help="Share of tasks that several people label, 0 to 1; default: as before, else 0.2."),
]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


@app.command()
@with_session
def create(
    session: CliSession,
    project: ProjectOption,
    task_type: Annotated[str | None, typer.Option("--type", help="Task type; default: the description's.")] = None,
    description: Annotated[
        Path | None, typer.Option(help="Labels and guideline (TOML); default: the project's, else the type's own.")
    ] = None,
    texts: Annotated[
        Path | None, typer.Option(help="Texts to label instead of chunks: .jsonl or .csv with 'text', perhaps 'id'.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="Most new tasks to make; default: one for each chunk.")] = None,
    source: Annotated[list[str] | None, typer.Option(help="Only chunks of this document; may be repeated.")] = None,
    webhook: Annotated[
        str | None, typer.Option(help="Base URL of the gateway: have Label Studio tell it when labels change.")
    ] = None,
    overlap: OverlapOption = None,
    overlap_share: ShareOption = None,
) -> None:
    """Make or update a project and its tasks: one for each chunk or text without one, with a draft as prediction."""
    from doyen.annotation import read_description

    made, status = session.doyen.annotate.create(
        project,
        task_type,
        read_description(description) if description else None,
        texts=texts,
        limit=limit,
        sources=source or (),
        webhook=webhook,
        overlap=overlap,
        share=overlap_share,
    )
    text = f"Project {project!r} ({status.location}): {made} new tasks.\nNext: doyen annotate push --project {project}"
    session.emit({"made": made, **asdict(status)}, text)


@app.command()
@with_session
def push(
    session: CliSession,
    project: ProjectOption,
    scores: Annotated[
        bool, typer.Option("--scores", help="Send the drafts of open tasks again: they decide the order.")
    ] = False,
    overlap: OverlapOption = None,
    overlap_share: ShareOption = None,
) -> None:
    """Send the tasks that are not there yet; the least certain drafts are served first."""
    report = session.doyen.annotate.push(project, scores=scores, overlap=overlap, share=overlap_share)
    text = f"{report.sent} tasks sent to {report.location}, {report.already_there} were there already."
    if report.overlap:
        text += f" {report.overlap} of all tasks are to be labelled by {report.people} people each."
    if report.kept_model:
        text += f"\nThe project shows the drafts of {report.kept_model!r}, which stays chosen: ours are not shown."
    if report.stale:
        text += f"\n{report.stale} tasks were not sent: their text is no longer the document's."
    session.emit(asdict(report), text)


@app.command()
@with_session
def pull(session: CliSession, project: ProjectOption) -> None:
    """Fetch the labels that changed since the last pull; every version is kept."""
    report = session.doyen.annotate.pull(project)
    counts = (
        f"{report.added} new labels, {report.updated} updated, {report.removed} removed from {report.location}; "
        f"{report.skipped} tasks skipped by annotators, {report.deleted_tasks} deleted, {report.foreign_tasks} not ours."
    )
    if report.decisions:
        counts += f"\n{report.decisions} decisions of experts are new."
    session.emit(asdict(report), "\n".join([counts, *report.problems]))


@app.command()
@with_session
def status(session: CliSession, project: ProjectOption) -> None:
    """Count tasks by state, age and staleness, labels by annotator, skipped and invalid ones, gold items and decisions."""
    found, stale = session.doyen.annotate.status(project)
    lines = [
        f"{found.name} ({found.task_type}, {found.location})",
        f"tasks: {_counts(found.tasks)}",
        f"open for: {_counts(found.ages)}",
        f"labels: {_counts(found.annotators)} ({found.versions} versions)",
        f"tasks skipped by somebody: {found.skipped}; for several people: {found.overlap}; "
        f"labelled by two or more: {found.labelled_twice}",
        f"gold items: {found.gold}; decisions: {_counts(found.decisions)}",
    ]
    if found.incomplete or found.invalid:
        lines.append(
            f"not valid: {found.parts_left_out} parts of {found.incomplete} labels, which count without them, and "
            f"{found.invalid} whole labels; `doyen annotate export` names them"
        )
    used_by = [asdict(use) for use in stale.used_by]
    session.emit({**asdict(found), "stale_used_by": used_by}, "\n".join([*lines, *stale.describe()]))
