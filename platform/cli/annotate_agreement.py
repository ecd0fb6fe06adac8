"""``doyen annotate agreement``: how far the annotators of a project agree."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from doyen.platform.cli.session import DebugOption, JsonOption, WorkspaceOption, open_session


class Period(StrEnum):
    """Length of the periods over which agreement is followed."""

    week = "week"
    month = "month"


def agreement(
    project: Annotated[str, typer.Option("--project", "-p", help="Name of the annotation project.")],
    period: Annotated[Period, typer.Option(help="Follow agreement by week or by month.")] = Period.week,
    order: Annotated[
        str | None, typer.Option(help="Classes from low to high, comma-separated, where they have an order.")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure agreement: overall, by label, by pair, over time, and against gold items, with 95% intervals."""
    with open_session(workspace, as_json=as_json, debug=debug) as session:
        report, problems = session.doyen.annotate.agreement(
            project,
            period="month" if period is Period.month else "week",
            order=[label.strip() for label in order.split(",")] if order else None,
        )
        value = {"project": project, **report.as_json(), "problems": problems}
        session.emit(value, "\n".join([report.as_text(), *problems]))
