"""``doyen annotate agreement | adjudicate | gold | feedback``: what annotators agree on, what is true, what was found wrong."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from doyen.platform.cli.session import CliSession, ProjectOption, with_session


@with_session
def agreement(
    session: CliSession,
    project: ProjectOption,
    period: Annotated[Literal["week", "month"], typer.Option(help="Follow agreement by week or by month.")] = "week",
    order: Annotated[
        str | None, typer.Option(help="Classes from low to high, comma-separated, where they have an order.")
    ] = None,
) -> None:
    """Measure agreement: overall, by label, by pair, over time, and against gold items, with 95% intervals."""
    report, problems = session.doyen.annotate.agreement(
        project,
        period=period,
        order=[label.strip() for label in order.split(",")] if order else None,
    )
    value = {"project": project, **report.as_json(), "problems": problems}
    session.emit(value, "\n".join([report.as_text(), *problems]))


@with_session
def adjudicate(
    session: CliSession,
    project: ProjectOption,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Agreement below which a task goes to the expert.")
    ] = None,
    share: Annotated[float | None, typer.Option(min=0, max=1, help="At most this share of all tasks, the worst.")] = None,
    expert: Annotated[str | None, typer.Option(help="E-mail of the person whose answers decide; default: anybody's.")] = None,
    consensus: Annotated[bool, typer.Option("--consensus", help="Let the aggregated answer decide the other tasks.")] = False,
) -> None:
    """Send disputed tasks to an expert-review project; pull that project to take the decisions over."""
    report, accepted = session.doyen.annotate.adjudicate(
        project, threshold=threshold, share=share, expert=expert, consensus=consensus
    )
    text = (
        f"{report.sent} disputed tasks sent to {report.review!r} at {report.location}, {report.waiting} wait there; "
        f"{accepted} decided by consensus.\nNext: doyen annotate pull --project {report.review!r}, once they are decided"
    )
    session.emit({**asdict(report), "consensus": accepted}, text)


@with_session
def gold(
    session: CliSession,
    file: Annotated[Path, typer.Argument(help="Items with their right labels.")],
    project: ProjectOption,
    format_name: Annotated[str, typer.Option("--format", help="As for `doyen annotate import`.")] = "doccano",
) -> None:
    """Hide items with known answers among the tasks; they measure each annotator and stay out of datasets."""
    report, losses = session.doyen.annotate.gold(project, file, format_name)
    text = (
        f"{report.made} gold items are new, {report.hidden} are tasks that were there, {report.unchanged} were known.\n"
        f"Next: doyen annotate push --project {project}"
    )
    session.emit({**asdict(report), "losses": losses.as_json()}, "\n".join([text, *losses.sentences()]))


@with_session
def feedback(
    session: CliSession,
    project: ProjectOption,
    frozen: Annotated[
        Path | None, typer.Option(help="Evaluation questions that training must not see (questions.jsonl).")
    ] = None,
) -> None:
    """Make tasks from answers that got a thumb down or a correction in the chat."""
    from doyen.core.records import Question, read_records

    questions = read_records(frozen, Question) if frozen else []
    report = session.doyen.annotate.feedback(project, questions)
    text = (
        f"{report.answers} answers were found wrong: {report.made} new tasks, {report.known} known, "
        f"{report.frozen} left out as frozen questions.\nNext: doyen annotate push --project {project}"
    )
    session.emit(asdict(report), "\n".join([text, *report.problems]))
