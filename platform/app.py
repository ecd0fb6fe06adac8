"""The use cases of a workspace, each one function of named steps: what the command line, the gateway and Python call.

from doyen import Doyen

with Doyen("my-domain") as doyen:
doyen.ingest(["manuals/"])
answer = doyen.ask("How often is the filter replaced?")
print(answer.answer, [citation.quote for citation in answer.citations])
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from doyen.core.access import OWNER, Access
from doyen.core.answers import Answer, Passage
from doyen.core.errors import InputError, MissingPart, SettingsError
from doyen.core.extras import methods_name_extras, naming_extras
from doyen.core.manifest import fingerprint
from doyen.core.modes import ADAPTER_MODES, BEST, MAX_PASSAGES, PASSAGE_MODES, Mode
from doyen.core.progress import Reporter, Silent
from doyen.core.report_files import register_report
from doyen.core.store import Store, open_store
from doyen.core.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    from llama_index.core.postprocessor.types import BaseNodePostprocessor

    from doyen.core.costs import Estimate
    from doyen.core.frozen_questions import QuestionSet
    from doyen.core.lineage import Trace
    from doyen.core.records import Pair, Question, Turn
    from doyen.core.settings import DatasetSettings
    from doyen.core.store.schema import FeedbackRow
    from doyen.eval.gate import Verdict
    from doyen.eval.regression import Change
    from doyen.eval.report import Report
    from doyen.eval.suites import ChoiceReport
    from doyen.finetune.dataset import Dataset
    from doyen.finetune.model_card import CardFacts
    from doyen.finetune.registry import Adapter, Registry
    from doyen.finetune.supervision.augment import AugmentReport
    from doyen.finetune.supervision.doubtful_labels import ErrorReport
    from doyen.finetune.supervision.rounds import Round
    from doyen.finetune.supervision.weak.weak_report import WeakReport
    from doyen.ingestion.ingest_report import IngestReport
    from doyen.ingestion.removal import RemovalReport
    from doyen.platform.adapters.adapter_collection import AdapterCollection
    from doyen.platform.adapters.adapter_export import AdapterExport
    from doyen.platform.annotate import Annotation
    from doyen.platform.backup.write_backup import BackupReport
    from doyen.platform.datasets import Datasets
    from doyen.platform.model_drafts import ModelDrafts
    from doyen.platform.serving.assistant import Assistant
    from doyen.platform.serving.cited_text import CitedStatement
    from doyen.platform.serving.explanation import Explanation
    from doyen.platform.serving.served_heads import ClassifiedText, MarkedText, ServedHeads
    from doyen.retrieval.chosen import AnyRetriever
    from doyen.retrieval.query_engine import AnswerEngine, PassageRetriever

# What a use case needs beyond this is imported inside it: `doyen --help` must not wait for PyTorch.


@dataclass(frozen=True)
class SearchResult:
    """Passages for a query, best first.

    Attributes:
        warning: why they were found by their words alone, or None.
    """

    query: str
    passages: list[Passage]
    warning: str | None = None


@methods_name_extras
class Doyen:
    """One workspace and what can be done with it. Parts are opened when they are first needed; ``close`` frees them.

    Every method raises `MissingPart` where it needs an extra of the package that is not installed.
    """

    def __init__(
        self,
        workspace: Workspace | Path | str | None = None,
        *,
        store: Store | None = None,
        reporter: Reporter | None = None,
        open_index: Callable[[], AnyRetriever] | None = None,
    ) -> None:
        """Open a workspace.

        Args:
            workspace: its folder; None takes the nearest folder with a doyen.toml.
            store: an opened database, which its owner closes; None opens the workspace's own.
            reporter: shows progress.
            open_index: gives a retriever that others use too; None opens one.

        Raises:
            WorkspaceMissing, SettingsError, StateError: there is none, or it cannot be opened.
        """
        if not isinstance(workspace, Workspace):
            workspace = find_workspace(Path(workspace) if workspace else None)
        self.workspace = workspace
        self.settings = self.workspace.settings
        self.reporter = reporter or Silent()
        self._own_store = store is None
        self.store = store or open_store(self.workspace)
        self._open_index = open_index

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the model's process and close the database."""
        if "assistant" in self.__dict__:
            self.assistant.close()
            del self.assistant
        if self._own_store:
            self.store.close()

    @cached_property
    def assistant(self) -> Assistant:
        """What answers; index and weights are loaded by the first question that needs them."""
        from doyen.platform.serving.assistant import open_assistant

        return open_assistant(self.workspace, self.store, open_index=lambda: self.retriever)

    @cached_property
    def retriever(self) -> AnyRetriever:
        """The index, which follows updates by other processes. Raises IndexMissing when nothing is indexed."""
        from doyen.retrieval.chosen import open_retriever

        return self._open_index() if self._open_index else open_retriever(self.workspace, self.store)

    @cached_property
    def adapters(self) -> Registry:
        """The registry of trained adapters: list, get, delete."""
        from doyen.finetune.registry import Registry

        return Registry(self.workspace, self.store)

    @cached_property
    def annotate(self) -> Annotation:
        """Labelling projects: tasks out, labels in, agreement, export."""
        from doyen.platform.annotate import Annotation

        return Annotation(self.workspace, self.store, self.reporter)

    @cached_property
    def datasets(self) -> Datasets:
        """Datasets that were built: get, check, diff, export, import."""
        from doyen.platform.datasets import Datasets

        return Datasets(self.workspace, self.store)

    @cached_property
    def model_drafts(self) -> ModelDrafts:
        """Labels and questions that a model drafts: estimate, draft, audit, accept."""
        from doyen.platform.model_drafts import ModelDrafts

        return ModelDrafts(self.workspace, self.store, self.reporter)

    @cached_property
    def heads(self) -> ServedHeads:
        """The trained heads, each loaded when it is first asked."""
        from doyen.platform.serving.served_heads import ServedHeads

        return ServedHeads(self.workspace, self.adapters)

    # Documents

    def ingest(self, paths: Sequence[Path | str], *, allow_removals: bool = False, restore: bool = False) -> IngestReport:
        """Read files, folders, web pages and sitemaps (by URL) and bring the index up to date; see `ingest_documents`."""
        from doyen.ingestion.web.urls import is_url
        from doyen.platform.documents import ingest_documents

        urls = [path for path in paths if isinstance(path, str) and is_url(path)]
        return ingest_documents(
            self.workspace,
            self.store,
            [Path(path) for path in paths if path not in urls],
            urls=urls,
            allow_removals=allow_removals,
            restore=restore,
            reporter=self.reporter,
        )

    def upload(self, source: str, data: bytes, *, groups: Collection[str] | None = None) -> IngestReport:
        """Add or replace one document given as bytes; see `upload_document`."""
        from doyen.platform.documents import upload_document

        return upload_document(self.workspace, self.store, source, data, groups=groups)

    def set_groups(self, document: str, groups: Collection[str] | None) -> frozenset[str]:
        """Say which groups may read a document, by source or id; see `set_document_groups`."""
        from doyen.platform.documents import set_document_groups

        return set_document_groups(self.workspace, self.store, document, groups)

    def remove(self, documents: Sequence[str], *, purge: bool = False) -> RemovalReport:
        """Remove documents by source or id; with ``purge`` erase all stored copies of their text; see `delete_documents`."""
        from doyen.platform.documents import delete_documents

        return delete_documents(self.workspace, self.store, documents, purge=purge, reporter=self.reporter)

    # Backup

    def backup(self, file: Path | str, *, index: bool = True, wait_s: float | None = None) -> BackupReport:
        """Write everything but secrets into one archive, while the workspace is in use; see `back_up`.

        `doyen.platform.backup.restore.restore_backup` makes a workspace of it again.
        """
        from doyen.platform.backup.write_backup import WAIT_S, back_up

        waits = WAIT_S if wait_s is None else wait_s
        return back_up(self.workspace, self.store, Path(file), index=index, wait_s=waits, reporter=self.reporter)

    # Questions

    def search(self, query: str, k: int | None = None, *, access: Access = OWNER) -> SearchResult:
        """Return the passages that a question would be answered from.

        Args:
            k: passages at most, 1 to MAX_PASSAGES; None takes retrieval.top_k.
            access: whose search it is; documents that they may not read are as if they did not exist.

        Raises:
            InputError: the query is empty or too long, or k is out of range.
            IndexMissing: nothing is indexed.
        """
        from doyen.platform.serving.plan import check_question

        checked = check_question(query, self.settings.serving.max_question_chars)
        wanted = self._passages(k)
        passages = self.retriever.retrieve(checked, wanted, access=access)
        return SearchResult(query, passages, self.retriever.problem)

    def cite(self, text: str, *, access: Access = OWNER) -> list[CitedStatement]:
        """Return the sentences of a text that somebody wrote, each with the quotes of the documents that carry it.

        Args:
            access: whose text it is; documents that they may not read are not quoted.

        Raises:
            InputError: the text is empty or too long.
            IndexMissing: nothing is indexed.
        """
        from doyen.platform.serving.cited_text import cite_text

        return cite_text(text, lambda sentence: self.search(sentence, access=access).passages)

    def ask(
        self,
        question: str,
        mode: str = BEST,
        *,
        history: Sequence[Turn] = (),
        adapter: str | None = None,
        max_tokens: int | None = None,
        record: bool = True,
        access: Access = OWNER,
    ) -> Answer:
        """Answer a question with its citations; see `Assistant.ask`."""
        return self.assistant.ask(
            question, mode, history=history, adapter=adapter, max_tokens=max_tokens, record=record, access=access
        )

    def _passages(self, k: int | None) -> int:
        if k is None:
            return self.settings.retrieval.top_k
        if not 1 <= k <= MAX_PASSAGES:
            raise InputError(f"{k} passages cannot be asked for: k is a number from 1 to {MAX_PASSAGES}")
        return k

    def classify(self, texts: Sequence[str], head: str | None = None) -> list[ClassifiedText]:
        """Return the classes of each text; see `ServedHeads.classify`.

        Args:
            head: "name" or "name:version"; None takes the only one.
        """
        return self.heads.classify(texts, head)[1]

    def extract_entities(self, texts: Sequence[str], head: str | None = None) -> list[MarkedText]:
        """Return the entities of each text, or its tokens with their tags; see `ServedHeads.extract`.

        Args:
            head: "name" or "name:version"; None takes the only one.
        """
        return self.heads.extract(texts, head)[1]

    # In llama-index

    def as_retriever(self, k: int | None = None, *, access: Access = OWNER) -> PassageRetriever:
        """Return the index as a retriever of llama-index.

        Args:
            k: passages at most, 1 to MAX_PASSAGES; None takes retrieval.top_k.

        Raises:
            InputError: k is out of range.
        """
        from doyen.retrieval.query_engine import PassageRetriever

        wanted = self._passages(k)
        return PassageRetriever(self.retriever, wanted, access)

    def as_query_engine(
        self,
        mode: str = Mode.RAG,
        *,
        k: int | None = None,
        rerankers: Sequence[BaseNodePostprocessor] = (),
        access: Access = OWNER,
    ) -> AnswerEngine:
        """Return a query engine of llama-index that answers as `ask` does, from the passages that the rerankers leave.

        Args:
            mode: one that uses passages.
            k: passages that are retrieved; None takes serving.context_passages.
            rerankers: llama-index's postprocessors, applied in order.
        """
        from doyen.retrieval.query_engine import AnswerEngine

        @naming_extras()
        def answer(question: str, passages: list[Passage]) -> Answer:
            return self.assistant.ask(question, mode, passages=passages, access=access)

        retriever = self.as_retriever(k or self.settings.serving.context_passages, access=access)
        return AnswerEngine(retriever, answer, rerankers)

    def explain(self, answer_id: str, *, access: Access = OWNER) -> Explanation:
        """Return what led to an answer that was given here; see `explain_answer`."""
        from doyen.platform.serving.explanation import explain_answer

        return explain_answer(self.store, answer_id, access)

    def give_feedback(
        self,
        answer_id: str,
        *,
        rating: int = 0,
        correction: str | None = None,
        comment: str | None = None,
        access: Access = OWNER,
    ) -> FeedbackRow:
        """Store what a person says about an answer; see `record_feedback`."""
        from doyen.platform.serving.answer_store import record_feedback

        return record_feedback(self.store, answer_id, rating=rating, correction=correction, comment=comment, access=access)

    # Labels to adapters

    def label_next(
        self,
        project: str,
        *,
        strategy: str | None = None,
        n: int | None = None,
        target: float | None = None,
        frozen: Sequence[Question] = (),
        push: bool = False,
    ) -> Round:
        """Choose the texts of a project to label next and have them served first; see `choose_next`.

        Args:
            push: send the order, and tasks that are not there yet, to where people label.
        """
        from doyen.finetune.supervision.active import choose_next
        from doyen.platform.serving.likelihood import answer_likelihood
        from doyen.retrieval.embedder import open_embedder

        made = choose_next(
            self.workspace,
            self.store,
            project,
            open_embedder(self.settings.retrieval),
            strategy=strategy,
            n=n,
            target=target,
            frozen=frozen,
            likelihood=lambda texts: answer_likelihood(self.assistant.engine, self.adapters, texts, self.reporter),
            trained=self.heads.learner(project, self.settings.supervision.active.learner),
            reporter=self.reporter,
        )
        if push:
            self.annotate.push(project, scores=True)
        return made

    def label_errors(
        self, project: str, *, share: float | None = None, review: bool = False, expert: str | None = None
    ) -> ErrorReport:
        """Find the labels of a project that are likely wrong; see `find_label_errors`.

        Args:
            share: share of the labels that is returned; None takes the settings'.
            review: send them back to people as review tasks.
            expert: with ``review``, whose answers decide.
        """
        from doyen.finetune.supervision.doubtful_labels import find_label_errors, send_suspects
        from doyen.retrieval.embedder import open_embedder

        if expert is not None and not review:
            raise InputError("an expert is named for review tasks only: give --review, too")
        found = find_label_errors(self.workspace, self.store, project, open_embedder(self.settings.retrieval), share=share)
        return send_suspects(self.workspace, self.store, found, expert=expert) if review else found

    def label_weakly(
        self,
        project: str,
        files: Sequence[Path],
        *,
        method: str | None = None,
        threshold: float | None = None,
        pairs: Path | None = None,
        only_table: bool = False,
    ) -> WeakReport:
        """Label a project's texts by labelling functions, as drafts and soft labels; see `label_weakly`."""
        from doyen.finetune.supervision.weak.label_weakly import label_weakly

        return label_weakly(
            self.workspace,
            self.store,
            project,
            files,
            method=method,
            threshold=threshold,
            pairs=pairs,
            only_table=only_table,
            reporter=self.reporter,
        )

    def build_dataset(
        self,
        name: str,
        *,
        pairs: Sequence[Pair] | None = None,
        project: str | None = None,
        frozen: Sequence[Question] = (),
        recipe: DatasetSettings | None = None,
        replay: Sequence[Pair] = (),
        origin: Mapping[str, Any] | None = None,
        missing: Sequence[Mapping[str, Any]] = (),
    ) -> tuple[Dataset, list[str]]:
        """Return a leak-free dataset, and one sentence for each label that could not be used as it is.

        Args:
            pairs: labelled pairs; or
            project: the annotation project whose labels are taken.
            frozen: evaluation questions that training must not see, beside those that are registered.
            recipe: filters, split and rules; None takes those of the settings (`Datasets.recipe` changes some).
            replay: general pairs to mix into training.
            origin: where the pairs come from, for the lineage.
            missing: values that were missing when the pairs were read, for the report.

        Raises:
            InputError: neither or both of pairs and project are given, no pair is usable, or pairs of two parts leak.
        """
        from doyen.annotation import Labels, read_labels
        from doyen.finetune.dataset import build_dataset

        if (pairs is None) == (project is None):
            raise InputError("name either a pairs.jsonl or an annotation project with --project")
        labels = read_labels(self.store, str(project)) if pairs is None else Labels(list(pairs))
        made = build_dataset(
            self.workspace,
            self.store,
            labels.pairs,
            name=name,
            frozen=frozen,
            recipe=recipe,
            replay=replay,
            origin=origin or ({"project": project} if project else None),
            missing=missing,
        )
        return made, labels.problems

    def augment(
        self,
        dataset: str,
        kinds: Sequence[str],
        *,
        name: str | None = None,
        times: int = 1,
        parts: Sequence[str] = ("train",),
        project: str | None = None,
        frozen: Sequence[Question] = (),
    ) -> tuple[Dataset, AugmentReport]:
        """Build a dataset that holds another one and variants of its pairs; see `augment_dataset`.

        Kinds that need a model ask the workspace's engine; without one they are skipped, and the report says why.

        Args:
            dataset: its id, or a name for its newest version.
        """
        from doyen.finetune.dataset import find_dataset
        from doyen.finetune.supervision.augment import MODEL_KINDS, augment_dataset
        from doyen.platform.serving.engine_writer import EngineWriter
        from doyen.platform.serving.engines import open_engine

        found = find_dataset(self.workspace, self.store, dataset)
        engine, why = None, ""
        if any(kind in MODEL_KINDS for kind in kinds):
            try:
                engine = open_engine(self.workspace)
            except (MissingPart, SettingsError) as error:
                why = str(error)
        with closing(engine) if engine else nullcontext():
            return augment_dataset(
                self.workspace,
                self.store,
                found,
                kinds,
                name=name,
                times=times,
                parts=parts,
                project=project,
                model=EngineWriter(engine) if engine else None,
                no_model=why,
                frozen=frozen,
                reporter=self.reporter,
            )

    def train(
        self,
        dataset: str,
        adapter: str | None = None,
        *,
        variants: float | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Adapter:
        """Train an adapter on a dataset, or go on with a training that was stopped; see `train_adapter`.

        Args:
            dataset: its id, or a name for its newest version.
            adapter: name of the adapter; None takes the dataset's.
            variants: in place of ``finetune.variant_share``.
            options: settings of ``finetune`` in place of the workspace's.
        """
        from doyen.finetune.dataset import find_dataset
        from doyen.finetune.train import train_adapter

        found = find_dataset(self.workspace, self.store, dataset)
        shared = self._training(found, adapter, variants, options)
        return train_adapter(self.workspace, self.store, found, self.retriever, **shared)

    def estimate_training(
        self,
        dataset: str,
        adapter: str | None = None,
        *,
        variants: float | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Estimate:
        """Return what `train` would take, by a short trial; the examples made for it are kept for the training.

        Raises:
            InputError: it was trained already.
        """
        from doyen.finetune.dataset import find_dataset
        from doyen.finetune.train import estimate_adapter

        found = find_dataset(self.workspace, self.store, dataset)
        shared = self._training(found, adapter, variants, options)
        return estimate_adapter(self.workspace, self.store, found, self.retriever, **shared)

    def _training(
        self, dataset: Dataset, adapter: str | None, variants: float | None, options: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        from doyen.finetune.training_options import changed_settings

        weight = {} if variants is None else {"variant_share": variants}
        settings = changed_settings(self.settings.finetune, {**(options or {}), **weight})
        return {"name": adapter or dataset.name, "reporter": self.reporter, "settings": settings}

    def train_reader(self, dataset: str, name: str | None = None, *, replay: Path | str | None = None) -> Adapter:
        """Train a reader on a dataset, or go on with a training that was stopped; see `doyen.finetune.train_reader`.

        Args:
            dataset: its id, or a name for its newest version.
            name: of the reader; None takes the dataset's with "-reader" behind it.
            replay: general questions on paragraphs, mixed in so that less is forgotten.
        """
        from doyen.finetune.dataset import find_dataset
        from doyen.finetune.train_reader import train_reader

        found = find_dataset(self.workspace, self.store, dataset)
        shared = self._reader_training(found, name, replay)
        return train_reader(self.workspace, self.store, found, self.retriever, **shared)

    def estimate_reader(self, dataset: str, name: str | None = None, *, replay: Path | str | None = None) -> Estimate:
        """Return what `train_reader` would take, by a short trial.

        Raises:
            InputError: it was trained already.
        """
        from doyen.finetune.dataset import find_dataset
        from doyen.finetune.train_reader import estimate_reader

        found = find_dataset(self.workspace, self.store, dataset)
        shared = self._reader_training(found, name, replay)
        return estimate_reader(self.workspace, self.store, found, self.retriever, **shared)

    def _reader_training(self, dataset: Dataset, name: str | None, replay: Path | str | None) -> dict[str, Any]:
        general = Path(replay) if replay else None
        return {"name": name or f"{dataset.name}-reader", "replay": general, "reporter": self.reporter}

    def train_embedder(self, dataset: str, name: str | None = None) -> Adapter:
        """Train the embedder on a dataset, or go on with a training that was stopped; see `doyen.finetune.train_embedder`.

        Args:
            dataset: its id, or a name for its newest version.
            name: of the embedder; None takes the dataset's with "-embedder" behind it.
        """
        from doyen.finetune.dataset import find_dataset
        from doyen.finetune.train_embedder import train_embedder

        found = find_dataset(self.workspace, self.store, dataset)
        chosen = name or f"{found.name}-embedder"
        return train_embedder(self.workspace, self.store, found, self.retriever, name=chosen, reporter=self.reporter)

    def estimate_embedder(self, dataset: str, name: str | None = None) -> Estimate:
        """Return what `train_embedder` would take, by a short trial.

        Raises:
            InputError: it was trained already.
        """
        from doyen.finetune.dataset import find_dataset
        from doyen.finetune.train_embedder import estimate_embedder

        found = find_dataset(self.workspace, self.store, dataset)
        chosen = name or f"{found.name}-embedder"
        return estimate_embedder(self.workspace, self.store, found, self.retriever, name=chosen, reporter=self.reporter)

    def train_head(self, project: str, name: str | None = None, *, soft: Path | str | None = None) -> Adapter:
        """Train a head on a project's classes, entities or tags; see `doyen.finetune.heads.train_head`.

        Args:
            project: the annotation project.
            name: of the head; None takes the project's.
            soft: a soft_labels.jsonl of `label_weakly` to learn from, too.
        """
        from doyen.finetune.heads.train_head import train_head
        from doyen.platform.serving.head_promotion import measure_with

        return train_head(
            self.workspace,
            self.store,
            project,
            name=name or project,
            measure=measure_with(self.settings.eval),
            soft=Path(soft) if soft else None,
            reporter=self.reporter,
        )

    def train_general_reading(self, paragraphs: Path | str, name: str | None = None) -> Adapter:
        """Train the adapter that teaches the base model to answer from passages; see `doyen.finetune.train_general_reading`.

        Args:
            paragraphs: questions on paragraphs, in SQuAD's form or one JSON object a line.
            name: of the adapter; None takes "general-reading".
        """
        from doyen.finetune.reading_adapter import NAME
        from doyen.finetune.train_general_reading import train_general_reading

        chosen = name or NAME
        return train_general_reading(self.workspace, self.store, Path(paragraphs), name=chosen, reporter=self.reporter)

    def estimate_general_reading(self, paragraphs: Path | str, name: str | None = None) -> Estimate:
        """Return what `train_general_reading` would take, by a short trial.

        Raises:
            InputError: it was trained already.
        """
        from doyen.finetune.reading_adapter import NAME
        from doyen.finetune.train_general_reading import estimate_general_reading

        chosen = name or NAME
        return estimate_general_reading(self.workspace, self.store, Path(paragraphs), name=chosen, reporter=self.reporter)

    def trace(self, wanted: str, *, kind: str | None = None, shown: int = 20) -> Trace:
        """Return what anything came from and what came of it; see `doyen.platform.trace.trace`."""
        from doyen.platform.trace import trace

        return trace(self.workspace, self.store, wanted, kind=kind, shown=shown)

    # Evaluation and promotion

    def evaluate(
        self,
        questions: Sequence[Question],
        out: Path | str,
        *,
        modes: Sequence[str] | None = None,
        adapter: str | None = None,
        sample: int | None = None,
    ) -> Report:
        """Ask the same questions in every mode and compare; see `run_evaluation`. Stopped and started again, it goes on.

        The report is registered in the workspace, where the chat, the gateway and "best" look for it.

        Args:
            out: folder of the report.
            modes: None takes all that can answer now.
            adapter: "name" or "name:version"; None takes the promoted, else the newest.
            sample: how many questions to ask, a fixed choice; None asks all.
        """
        from doyen.eval.run import run_evaluation
        from doyen.finetune.adapter_lineage import unseen_questions
        from doyen.platform.serving.reading import find_reader

        with self._evaluation(questions, modes, adapter) as (assistant, frozen, chosen, shared):
            has_passages = self._has_index() or any(mode in PASSAGE_MODES for mode in shared["modes"])
            report = run_evaluation(
                assistant,
                self.retriever if has_passages else None,
                frozen,
                out=Path(out),
                adapter_fingerprint=chosen.manifest["fingerprint"] if chosen else None,
                reader=find_reader(assistant.registry, self.settings.serving.reader),
                sample=sample,
                excluded=unseen_questions(self.workspace, assistant.registry, chosen) if chosen else None,
                **shared,
            )
        register_report(self.workspace.reports_folder, Path(out))
        return report

    def estimate_evaluation(
        self,
        questions: Sequence[Question],
        out: Path | str,
        *,
        modes: Sequence[str] | None = None,
        adapter: str | None = None,
        sample: int | None = None,
    ) -> Estimate:
        """Return what `evaluate` would take, by a few answers and judgements, which it will go on from.

        Raises:
            InputError: nothing is left to ask and to judge.
        """
        from doyen.eval.estimate import estimate_evaluation

        with self._evaluation(questions, modes, adapter) as (assistant, frozen, _, shared):
            return estimate_evaluation(assistant, frozen, out=Path(out), sample=sample, **shared)

    @contextmanager
    def _evaluation(
        self, questions: Sequence[Question], modes: Sequence[str] | None, adapter: str | None
    ) -> Iterator[tuple[Assistant, list[Question], Adapter | None, dict[str, Any]]]:
        """Open what an evaluation asks; give it with the questions, the adapter, and the arguments that its steps share."""
        from doyen.eval.questions import resolve_duplicates
        from doyen.platform.serving.assistant import open_assistant
        from doyen.retrieval.embedder import open_embedder

        frozen = resolve_duplicates(questions, self.store)
        with closing(
            open_assistant(self.workspace, self.store, open_index=lambda: self.retriever, keeps_found=True)
        ) as assistant:
            modes = modes or assistant.modes()
            chosen = _adapter_of_all(assistant, modes, adapter)
            shared = {
                "modes": modes,
                "settings": self.settings,
                "manifest_inputs": self._inputs(assistant, modes, chosen, has_index=self._has_index()),
                "reporter": self.reporter,
                "adapter": chosen.ref if chosen else None,
                "embed": open_embedder(self.settings.retrieval).encode,
            }
            yield assistant, frozen, chosen, shared

    def run_suite(self, path: Path | str, out: Path | str, *, adapter: str | None = None) -> ChoiceReport | Report:
        """Run a suite of a domain (examples/suites) by a generator, a head, or on documents; see `run_suite`.

        Args:
            path: the suite's TOML file.
            out: folder of the report.
            adapter: "name" or "name:version" of a head or of an adapter of the generator.
        """
        from doyen.platform.suite_run import run_suite

        return run_suite(self, Path(path), Path(out), adapter)

    def register_questions(self, questions: Sequence[Question], name: str) -> QuestionSet:
        """Freeze evaluation questions: no dataset that is built from now on holds one; see `register_questions`."""
        from doyen.core.frozen_questions import register_questions

        return register_questions(self.workspace, questions, name)

    def gate(self, report: Path | str) -> list[Verdict]:
        """Return what each rule for promotion says of a report about its own adapter."""
        from doyen.eval.report import load_report
        from doyen.platform.serving.promotion import judge_own

        return judge_own(self.workspace, self.store, load_report(Path(report)))

    def compare_runs(self, report: Path | str, against: Path | str) -> list[Change]:
        """Return how the watched metrics changed since an earlier report on the same questions; see `compare_runs`."""
        from doyen.eval.regression import compare_runs
        from doyen.eval.report import load_report

        return compare_runs(load_report(Path(report)), load_report(Path(against)), self.settings.eval)

    def promote(self, adapter: str, *, report: Path | None, by: str, override: str | None = None) -> Adapter:
        """Promote an adapter by a report whose gate is open, or against it with a reason; see `promote_adapter`."""
        from doyen.platform.serving.promotion import promote_adapter

        return promote_adapter(
            self.workspace, self.store, adapter, report=report, by=by, override=override, reporter=self.reporter
        )

    def probe_adapter(self, reference: str) -> Adapter:
        """Probe what an adapter has forgotten, and keep it in its manifest; see `doyen.finetune.forgetting.probe_adapter`."""
        from doyen.finetune.forgetting.probe_adapter import probe_adapter

        return probe_adapter(self.workspace, self.store, reference, self.reporter)

    def stage(self, adapter: str, *, by: str) -> Adapter:
        """Put an adapter version into staging, where ``name:staging`` names it; see `Registry.stage`."""
        return self.adapters.stage(adapter, {"by": by})

    def adapter_card(self, adapter: str) -> tuple[Adapter, CardFacts]:
        """Return an adapter with what the workspace knows of it, for `card_text` and `card_json`. Raises NotFoundError."""
        from doyen.platform.adapters.adapter_card import card_facts

        found = self.adapters.get(adapter)
        return found, card_facts(self.workspace, self.store, found)

    def collect_adapters(self, *, remove: bool = False) -> AdapterCollection:
        """Find adapters that nothing rests on, and with ``remove`` delete their files; see `collect_adapters`."""
        from doyen.platform.adapters.adapter_collection import collect_adapters

        return collect_adapters(self.workspace, self.store, remove=remove)

    def export_adapter(self, adapter: str, form: str, out: Path | str) -> AdapterExport:
        """Write an adapter in a form that other tools read, checked by a probe; see `export_adapter`."""
        from doyen.platform.adapters.adapter_export import export_adapter

        return export_adapter(self.workspace, self.store, adapter, form, Path(out))

    def import_adapter(self, folder: Path | str, name: str, *, other_base_name: bool = False) -> Adapter:
        """Register a PEFT adapter that was trained elsewhere; see `import_adapter`."""
        from doyen.platform.adapters.adapter_import import import_adapter

        return import_adapter(self.workspace, self.store, Path(folder), name=name, other_base_name=other_base_name)

    def rollback(self, name: str) -> Adapter:
        """Go back to the version of an adapter that was promoted before; see `roll_back_adapter`."""
        from doyen.platform.serving.promotion import roll_back_adapter

        return roll_back_adapter(self.workspace, self.store, name, self.reporter)

    def _has_index(self) -> bool:
        """Whether the workspace has an index, whole or damaged; modes without passages need none."""
        from doyen.retrieval.index_manifest import manifest_path

        return manifest_path(self.workspace.index_folder).exists()

    def _inputs(
        self, assistant: Assistant, modes: Sequence[str], adapter: Adapter | None, *, has_index: bool
    ) -> dict[str, str]:
        """Return the hashes of what answers rest on."""
        from doyen.platform.serving.plan import reading_adapter
        from doyen.platform.serving.reading import reader_identity
        from doyen.retrieval.index_manifest import read_manifest

        inputs = {"base_model": assistant.engine.base_sha256 or assistant.engine.model}
        if assistant.profile.version:
            inputs["profile"] = assistant.profile.version
        wanted = self.settings.serving.reader_adapter
        if Mode.RAG_READING in modes and (reading := reading_adapter(assistant.registry, assistant.engine, wanted)):
            inputs["reading_adapter"] = fingerprint([reading.ref, reading.manifest["fingerprint"]])
        if has_index:
            index = read_manifest(self.workspace.index_folder)
            inputs["index"] = fingerprint([index.content, index.embedder.sha256])
        if has_index and (reader := reader_identity(assistant.registry, self.settings.serving)):
            inputs["reader"] = reader
        if adapter:
            inputs["adapter"] = fingerprint([adapter.ref, adapter.manifest["fingerprint"]])
        return inputs


def _adapter_of_all(assistant: Assistant, modes: Sequence[str], wanted: str | None) -> Adapter | None:
    """Return the adapter that all modes with one will use, so that a promotion in between cannot mix two."""
    from doyen.platform.serving.plan import check_mode, choose_adapter

    checked = [check_mode(mode) for mode in modes]
    first = next((mode for mode in checked if mode in ADAPTER_MODES), None)
    return choose_adapter(assistant.registry, assistant.engine, first, wanted) if first else None
