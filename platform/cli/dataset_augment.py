"""``doyen dataset augment``: a dataset with variants of its pairs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from doyen.platform.cli.session import CliSession, with_session


@with_session
def augment(
    session: CliSession,
    dataset: Annotated[str, typer.Argument(help="Id of a dataset, or a name for its newest version.")],
    kinds: Annotated[
        list[str],
        typer.Option(
            "--with",
            help="Kind of variants, repeatable: synonyms, typos, spoken, terse, hurried, swap; by the engine paraphrase, "
            "context, back-translation.",
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Name of the new dataset; default: the old one with -augmented.")] = None,
    times: Annotated[int, typer.Option(min=1, max=20, help="Variants of each kind for each pair, at most.")] = 1,
    part: Annotated[list[str] | None, typer.Option(help="Make variants of this part; default: train. Repeatable.")] = None,
    project: Annotated[str | None, typer.Option(help="With swap: the project that the pairs come from.")] = None,
    frozen: Annotated[
        Path | None, typer.Option(help="Evaluation questions that no variant may repeat, beside the registered ones.")
    ] = None,
) -> None:
    """Build a dataset with variants of the pairs of another: other words, other spellings, other entities."""
    from doyen.core.records import Question, read_records

    questions = read_records(frozen, Question) if frozen else []
    made, report = session.doyen.augment(
        dataset, kinds, name=name, times=times, parts=part or ["train"], project=project, frozen=questions
    )
    lines = [f"Dataset {made.dataset_id}: {report.parents} pairs with {sum(report.made.values())} variants"]
    for kind in dict.fromkeys(kinds):
        left_out = ", ".join(f"{count} {reason}" for reason, count in report.left_out.get(kind, {}).items())
        told = f"{report.made.get(kind, 0)} made; left out: {left_out or 'none'}"
        lines.append(f"  {kind}: " + (f"skipped, {report.skipped[kind]}" if kind in report.skipped else told))
    lines.append(f"Next: doyen train {made.dataset_id} --variants 0.5, so that a variant weighs half of a pair")
    session.emit({"dataset": made.dataset_id, **asdict(report), **made.manifest["counts"]}, "\n".join(lines))
