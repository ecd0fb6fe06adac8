"""``doyen label llm``: a model drafts labels of all task types, and questions with answers about chunks, for people to correct.

    text ─▶ prompt ─▶ JSON (held to a schema, or checked and asked for again) ─▶ votes ─▶ draft with the share that agrees
                                                                                  └ questions also: the reader finds the answer
    drafts ─▶ an audit sample first in people's queue ─▶ precision with its interval ─▶ may the others be used?  (draft_audit)

A draft is a prediction and never a label. What was drafted is kept line by line, so that a stopped run goes on.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

from doyen.annotation import Draft, Excerpt, TaskType, draft_tasks, get_project, open_chunks, open_texts, redraft_tasks
from doyen.annotation.store import task_type_of
from doyen.annotation.types.descriptions import TypeName
from doyen.annotation.types.typed_labels import Label, PromptResponse
from doyen.core.costs import FILE as ESTIMATE
from doyen.core.costs import Estimate, Spent, compare, load_estimate, price, save_estimate
from doyen.core.errors import InputError, PromptTooLong
from doyen.core.files import write_json_atomic
from doyen.core.manifest import build_manifest, fingerprint
from doyen.core.memory import peak_memory_with_children_mb
from doyen.core.progress import Reporter, Silent
from doyen.core.settings import CostSettings, GeneratedSettings
from doyen.core.store import Store
from doyen.core.store.schema import ChunkRow
from doyen.core.workspace import Workspace
from doyen.core.writing_models import FormModel
from doyen.finetune.supervision.answer_forms import ask_for, read_form, read_json, schema_of
from doyen.finetune.supervision.draft_log import Drafted, DraftLog
from doyen.finetune.supervision.likeness import most_agreed
from doyen.finetune.supervision.question_drafts import SINGLE, TWO, UNANSWERABLE, QuestionWriter, SpanReader

PROMPT_VERSION = 1
"""Raised when a prompt, a form or a rule changes what a model drafts; part of the version that each prediction carries."""
PROBED = 4
"""Texts that are drafted to estimate the others."""
FOLDER, MANIFEST, LABEL = "generated", "manifest.json", "label"


@dataclass(frozen=True)
class DraftReport:
    """What a model drafted.

    Attributes:
        version: of the predictions: model and prompts.
        asked: texts for which the model was asked just now.
        drafts: tasks with a new draft; those from an earlier run that was stopped are among them.
        dropped: how many of the asked texts gave no draft, by reason.
        audit: drafts that wait for people's judgement, first in their queue.
        stopped: why the run ended before all texts were drafted; empty where it did not.
        cost: as `compare` gives it, where the run was estimated; ``spent`` says the same of any run.
    """

    project: str
    version: str
    asked: int
    drafts: int
    dropped: dict[str, int]
    audit: int
    stopped: str
    spent: Spent
    cost: dict[str, Any] | None = None


def project_folder(workspace: Workspace, project: str) -> Path:
    """Return where the drafts of a project, their estimate and their audit are kept."""
    return workspace.supervision_folder / project / FOLDER


def version_of(model: str) -> str:
    """Return the version that the predictions of a model carry."""
    return f"{model}/generated-{PROMPT_VERSION}"


def label_by_model(
    workspace: Workspace,
    store: Store,
    project: str,
    model: FormModel,
    reader: SpanReader | None = None,
    *,
    limit: int | None = None,
    sources: Sequence[str] = (),
    reporter: Reporter | None = None,
) -> DraftReport:
    """Draft the labels of a project's open tasks and of chunks without a task, and send a sample to people first.

    Of questions and answers only chunks without a task are drafted: another question would be another task.

    Args:
        reader: for the round trip of questions.
        limit: texts for which the model is asked, at most.
        sources: only chunks of these documents; all when empty.

    Raises:
        NotFoundError: there is no such project.
        InputError: there is a budget, but no price by which it could be spent.
        ServiceError, ModelMissing: the model fails; what was drafted is kept.
    """
    from doyen.finetune.supervision.draft_audit import send_audit

    drafter = open_drafter(workspace, store, project, model, reader, limit=limit)
    about_questions = drafter.task_type.name == TypeName.PROMPT_RESPONSE
    drafts = 0 if about_questions else redraft_tasks(store, project, drafter, reporter=reporter)
    drafts += draft_tasks(store, project, drafter=drafter, sources=sources, reporter=reporter)
    spent = drafter.spent()
    cost = _compared(project_folder(workspace, project), spent)
    waiting = send_audit(workspace, store, project, drafter.version)
    told = drafter.asked, drafts, dict(drafter.dropped), waiting, drafter.stopped, spent, cost
    report = DraftReport(project, drafter.version, *told)
    write_json_atomic(project_folder(workspace, project) / MANIFEST, _manifest(report, drafter))
    return report


def estimate_drafts(
    workspace: Workspace,
    store: Store,
    project: str,
    model: FormModel,
    reader: SpanReader | None = None,
    *,
    limit: int | None = None,
    sources: Sequence[str] = (),
    reporter: Reporter | None = None,
) -> Estimate:
    """Draft a few texts, which are kept, and return what the others take.

    Raises:
        InputError: nothing is left to draft; else as `label_by_model`.
    """
    drafter = open_drafter(workspace, store, project, model, reader, limit=None)
    pending = [each for each in _pending(store, project, drafter, sources) if not drafter.knows(each)]
    chosen = pending[:: max(1, len(pending) // PROBED)][:PROBED]
    left = min(len(pending) - len(chosen), limit if limit is not None else len(pending))
    if left <= 0:
        raise InputError(f"nothing is left to draft in project {project!r}: run the command without --estimate")
    drafter.warm_up()
    with (reporter or Silent()).bar("drafting a few", len(chosen)) as bar:
        for excerpt in chosen:
            drafter.draft(excerpt)
            bar.advance()
    expected = drafter.spent(left / len(chosen))
    trial = f"by {len(chosen)} texts, whose drafts are kept"
    estimate = Estimate(f"drafting in {project}", "texts", expected, trial, workspace.settings.costs.currency)
    save_estimate(project_folder(workspace, project), estimate)
    return estimate


def open_drafter(
    workspace: Workspace, store: Store, project: str, model: FormModel, reader: SpanReader | None, *, limit: int | None
) -> ModelLabels:
    """Return what drafts a project's labels, with what it drafted before."""
    task_type = task_type_of(get_project(store, project))
    log = DraftLog(project_folder(workspace, project))
    settings, costs = workspace.settings.supervision.generated, workspace.settings.costs
    if settings.budget and not price(costs, model.name, 1, 1, 1):
        raise InputError(
            f"supervision.generated.budget is {settings.budget:g}, but [costs] holds no price for {model.name}, so that it "
            "would never be reached: give its price, costs.machine_hour, or no budget"
        )
    return ModelLabels(task_type, model, reader, log, settings, costs, _second_passage(store), limit)


@dataclass
class ModelLabels:
    """Implements ``Drafter`` with a model that is held to a form, votes, and a log.

    Attributes:
        second: gives another passage of the same document with all of its text, or None.
        limit: texts for which the model is asked, at most.
        asked: those for which it was.
    """

    task_type: TaskType
    model: FormModel
    reader: SpanReader | None
    log: DraftLog
    settings: GeneratedSettings
    costs: CostSettings
    second: Callable[[Excerpt], tuple[str, str] | None]
    limit: int | None = None
    asked: int = 0
    stopped: str = ""
    dropped: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0

    @property
    def version(self) -> str:
        """Of its predictions."""
        return version_of(self.model.name)

    def knows(self, excerpt: Excerpt) -> bool:
        """Whether the text was drafted before."""
        return self._key(excerpt) in self.log.known

    def draft(self, excerpt: Excerpt) -> Draft | None:
        """Return the text's draft: one from the log, or a new one; None where nothing came of it, or the run is over."""
        if not excerpt.text.strip():
            return None
        known = self.log.known.get(self._key(excerpt))
        if known is None and not self._over():
            known = self._make(excerpt)
        label = self.label_of(known) if known else None
        return Draft(label, known.score) if known and label is not None else None

    def label_of(self, drafted: Drafted) -> Label | None:
        """Return a stored draft as a label."""
        return self.task_type.stored({"label": drafted.label, "problems": [], "reason": ""}).label

    def spent(self, times: float = 1.0) -> Spent:
        """Return what the new drafts took, or what so many times as many take."""
        read, written, seconds = self.prompt_tokens * times, self.completion_tokens * times, self.seconds * times
        return Spent(
            units=round(self.asked * times),
            seconds=round(seconds, 2),
            memory_mb=round(peak_memory_with_children_mb()),
            prompt_tokens=round(read),
            completion_tokens=round(written),
            money=round(price(self.costs, self.model.name, read, written, seconds), 4),
        )

    def warm_up(self) -> None:
        """Have the model loaded, and the reader, which an estimate is not to count."""
        self.model.fill("Say yes.", {"type": "object"}, max_tokens=1, temperature=0.0, seed=0)
        if self.reader is not None:
            self.reader.read("Is this so?", ["It is so."])

    def _over(self) -> bool:
        if self.limit is not None and self.asked >= self.limit:
            self.stopped = f"after {self.limit} texts, as was asked for"
        if self.settings.budget and self.spent().money >= self.settings.budget:
            self.stopped = f"supervision.generated.budget, {self.settings.budget:g} {self.costs.currency}, is spent"
        return bool(self.stopped)

    def _make(self, excerpt: Excerpt) -> Drafted:
        before, started = (self.prompt_tokens, self.completion_tokens), time.monotonic()
        label: Label | None = None
        kind, score, dropped = LABEL, 0.0, ""
        try:
            if self.task_type.name == TypeName.PROMPT_RESPONSE:
                written = self._writer().write(excerpt, self._kind(excerpt), self._questions())
                kind, label, score, dropped = written.kind, written.label, written.score, written.dropped
            else:
                label, score = self._vote(excerpt.text)
                dropped = "" if label is not None else "no answer in the form that was asked for"
        except PromptTooLong:
            dropped = "the text is too long for the model"
        taken = time.monotonic() - started
        self.asked += 1
        self.seconds += taken
        self.dropped.update([dropped] if dropped else [])
        drafted = Drafted(
            key=self._key(excerpt),
            version=self.version,
            text=fingerprint(excerpt.text),
            kind=kind,
            label=label.to_json() if label is not None else None,
            score=score,
            dropped=dropped,
            prompt_tokens=self.prompt_tokens - before[0],
            completion_tokens=self.completion_tokens - before[1],
            seconds=round(taken, 3),
        )
        self.log.add(drafted)
        return drafted

    def _vote(self, text: str) -> tuple[Label | None, float]:
        """Return the label on which most votes agree, and how far; one vote alone says nothing of its certainty."""
        votes = [label for number in range(self.settings.votes) if (label := self._label(text, number)) is not None]
        if not votes:
            return None, 0.0
        best, agreement = most_agreed(votes)
        return votes[best], 0.5 if self.settings.votes == 1 else round(agreement * len(votes) / self.settings.votes, 4)

    def _label(self, text: str, sample: int) -> Label | None:
        """Return a vote: the first answer without a mistake, else what is sound of the last."""
        prompt, form, label = ask_for(self.task_type, text), schema_of(self.task_type.description), None
        for attempt in range(1 + self.settings.retries):
            label, problems = read_form(self._ask(prompt, form, sample, attempt), self.task_type, text)
            if label is not None and not problems:
                break
        return label

    def _fill(self, prompt: str, form: dict[str, Any], sample: int) -> dict[str, Any] | None:
        for attempt in range(1 + self.settings.retries):
            values, _ = read_json(self._ask(prompt, form, sample, attempt))
            if values is not None and set(form["required"]) <= values.keys():
                return values
        return None

    def _ask(self, prompt: str, form: dict[str, Any], sample: int, attempt: int) -> str:
        plain = self.settings.votes == 1 and attempt == 0
        seed = (self.settings.seed + 1000 * sample + attempt) % 2**31
        temperature = 0.0 if plain else self.settings.temperature
        given = self.model.fill(prompt, form, max_tokens=self.settings.max_tokens, temperature=temperature, seed=seed)
        self.prompt_tokens += given.prompt_tokens
        self.completion_tokens += given.completion_tokens
        return given.text

    def _writer(self) -> QuestionWriter:
        return QuestionWriter(self._fill, self.settings.votes, self.reader, self.second, self.settings.seed)

    def _kind(self, excerpt: Excerpt) -> str:
        place = random.Random(f"{self.settings.seed}/{excerpt.chunk_id or excerpt.text}").random()
        if place < self.settings.unanswerable:
            return UNANSWERABLE
        return TWO if place < self.settings.unanswerable + self.settings.two_passages else SINGLE

    def _questions(self) -> list[str]:
        labels = (self.label_of(drafted) for drafted in self.log.known.values())
        return [label.prompt for label in labels if isinstance(label, PromptResponse)]

    def _key(self, excerpt: Excerpt) -> str:
        shaping = self.settings.model_dump(mode="json", include={"votes", "temperature", "retries", "max_tokens", "seed"})
        if self.task_type.name == TypeName.PROMPT_RESPONSE:
            shaping |= {"kind": self._kind(excerpt), "reader": self.reader is not None}
        return fingerprint([self.version, excerpt.text, self.task_type.description.model_dump(mode="json"), shaping])


def _pending(store: Store, project: str, drafter: ModelLabels, sources: Sequence[str]) -> list[Excerpt]:
    """Return the texts that a run would draft."""
    chunks = open_chunks(store, project, sources)
    if drafter.task_type.name == TypeName.PROMPT_RESPONSE:
        return chunks
    return [*(Excerpt(each.text) for each in open_texts(store, project)), *chunks]


def _second_passage(store: Store) -> Callable[[Excerpt], tuple[str, str] | None]:
    """Return a function that gives the chunk behind an excerpt, else the one before it, and the texts of all chunks."""

    def find(excerpt: Excerpt) -> tuple[str, str] | None:
        if not excerpt.document_id:
            return None
        query = select(ChunkRow).where(ChunkRow.document_id == excerpt.document_id).order_by(ChunkRow.ordinal)
        with store.session() as session:
            chunks = list(session.scalars(query))
        place = next((n for n, chunk in enumerate(chunks) if chunk.chunk_id == excerpt.chunk_id), None)
        if place is None or len(chunks) < 2:
            return None
        other = chunks[place + 1 if place + 1 < len(chunks) else place - 1]
        return other.text, "\n\n".join(chunk.text for chunk in chunks)

    return find


def _compared(folder: Path, spent: Spent) -> dict[str, Any] | None:
    """Compare what was spent with the estimate that waits, which is over with that."""
    estimate = load_estimate(folder)
    if estimate is None or not spent.units:
        return None
    (folder / ESTIMATE).unlink()
    return compare(estimate, spent)


def _manifest(report: DraftReport, drafter: ModelLabels) -> dict[str, Any]:
    shaping = drafter.settings.model_dump(mode="json", exclude={"url", "api_key", "budget", "audit", "min_precision"})
    inputs = {"project": report.project, "model": drafter.model.name, "prompts": PROMPT_VERSION}
    manifest = build_manifest("drafts", inputs=inputs, settings=shaping, seed=drafter.settings.seed)
    told = {"asked": report.asked, "drafts": report.drafts, "dropped": report.dropped, "cost": report.cost}
    return {**manifest, **told, "spent": replace(report.spent).__dict__}
