"""``doyen label weak``: labels by rules and functions that may err."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doyen.platform.cli.session import CliSession, ProjectOption, with_session


@with_session
def weak(
    session: CliSession,
    files: Annotated[
        list[Path], typer.Argument(help="Files of labelling functions: .py (run as your own code) or .toml (rules).")
    ],
    project: ProjectOption,
    method: Annotated[
        str | None,
        typer.Option(help="How votes are aggregated: label-model, majority or dawid-skene; of entities hmm or majority."),
    ] = None,
    threshold: Annotated[float | None, typer.Option(min=0, max=1, help="Probability from which a label is proposed.")] = None,
    pairs: Annotated[Path | None, typer.Option(help="Write the labels as training pairs to this file, too.")] = None,
    only_table: Annotated[bool, typer.Option("--only-table", help="Show the table of functions, and change nothing.")] = False,
) -> None:
    """Label a project's texts by functions and rules: a table of them, drafts for people, and soft labels for training."""
    report = session.doyen.label_weakly(project, files, method=method, threshold=threshold, pairs=pairs, only_table=only_table)
    lines = [report.as_text()]
    if report.folder:
        lines.append(f"{report.drafted} drafts replaced ({report.version}); soft labels in {report.folder}")
        lines.append(f"Next: doyen annotate push --project {project} --scores, so that people correct the least sure first")
    if pairs:
        lines.append(f"{report.pairs} pairs in {pairs}: labels by rule, not the truth (doyen dataset build takes them)")
    session.emit(report.as_json(), "\n".join(lines))
