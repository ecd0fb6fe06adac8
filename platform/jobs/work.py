"""What can be run as a job: one class for each kind, with its arguments, what it needs for itself, and the use case behind it.

Paths are those of the workspace's folder: who may start jobs over HTTP shall not read other files of the machine.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from doyen.core.errors import InputError
from doyen.core.workspace import Workspace
from doyen.finetune.forgetting.general_pairs import GENERAL
from doyen.platform.app import Doyen

if TYPE_CHECKING:
    from doyen.core.records import Question

Name = Annotated[str, Field(min_length=1, max_length=100)]
NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"


class Work(BaseModel):
    """Base of all kinds: unknown arguments are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def resource(self) -> str:
        """What the job needs for itself."""
        return "model"

    def run(self, doyen: Doyen) -> dict[str, Any]:
        """Do it; what was done before is not repeated. Return what came of it, as JSON can hold it."""
        raise NotImplementedError


class Ingest(Work):
    """Read documents and bring the index up to date.

    Attributes:
        paths: files and folders below the workspace's folder, and URLs.
        allow_removals: remove documents whose files are gone, however many.
    """

    kind: Literal["ingest"] = "ingest"
    paths: Annotated[list[Name], Field(min_length=1, max_length=100)]
    allow_removals: bool = False

    @property
    def resource(self) -> str:
        """The documents."""
        return "documents"

    def run(self, doyen: Doyen) -> dict[str, Any]:
        """See `Doyen.ingest`."""
        from doyen.ingestion.web.urls import is_url

        paths = [path if is_url(path) else confined(doyen.workspace, path) for path in self.paths]
        return asdict(doyen.ingest(paths, allow_removals=self.allow_removals))


class Push(Work):
    """Send tasks of an annotation project to where they are labelled."""

    kind: Literal["push"] = "push"
    project: Name

    @property
    def resource(self) -> str:
        """The project."""
        return f"annotation {self.project}"

    def run(self, doyen: Doyen) -> dict[str, Any]:
        """See `Annotation.push`."""
        return asdict(doyen.annotate.push(self.project))


class Pull(Work):
    """Bring in the labels of an annotation project."""

    kind: Literal["pull"] = "pull"
    project: Name

    @property
    def resource(self) -> str:
        """The project."""
        return f"annotation {self.project}"

    def run(self, doyen: Doyen) -> dict[str, Any]:
        """See `Annotation.pull`."""
        return asdict(doyen.annotate.pull(self.project))


class CreateProject(Work):
    """Make an annotation project, or bring it up to date, and its tasks.

    Attributes:
        type: the task type; None takes the description's, the project's own, or prompt-response.
        description: title, guideline, labels …; None takes the project's own, or the type's default.
        texts: a file of texts to label instead of chunks, below the workspace's folder.
        sources: only chunks of these documents.
        limit: at most so many new tasks.
        overlap: how many people label each gold item and each task of the share.
        share: share of the tasks that several people label.
    """

    kind: Literal["create-project"] = "create-project"
    project: Name
    type: Name | None = None
    description: dict[str, Any] | None = None
    texts: Name | None = None
    sources: Annotated[list[Name], Field(max_length=1000)] = []
    limit: Annotated[int, Field(ge=1)] | None = None
    overlap: Annotated[int, Field(ge=1)] | None = None
    share: Annotated[float, Field(ge=0, le=1)] | None = None

    @property
    def resource(self) -> str:
        """The project."""
        return f"annotation {self.project}"

    def run(self, doyen: Doyen) -> dict[str, Any]:
        """See `Annotation.create`."""
        from doyen.annotation.types.descriptions import parse_description

        described = parse_description(self.description, "the project's description") if self.description else None
        made, status = doyen.annotate.create(
            self.project,
            self.type,
            described,
            texts=confined(doyen.workspace, self.texts) if self.texts else None,
            limit=self.limit,
            sources=self.sources,
            overlap=self.overlap,
            share=self.share,
        )
        return {"project": self.project, "new_tasks": made, "tasks": sum(status.tasks.values())}


class Adjudicate(Work):
    """Send the disputed tasks of an annotation project to an expert's project.

    Attributes:
        threshold: agreement below which a task is disputed.
        share: at most this share of all tasks, the worst.
        expert: whose answers decide; None: anybody's.
        consensus: whether the aggregated answer decides what nobody disputes.
    """

    kind: Literal["adjudicate"] = "adjudicate"
    project: Name
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    share: Annotated[float, Field(ge=0, le=1)] | None = None
    expert: Name | None = None
    consensus: bool = False

    @property
    def resource(self) -> str:
        """The project."""
        return f"annotation {self.project}"

    def run(self, doyen: Doyen) -> dict[str, Any]:
        """See `Annotation.adjudicate`."""
        report, settled = doyen.annotate.adjudicate(
            self.project, threshold=self.threshold, share=self.share, expert=self.expert, consensus=self.consensus
        )
        return {**asdict(report), "settled": settled}


class BuildDataset(Work):
    """Build a dataset from the labels of an annotation project.

    Attributes:
        frozen: questions.jsonl that training must not see, below the workspace's folder.
        rules: settings of ``[dataset]`` in place of the workspace's, such as ``test_share``.
    """

    kind: Literal["build-dataset"] = "build-dataset"
    name: Name
    project: Name
    frozen: Name | None = None
    rules: dict[str, Any] = {}

    @property
    def resource(self) -> str:
        """The datasets."""
        return "datasets"

    def run(self, doyen: Doyen) -> dict[str, Any]:
        """See `Doyen.build_dataset`."""
        from doyen.core.records import Question, read_records

        frozen = read_records(confined(doyen.workspace, self.frozen), Question) if self.frozen else []
        recipe = doyen.datasets.recipe(self.rules)
        dataset, problems = doyen.build_dataset(self.name, project=self.project, frozen=frozen, recipe=recipe)
        return {"dataset": dataset.dataset_id, **dataset.manifest["counts"], "problems": problems}


class CheckDataset(Work):
    """Check a dataset's files and leaks again, also against questions that were registered since.

    Attributes:
        dataset: its id, or a name for its newest version.
    """

    kind: Literal["check-dataset"] = "check-dataset"
    dataset: Name

    @property
    def resource(self) -> str:
        """The datasets."""
        return "datasets"

    def run(self, doyen: Doyen) -> dict[str, Any]:
        """See `Datasets.check`."""
        report = doyen.datasets.check(self.dataset)
        return {"dataset": self.dataset, "leaks": [str(leak) for leak in report.leaks], "compared": report.compared}


class EstimateTraining(Work):
    """Say what a training would take, by a short trial.

    Attributes:
        dataset, of, name, options: as of `Train`.
    """

    kind: Literal["estimate-training"] = "estimate-training"
    dataset: Name
    of: Literal["generator", "reader", "embedder"] = "generator"
    name: Name | None = None
    options: dict[str, Any] = {}

    def run(self, doyen: Doyen) -> dict[str, Any]:
        """See `Doyen.estimate_training`, `estimate_reader` and `estimate_embedder`."""
        _require_no_options(self.of, self.options)
        match self.of:
            case "generator":
                estimate = doyen.estimate_training(self.dataset, self.name, options=_own_files(doyen.workspace, self.options))
            case "reader":
                estimate = doyen.estimate_reader(self.dataset, self.name)
            case "embedder":
                estimate = doyen.estimate_embedder(self.dataset, self.name)
        return {"estimate": estimate.describe(), **estimate.to_json()}


class Train(Work):
    """Train an adapter of the generator, a reader or the embedder on a dataset.

    Attributes:
        dataset: its id, or a name for its newest version.
        of: what is trained.
        name: of the adapter; None takes the dataset's.
        options: of the generator's training, settings of ``[finetune]`` in place of the workspace's, such as ``epochs``.
    """

    kind: Literal["train"] = "train"
    dataset: Name
    of: Literal["generator", "reader", "embedder"] = "generator"
    name: Name | None = None
    options: dict[str, Any] = {}

    def run(self, doyen: Doyen) -> dict[str, Any]:
        """See `Doyen.train`, `train_reader` and `train_embedder`."""
        _require_no_options(self.of, self.options)
        match self.of:
            case "generator":
                adapter = doyen.train(self.dataset, self.name, options=_own_files(doyen.workspace, self.options))
            case "reader":
                adapter = doyen.train_reader(self.dataset, self.name)
            case "embedder":
                adapter = doyen.train_embedder(self.dataset, self.name)
        return {"adapter": adapter.ref, "dataset": adapter.dataset_id}


class TrainHead(Work):
    """Train a head on the labels of an annotation project.

    Attributes:
        name: of the head; None takes the project's.
        soft: a soft_labels.jsonl to learn from, too, below the workspace's folder.
    """

    kind: Literal["train-head"] = "train-head"
    project: Name
    name: Name | None = None
    soft: Name | None = None

    def run(self, doyen: Doyen) -> dict[str, Any]:
        """See `Doyen.train_head`."""
        soft = confined(doyen.workspace, self.soft) if self.soft else None
        adapter = doyen.train_head(self.project, self.name, soft=soft)
        return {"adapter": adapter.ref, "test": adapter.manifest["test"]}


class _Questions(Work):
    """Base of what asks questions."""

    questions: Name
    report: Annotated[str, Field(pattern=NAME, max_length=100)]
    modes: list[Name] | None = None
    adapter: Name | None = None
    sample: Annotated[int, Field(ge=1)] | None = None
    without: Name | None = None

    def load(self, workspace: Workspace) -> list[Question]:
        """Return the questions that are asked."""
        from doyen.core.frozen_questions import question_sets
        from doyen.eval.questions import load_questions, without_tag

        registered = [each for each in question_sets(workspace) if self.questions in {each.path.stem, each.name}]
        path = registered[-1].path if registered else confined(workspace, self.questions)
        loaded = load_questions(path)
        return without_tag(loaded, self.without) if self.without else loaded

    @property
    def choices(self) -> dict[str, Any]:
        """What is asked of the questions, and in which modes."""
        return {"modes": self.modes, "adapter": self.adapter, "sample": self.sample}


class EstimateEvaluation(_Questions):
    """Say what an evaluation would take, by a few answers, from which it goes on; the arguments are those of `Evaluate`."""

    kind: Literal["estimate-evaluation"] = "estimate-evaluation"

    def run(self, doyen: Doyen) -> dict[str, Any]:
        """See `Doyen.estimate_evaluation`."""
        out = doyen.workspace.reports_folder / self.report
        estimate = doyen.estimate_evaluation(self.load(doyen.workspace), out, **self.choices)
        return {"estimate": estimate.describe(), **estimate.to_json()}


class Evaluate(_Questions):
    """Ask the same questions in several modes and compare them in a report.

    Attributes:
        questions: a registered set by its id or name, or questions.jsonl below the workspace's folder.
        report: name of the report.
        modes: None takes all that can answer.
        sample: how many questions are asked; None asks all.
        without: tag of questions that are left out.
    """

    kind: Literal["evaluate"] = "evaluate"

    def run(self, doyen: Doyen) -> dict[str, Any]:
        """See `Doyen.evaluate`."""
        out = doyen.workspace.reports_folder / self.report
        report = doyen.evaluate(self.load(doyen.workspace), out, **self.choices)
        return {"report": self.report, "questions": report.data["questions"]["n"], "modes": list(report.data["modes"])}


AnyWork = Annotated[
    Ingest
    | CreateProject
    | Push
    | Pull
    | Adjudicate
    | BuildDataset
    | CheckDataset
    | EstimateTraining
    | Train
    | TrainHead
    | EstimateEvaluation
    | Evaluate,
    Field(discriminator="kind"),
]
_ANY: TypeAdapter[AnyWork] = TypeAdapter(AnyWork)


def parse_work(kind: str, arguments: dict[str, Any]) -> AnyWork:
    """Return the work of a stored job.

    Raises:
        InputError: this version knows no such kind or arguments.
    """
    try:
        return _ANY.validate_python({**arguments, "kind": kind})
    except ValidationError as error:
        raise InputError(f"a job {kind!r} with these arguments cannot be run: {error.errors()[0]['msg']}") from error


def _require_no_options(of: str, options: dict[str, Any]) -> None:
    if options and of != "generator":
        raise InputError(f"options are those of the generator's training: a {of}'s are settings of [finetune] in doyen.toml")


def _own_files(workspace: Workspace, options: dict[str, Any]) -> dict[str, Any]:
    """Return options of a training of which a file to replay is one below the workspace's folder."""
    replay = options.get("replay")
    return {**options, "replay": str(confined(workspace, replay))} if replay and replay != GENERAL else options


def confined(workspace: Workspace, path: str) -> Path:
    """Return a path below the workspace's folder.

    Raises:
        InputError: it leads elsewhere, is the workspace's own state, or does not exist.
    """
    root = workspace.root.resolve()
    found = (root / path).resolve()
    if not found.is_relative_to(root) or found.is_relative_to(workspace.state.resolve()):
        raise InputError(f"{path!r} is outside the workspace's folder {root}: put the files there, or use the command line")
    if not found.exists():
        raise InputError(f"{path!r} does not exist below the workspace's folder {root}")
    return found
