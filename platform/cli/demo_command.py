"""``doyen demo``: the whole loop on the example domain, from documents to a report that compares the modes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from doyen.core.errors import InputError
from doyen.core.files import write_bytes_atomic
from doyen.core.modes import Mode
from doyen.platform.cli.ask_command import format_answer
from doyen.platform.cli.session import DebugOption, JsonOption, WorkspaceOption, open_session

if TYPE_CHECKING:
    from doyen.core.answers import Answer
    from doyen.core.records import Pair, Question
    from doyen.eval.report import Report
    from doyen.finetune.dataset import Dataset
    from doyen.finetune.registry import Adapter
    from doyen.platform.app import Doyen

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PROJECT = "demo"
SAMPLE = 40
UNANSWERABLE = 8
"""Of the sample; refusals of two or three questions would tell nothing."""
SHOWN = 3
DEVELOPMENT = "development"
"""Tag of the questions that prompts and settings were tried on: their figures would flatter."""
DRAFTED_TASKS = 40
"""Tasks with drafts that the demo makes for a person to try; the labels come from the example's pairs."""


class Example(NamedTuple):
    """An example domain's files: the documents, the labelled pairs and the held-out questions."""

    documents: Path
    pairs: Path
    questions: Path


def demo(
    example: Annotated[Path, typer.Option(help="Folder with documents/, pairs.jsonl, questions.jsonl, doyen.toml.")] = EXAMPLES
    / "quillane",
    full: Annotated[bool, typer.Option("--full", help="Evaluate all questions instead of a fixed sample of 40.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Run the whole loop on the example domain. Stopped and started again it goes on; what is done is reused."""
    from doyen.core.records import Pair, Question, read_records

    started = time.monotonic()
    chosen = find_example(example)
    root = make_workspace(chosen, workspace or Path("demo"))
    with open_session(root, as_json=as_json, debug=debug) as session:
        doyen = session.doyen
        pairs, questions = read_records(chosen.pairs, Pair), read_records(chosen.questions, Question)
        ingest_step(doyen, chosen)
        first_answer_step(doyen, questions)
        annotation_step(doyen, pairs)
        dataset = dataset_step(doyen, questions)
        reader_step(doyen, dataset)
        adapter = train_step(doyen, dataset)
        report, answers = evaluation_step(doyen, adapter, questions, full=full)
        doyen.reporter.say(f"\nThe demo took {time.monotonic() - started:.0f} s.\n")
        session.emit(summary(doyen, adapter, report, answers), closing_text(doyen, report, answers))


def find_example(folder: Path) -> Example:
    """Return the example of a folder.

    Raises:
        InputError: a part of it is missing.
    """
    example = Example(*(folder.resolve() / name for name in ("documents", "pairs.jsonl", "questions.jsonl")))
    for part in example:
        if not part.exists():
            raise InputError(f"{part} does not exist: name an example with --example, or run this in a clone of the project")
    return example


def make_workspace(example: Example, folder: Path) -> Path:
    """Make the demo's workspace with the example's settings, or keep the one that is there."""
    from doyen.core.settings import FILE_NAME

    root = folder.resolve()
    if not (root / FILE_NAME).exists():
        settings = example.documents.with_name(FILE_NAME)
        root.mkdir(parents=True, exist_ok=True)
        write_bytes_atomic(root / FILE_NAME, settings.read_bytes() if settings.exists() else b'name = "demo"\n')
    return root


def ingest_step(doyen: Doyen, example: Example) -> None:
    """Documents in: parsed, cut into chunks, indexed."""
    from doyen.platform.cli.ingest_command import describe

    with step(doyen, "1/7 Ingesting the documents"):
        report = doyen.ingest([example.documents])
        doyen.reporter.say(describe(report))


def first_answer_step(doyen: Doyen, questions: list[Question]) -> None:
    """One question answered before anything is trained, word for word from the documents."""
    with step(doyen, "2/7 A first answer"):
        question = next(each for each in questions if each.answerable and not each.history)
        answer = doyen.ask(question.question, Mode.EXTRACT, record=False)
        doyen.reporter.say(f"Q: {question.question}\nA: {format_answer(answer)}")
        doyen.reporter.say(f"Ask more while this goes on: doyen serve --workspace {doyen.workspace.root}")


def annotation_step(doyen: Doyen, pairs: list[Pair]) -> None:
    """Tasks for annotators out, and the labels that the example's two annotators made in."""
    with step(doyen, "3/7 Annotation tasks and labels"):
        annotate = doyen.annotate
        known = any(project.name == PROJECT and project.tasks for project in annotate.projects())
        annotate.create(PROJECT, limit=0 if known else DRAFTED_TASKS)
        annotate.import_pairs(PROJECT, pairs)
        annotate.push(PROJECT)
        annotate.pull(PROJECT)
        status, _ = annotate.status(PROJECT)
        labels = ", ".join(f"{name} {count}" for name, count in sorted(status.annotators.items()))
        doyen.reporter.say(f"{sum(status.tasks.values())} tasks in {status.location}; labels: {labels}")


def dataset_step(doyen: Doyen, questions: list[Question]) -> Dataset:
    """Labels become a dataset whose parts share no document and which holds no frozen question."""
    from doyen.platform.cli.dataset_command import describe

    with step(doyen, "4/7 Dataset"):
        dataset, _ = doyen.build_dataset(PROJECT, project=PROJECT, frozen=questions)
        doyen.reporter.say(describe(dataset))
        return dataset


def reader_step(doyen: Doyen, dataset: Dataset) -> Adapter:
    """The dataset teaches the reader the domain."""
    with step(doyen, "5/7 Reader"):
        reader = doyen.train_reader(dataset.dataset_id)
        doyen.reporter.say(f"{reader.ref}: token F1 of the span on validation pairs {reader.manifest['validation']['span_f1']}")
        return reader


def train_step(doyen: Doyen, dataset: Dataset) -> Adapter:
    """The dataset becomes an adapter."""
    with step(doyen, "6/7 Adapter"):
        return doyen.train(dataset.dataset_id)


def evaluation_step(
    doyen: Doyen, adapter: Adapter, questions: list[Question], *, full: bool
) -> tuple[Report, list[ShownAnswer]]:
    """The same held-out questions in all modes, and three answers to show."""
    from doyen.eval.questions import sample, without_tag

    seed = doyen.workspace.settings.eval.seed
    asked = questions if full else sample(without_tag(questions, DEVELOPMENT), SAMPLE, seed, unanswerable=UNANSWERABLE)
    with step(doyen, "7/7 Evaluation"):
        out = doyen.workspace.reports_folder / ("demo-full" if full else "demo")
        report = doyen.evaluate(asked, out, adapter=adapter.ref)
        return report, choose_shown(asked, report)


@dataclass(frozen=True)
class ShownAnswer:
    """An answer that the demo prints, with what it should be.

    Attributes:
        right: by its key facts, or its words where the reference has none.
    """

    answer: Answer
    question: Question
    right: bool

    def to_json(self) -> dict[str, object]:
        """Return the answer as `doyen ask` gives it, with references and verdict."""
        return {**self.answer.public_json(), "references": list(self.question.answers), "right": self.right}

    def to_text(self) -> str:
        """Return question, references, verdict and answer with its citations."""
        said = f"{format_answer(self.answer)}\nReference: {' / '.join(self.question.answers)}"
        return f"Q: {self.question.question}\nA: {said} ({'right' if self.right else 'WRONG'})"


def choose_shown(questions: Sequence[Question], report: Report) -> list[ShownAnswer]:
    """Return what hybrid answered to three answerable questions of the sample, one wrong answer among them if there was any."""
    from doyen.core.answers import Answer
    from doyen.eval.answer_log import read_answers
    from doyen.eval.metrics import is_right
    from doyen.eval.run import ANSWERS

    given = {record.id: record for record in read_answers(report.folder / ANSWERS).values() if record.mode == Mode.HYBRID}
    asked = [question for question in questions if question.answerable and not question.history and question.id in given]
    judged = [
        ShownAnswer(Answer.from_json(given[question.id].to_json()), question, is_right(question, given[question.id]))
        for question in asked
    ]
    right = [item for item in judged if item.right]
    wrong = [item for item in judged if not item.right]
    wrong = wrong[: max(1, SHOWN - len(right))]
    wanted = SHOWN - len(wrong)
    return [*right[:: max(1, len(right) // max(1, wanted))][:wanted], *wrong]


@contextmanager
def step(doyen: Doyen, title: str) -> Iterator[None]:
    """Announce a step and say how long it took."""
    doyen.reporter.say(f"\n==> {title}")
    started = time.monotonic()
    yield
    doyen.reporter.say(f"    done in {time.monotonic() - started:.0f} s")


def summary(doyen: Doyen, adapter: Adapter, report: Report, answers: list[ShownAnswer]) -> dict[str, object]:
    """Return the demo's result for machines."""
    return {
        "workspace": str(doyen.workspace.root),
        "adapter": adapter.ref,
        "report": str(report.folder / "report.html"),
        "modes": report.data["modes"],
        "comparisons": report.data["comparisons"],
        "answers": [answer.to_json() for answer in answers],
    }


def closing_text(doyen: Doyen, report: Report, answers: list[ShownAnswer]) -> str:
    """Return what the demo shows at its end: table, three answers, and what to do next."""
    from doyen.eval.report import comparison_table

    root = doyen.workspace.root
    return "\n\n".join(
        [
            comparison_table(report),
            *(answer.to_text() for answer in answers),
            f"Report: {report.folder / 'report.html'}",
            f"Open the chat: doyen serve --workspace {root}   (`doyen` is in .venv/bin)",
        ]
    )
