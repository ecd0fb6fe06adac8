"""``doyen label llm``: labels and questions that a model drafts, and whether its drafts may be used."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doyen.core.errors import UsageError
from doyen.platform.cli.session import CliSession, ProjectOption, with_session

if TYPE_CHECKING:
    from doyen.finetune.supervision.generated import DraftReport


@with_session
def llm(
    session: CliSession,
    project: ProjectOption,
    limit: Annotated[int | None, typer.Option(min=1, help="Texts for which the model is asked, at most.")] = None,
    source: Annotated[list[str] | None, typer.Option(help="Only chunks of this document; may be repeated.")] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only draft a few texts, which are kept, and say what the others take.")
    ] = False,
    audit: Annotated[bool, typer.Option("--audit", help="Only say how far people agree with the sample of drafts.")] = False,
    accept_above: Annotated[
        float | None, typer.Option(min=0, max=1, help="Write drafts from this score on as pairs, if their audit is passed.")
    ] = None,
    pairs: Annotated[Path | None, typer.Option(help="With --accept-above: the file of pairs.")] = None,
) -> None:
    """Let a model draft a project's labels, or questions about chunks, for people to correct. Stopped, it goes on."""
    if (accept_above is None) != (pairs is None) and not audit:
        raise UsageError("--accept-above SCORE and --pairs FILE go together: drafts are written to that file")
    drafts = session.doyen.model_drafts
    if audit:
        found = drafts.audit(project, above=accept_above or 0.0)
        session.emit(asdict(found), found.describe())
    elif accept_above is not None and pairs is not None:
        count, found = drafts.accept(project, accept_above, pairs)
        lines = [found.describe(), f"{count} pairs in {pairs}: drafts of a model, not labels"]
        session.emit(
            {"pairs": count, "audit": asdict(found)}, "\n".join([*lines, f"Next: doyen dataset build {pairs} --name NAME"])
        )
    elif estimate:
        expected = drafts.estimate(project, limit=limit, sources=source or ())
        session.emit(expected.to_json(), f"{expected.describe()}\nNext: the same command without --estimate")
    else:
        report = drafts.draft(project, limit=limit, sources=source or ())
        session.emit(asdict(report), "\n".join(describe(report)))


def describe(report: DraftReport) -> list[str]:
    """Return what a model drafted as lines for people."""
    from doyen.core.costs import describe_comparison

    dropped = ", ".join(f"{count} {why}" for why, count in report.dropped.items()) or "none"
    lines = [
        f"{report.asked} texts given to {report.version}; {report.drafts} tasks have a new draft. Dropped: {dropped}.",
        f"{report.spent.prompt_tokens:,} tokens read, {report.spent.completion_tokens:,} written.",
    ]
    lines += [describe_comparison(report.cost)] if report.cost else []
    lines += [f"Stopped: {report.stopped}. The same command goes on."] if report.stopped else []
    next_step = (
        f"doyen annotate push --project {report.project} --scores, then doyen label llm --project {report.project} --audit"
    )
    return [*lines, f"{report.audit} drafts wait first in the queue for people to judge.", f"Next: {next_step}"]
