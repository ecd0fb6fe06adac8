"""``doyen label next``: which texts to label next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doyen.platform.cli.session import CliSession, ProjectOption, with_session


# Named so because `next` is Python's own.
@with_session
def next_(
    session: CliSession,
    project: ProjectOption,
    strategy: Annotated[
        str | None,
        typer.Option(
            help="random, least-confidence, margin, entropy, bald, core-set, facility-location, diverse-uncertainty or "
            "cost-aware; default: supervision.active.strategy."
        ),
    ] = None,
    n: Annotated[int | None, typer.Option("--n", min=1, help="Texts of this round; default: supervision.active.batch.")] = None,
    target: Annotated[
        float | None, typer.Option(min=0, max=1, help="Score to which the labels still needed are estimated.")
    ] = None,
    frozen: Annotated[
        Path | None, typer.Option(help="Evaluation questions (questions.jsonl): what repeats one is never chosen.")
    ] = None,
    push: Annotated[bool, typer.Option("--push/--no-push", help="Send tasks and order to where people label.")] = True,
) -> None:
    """Choose the texts to label next and have them served first; show the learning curve and whether to go on."""
    from doyen.core.records import Question, read_records

    questions = read_records(frozen, Question) if frozen else []
    made = session.doyen.label_next(project, strategy=strategy, n=n, target=target, frozen=questions, push=push)
    following = (
        "doyen annotate pull --project {}, once they are labelled" if push else "doyen annotate push --scores --project {}"
    )
    session.emit(made.as_json(), f"{made.as_text()}\nNext: {following.format(project)}")
