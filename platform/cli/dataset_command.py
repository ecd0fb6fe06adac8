"""``doyen dataset …``: labelled pairs become leak-free datasets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doyen.platform.cli.session import CliSession, with_session

if TYPE_CHECKING:
    from doyen.finetune.dataset import Dataset

app = typer.Typer(help="Datasets: labelled pairs, cleaned and split without leaks.", no_args_is_help=True)


@app.command()
@with_session
def build(
    session: CliSession,
    name: Annotated[str, typer.Option("--name", help="Name of the dataset.")],
    pairs: Annotated[Path | None, typer.Argument(help="A pairs.jsonl; or use --project.")] = None,
    project: Annotated[str | None, typer.Option(help="Take the labels of this annotation project.")] = None,
    frozen: Annotated[
        Path | None, typer.Option(help="Evaluation questions that training must not see (questions.jsonl).")
    ] = None,
) -> None:
    """Build a dataset; the same labels give the same dataset."""
    from doyen.core.records import Pair, Question, read_records

    questions = read_records(frozen, Question) if frozen else []
    given = read_records(pairs, Pair) if pairs else None
    made, problems = session.doyen.build_dataset(name, pairs=given, project=project, frozen=questions)
    text = "\n".join([describe(made), *problems, f"Next: doyen train {made.dataset_id}"])
    session.emit({"dataset": made.dataset_id, **made.manifest["counts"], "problems": problems}, text)


@app.command("list")
@with_session
def list_(session: CliSession) -> None:
    """List the datasets, newest first."""
    from doyen.finetune.dataset import dataset_rows

    rows = dataset_rows(session.doyen.store)
    lines = [f"{row.dataset_id}  {row.created_at}  {row.manifest['counts']['train']} training pairs" for row in rows]
    shown = [{"dataset": row.dataset_id, "created_at": row.created_at, **row.manifest["counts"]} for row in rows]
    session.emit(shown, "\n".join(lines) or "No datasets yet.")


def describe(dataset: Dataset) -> str:
    """Return one line on what a dataset holds."""
    counts = dataset.manifest["counts"]
    dropped = ", ".join(f"{number} {step}" for step, number in counts["dropped"].items()) or "none"
    return (
        f"Dataset {dataset.dataset_id}: {counts['train']} pairs to train on, {counts['validation']} for validation, "
        f"{counts['disagreements']} disagreements between annotators; dropped: {dropped}"
    )
