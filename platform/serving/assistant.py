"""The assistant: a question in, an answer with its evidence out, in one of the modes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from doyen.core.access import OWNER, Access
from doyen.core.answers import Answer, Citation, Extract, Passage, Retriever, Timings, Usage
from doyen.core.assistant_profile import AssistantProfile, load_profile
from doyen.core.errors import PromptTooLong, StateError
from doyen.core.modes import ADAPTER_MODES, BEST, CHOOSING_MODES, MODES, PASSAGE_MODES, Mode
from doyen.core.prompts import build_messages
from doyen.core.records import REFUSAL, Turn
from doyen.core.settings import Settings
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.finetune.registry import GENERATOR, Adapter, Registry
from doyen.platform.serving.answer_store import record_answer
from doyen.platform.serving.best import Best, as_told, find_best
from doyen.platform.serving.doubts import doubted
from doyen.platform.serving.engines import AdapterFiles, Engine, Generation, GenerationRequest, open_engine
from doyen.platform.serving.number_guard import NumberGuard, judge_numbers
from doyen.platform.serving.other_versions import SET_ASIDE, differing, set_aside, to_look_up
from doyen.platform.serving.plan import Plan, check_mode, check_question, choose_adapter, fits, reading_adapter
from doyen.platform.serving.reading import (
    NONE,
    OpenReader,
    extract_of,
    may_stand,
    nearby,
    reader_opener,
    shown_passages,
)
from doyen.platform.serving.refusals import RefusalBuffer
from doyen.platform.serving.sampling import DEFAULT_SAMPLING, Sampling
from doyen.platform.serving.small_talk import small_talk
from doyen.platform.serving.verifier import Judgement, Verifier
from doyen.retrieval.citations import Statement
from doyen.retrieval.query import standalone_query
from doyen.retrieval.reading.findings import Findings


@dataclass(frozen=True)
class Generated:
    """What is said in answer to a plan.

    Attributes:
        first_token_s: seconds from the question to the first text that could be shown.
        refused: whether the text is the refusal.
    """

    result: Generation
    first_token_s: float
    refused: bool


@dataclass(frozen=True)
class Found:
    """What a query finds: the same in all modes with passages.

    Attributes:
        passages: as the retriever ranks them, of one version of each document.
        aside: those of other versions; None where nothing was looked up.
        findings: what the reader says of them; None where nothing is read.
        refused: whether they are too unlikely to answer.
        retrieve_s: seconds that retrieving them took.
        seconds: that retrieving and reading them took.
    """

    passages: list[Passage]
    aside: list[Passage] | None = None
    findings: Findings | None = None
    refused: bool = False
    retrieve_s: float = 0.0
    seconds: float = 0.0


class Assistant:
    """Answers questions. Safe to use from several threads."""

    def __init__(
        self,
        retriever: Retriever,
        engine: Engine,
        registry: Registry,
        store: Store,
        settings: Settings,
        *,
        verifier: Verifier | None = None,
        open_reader: OpenReader = lambda: None,
        state: Path | None = None,
        keeps_found: bool = False,
        profile: AssistantProfile | None = None,
    ) -> None:
        """Put the parts together; the assistant owns the engine from now on.

        Args:
            verifier: judges answers; None takes the number guard.
            open_reader: gives what reads the passages before an answer, or None where nothing does.
            state: the workspace's state folder, where the reports lie that "best" goes by; None goes without one.
            keeps_found: whether passages are found and read once for each query, for an evaluation, which asks the same in
                several modes. An index that is updated meanwhile is not looked at again.
            profile: what is said of the assistant in every prompt; None says nothing.
        """
        self.engine = engine
        self.registry = registry
        self._retriever = retriever
        self.store = store
        self._settings = settings.serving
        self._verifier = verifier or NumberGuard()
        self.open_reader = open_reader
        self._state = state
        self._keeps_found = keeps_found
        self.profile = profile or AssistantProfile()
        self._kept: dict[tuple[str, Access], Found] = {}

    def ask(
        self,
        question: str,
        mode: str,
        *,
        history: Sequence[Turn] = (),
        adapter: str | None = None,
        max_tokens: int | None = None,
        passages: Sequence[Passage] | None = None,
        record: bool = True,
        access: Access = OWNER,
        sampling: Sampling = DEFAULT_SAMPLING,
        instructions: str = "",
    ) -> Answer:
        """Answer a question.

        Args:
            question: as the person worded it.
            mode: one of `doyen.core.modes.MODES`, or "best" (see ``best``).
            history: earlier turns, oldest first.
            adapter: "name" or "name:version"; None takes the promoted adapter, else the newest, and for "best" the one
                that the report measured.
            max_tokens: longest answer; None takes it from the settings.
            passages: shown to the model in modes with passages; None retrieves them.
            record: whether to store the answer, so that feedback can point to it; one that is not stored does not depend
                on what was asked before.
            access: what the caller may read; nothing else is retrieved, read, cited or named.
            sampling: how the answer is drawn; by default as the settings say.
            instructions: follow those of the profile in the system prompt.

        Raises:
            InputError: the question is empty or too long.
            NotFoundError: there is no such mode or adapter.
            IndexMissing: the mode needs passages and nothing is indexed.
            IncompatibleError: the adapter belongs to another base model.
            ServiceError: the model server failed.
            StateError: mode "extract" needs a reader and the settings want none.
        """
        pieces = self.stream(
            question,
            mode,
            history=history,
            adapter=adapter,
            max_tokens=max_tokens,
            passages=passages,
            record=record,
            access=access,
            sampling=sampling,
            instructions=instructions,
        )
        return next(piece for piece in pieces if isinstance(piece, Answer))

    def stream(
        self,
        question: str,
        mode: str,
        *,
        history: Sequence[Turn] = (),
        adapter: str | None = None,
        max_tokens: int | None = None,
        passages: Sequence[Passage] | None = None,
        record: bool = True,
        access: Access = OWNER,
        sampling: Sampling = DEFAULT_SAMPLING,
        instructions: str = "",
    ) -> Iterator[str | Extract | Answer]:
        """Yield the answer's text as it comes, and at the end the `Answer`, which holds the whole.

        Where passages are read and an answer is then generated, the best `Extract` comes first. Arguments and errors are
        those of ``ask``; errors come with the first piece. Closing the iterator stops the generation.
        """
        plan = self._plan(question, mode, history, adapter, max_tokens, record=record, access=access)
        plan = self._look_up(replace(plan, sampling=sampling, instructions=instructions), passages)
        extract = self._extract(plan)
        if extract and plan.mode != Mode.EXTRACT:
            plan = replace(plan, extract_s=time.monotonic() - plan.started)
            yield replace(extract, mark=self._judge_extract(plan, extract).sentences[0].mark)
        plan, generated = yield from self._generate(plan, extract)
        plan, generated, judgement = yield from self._settle(plan, generated, extract)
        answer = self._build(plan, generated, judgement)
        if record:
            record_answer(self.store, answer, history, caller=access.name)
        yield answer

    def best(self, access: Access = OWNER) -> Best:
        """Return the mode that the newest report which can tell measured best; else extract, or rag without a reader.

        A caller who may not read every document is not told why.
        """
        reports = self._state / "reports" if self._state else Path()
        reads = self._settings.reader != NONE

        def usable(adapter: Adapter) -> bool:
            return access.adapters and fits(self.engine, adapter)

        return as_told(find_best(reports, self.registry, usable, reads=reads), access)

    def modes(self) -> list[Mode]:
        """Return the modes that can answer now: with what is trained, and with what the settings allow."""
        lacking = set() if self._settings.reader != NONE else {Mode.EXTRACT}
        if not self.registry.list(kind=GENERATOR):
            lacking |= ADAPTER_MODES
        if reading_adapter(self.registry, self.engine, self._settings.reader_adapter) is None:
            lacking.add(Mode.RAG_READING)
        return [mode for mode in MODES if mode not in lacking]

    @property
    def model(self) -> str:
        """The base model's name."""
        return self.engine.model

    def close(self) -> None:
        """End the engine and its processes."""
        self.engine.close()

    def _plan(
        self,
        question: str,
        mode: str,
        history: Sequence[Turn],
        adapter: str | None,
        max_tokens: int | None,
        *,
        record: bool,
        access: Access,
    ) -> Plan:
        """Check the request and settle how it is answered."""
        started = time.monotonic()
        best = self.best(access) if mode == BEST else None
        if best:
            # Who names an adapter wants it used; its own best mode is the one with passages.
            mode, adapter = (Mode.HYBRID, adapter) if adapter else (best.mode, best.adapter)
        checked = check_mode(mode)
        question = check_question(question, self._settings.max_question_chars)
        return Plan(
            question=question,
            mode=checked,
            history=history,
            access=access,
            adapter=choose_adapter(self.registry, self.engine, checked, adapter, self._settings.reader_adapter, access),
            max_tokens=max_tokens or self._settings.max_tokens,
            asked=standalone_query(question, [turn for turn in history if turn.role == "user"]),
            query=standalone_query(question, history) if checked in PASSAGE_MODES else question,
            started=started,
            reply=small_talk(question),
            mode_reason=best.reason if best else None,
            # What is not recorded is measured: it must not depend on what was asked before.
            reuse_prompt=record,
        )

    def _look_up(self, plan: Plan, given: Sequence[Passage] | None) -> Plan:
        """Return the plan with the passages that are shown and what they say; given ones are all shown, in their order."""
        if plan.mode not in PASSAGE_MODES or plan.reply is not None:
            return plan
        if given is not None:
            found, shown = self._read(plan.query, list(given)), list(given)
        else:
            kept = self._kept.get((plan.query, plan.access))
            found = kept or self._find(plan.query, plan.access)
            shown = self._shown(found, plan.mode)
            if kept:  # the answer is as late as if it had been looked up for it
                plan = replace(plan, started=plan.started - kept.seconds)
        return replace(
            plan,
            passages=shown,
            aside=found.aside,
            retrieve_s=found.retrieve_s,
            findings=found.findings,
            refused=found.refused,
        )

    def _find(self, query: str, access: Access) -> Found:
        """Return the passages for a query, read."""
        started = time.monotonic()
        count = self._settings.context_passages
        wanted = max(count, self._settings.read_passages) if self._reads() else count
        passages, aside = set_aside(self._retriever.retrieve(query, wanted + SET_ASIDE, access=access))
        retrieve_s = time.monotonic() - started
        found = self._read(query, passages[:wanted])
        found = replace(found, aside=aside, retrieve_s=retrieve_s, seconds=time.monotonic() - started)
        if self._keeps_found:
            self._kept[query, access] = found
        return found

    def _reads(self) -> bool:
        return self.open_reader() is not None

    def _read(self, query: str, passages: list[Passage]) -> Found:
        """Return passages with what they say."""
        reader = self.open_reader() if passages else None
        if reader is None:
            return Found(passages)
        findings = reader.find(query, passages)
        refused = findings.probability is not None and findings.probability < reader.threshold(self._settings.risk)
        return Found(passages, findings=findings, refused=refused)

    def _shown(self, found: Found, mode: Mode) -> list[Passage]:
        if found.findings is None:
            return found.passages
        return shown_passages(found.findings, self._settings.context_passages, span_first=mode == Mode.EXTRACT)

    def _extract(self, plan: Plan) -> Extract | None:
        """Return the best extract of the passages that are shown, None where the question is refused."""
        if plan.mode == Mode.EXTRACT and plan.passages and plan.findings is None:
            raise StateError('mode "extract" needs a reader, and serving.reader = "none" wants none: set it to "general"')
        return extract_of(plan.findings, plan.passages) if plan.findings and not plan.refused else None

    def _generate(self, plan: Plan, extract: Extract | None) -> Generator[str, None, tuple[Plan, Generated]]:
        """Yield the text as it comes; return it with the plan whose passages the model saw.

        An answer that the extract may replace is not shown before that is settled.
        """
        if plan.reply is not None:
            return plan, (yield from _say(plan, plan.reply))
        if plan.mode in PASSAGE_MODES and (plan.refused or not plan.passages):
            return plan, (yield from _say(plan, REFUSAL, refused=True))
        if plan.mode == Mode.EXTRACT:
            return plan, (yield from _say(plan, extract.text if extract else REFUSAL, refused=extract is None))
        while True:
            try:
                spoken = self._speak(plan)
                return plan, (yield from (_silently(spoken) if extract and _may_be_replaced(plan) else spoken))
            except PromptTooLong:
                # As in training: passages are dropped from the end until the prompt fits.
                if len(plan.passages) <= 1:
                    raise
                plan = replace(plan, passages=plan.passages[:-1])

    def _settle(
        self, plan: Plan, generated: Generated, extract: Extract | None
    ) -> Generator[str, None, tuple[Plan, Generated, Judgement]]:
        """Judge the answer; yield and return the extract in its place where the passages carry that better."""
        judgement = self._verify(plan, generated, extract)
        if extract is None or plan.findings is None or not _may_be_replaced(plan):
            return plan, generated, judgement
        text = "" if generated.refused else generated.result.text
        chosen = extract_of(plan.findings, plan.passages, text)
        if chosen and (generated.refused or not may_stand(plan.asked, text, judgement, chosen)):
            result = replace(generated.result, text=chosen.text, finish_reason="stop")
            generated = replace(generated, result=result, refused=False)
            judgement = self._judge_extract(plan, chosen)
        yield generated.result.text
        return plan, generated, judgement

    def _speak(self, plan: Plan) -> Generator[str, None, Generated]:
        """Yield what the model says, as far as it is sure not to be a refusal."""
        first_token_s: float | None = None
        buffer = RefusalBuffer(plan.asked)
        with closing(self.engine.stream(self._request(plan))) as pieces:
            for piece in pieces:
                shown = buffer.finish() if isinstance(piece, Generation) else buffer.push(piece)
                if shown:
                    first_token_s = first_token_s or time.monotonic() - plan.started
                    yield shown
                if isinstance(piece, Generation):
                    return Generated(replace(piece, text=buffer.text.strip()), first_token_s or 0.0, buffer.refused)
        raise AssertionError("an engine's stream must end with a Generation")

    def _request(self, plan: Plan) -> GenerationRequest:
        adapter = plan.adapter
        return GenerationRequest(
            build_messages(
                plan.question,
                plan.passages,
                plan.history,
                short=plan.mode == Mode.RAG_SHORT,
                instructions=self.profile.system_text(plan.instructions),
                glossary=self.profile.explained(plan.question),
            ),
            AdapterFiles(adapter.ref, adapter.folder, adapter.base_sha256) if adapter else None,
            max_tokens=plan.max_tokens,
            temperature=self._settings.temperature if plan.sampling.temperature is None else plan.sampling.temperature,
            seed=plan.sampling.seed,
            stop=plan.sampling.stop,
            json_schema=plan.sampling.json_schema,
            reuse_prompt=plan.reuse_prompt,
        )

    def _verify(self, plan: Plan, generated: Generated, extract: Extract | None) -> Judgement:
        """Judge what claims something: neither a refusal nor small talk does."""
        if plan.reply is not None:
            return Judgement("not_checked", [])
        if generated.refused:
            return Judgement("not_checked", self._nearby(plan))
        if extract and plan.mode == Mode.EXTRACT:
            return self._judge_extract(plan, extract)
        text = generated.result.text
        return self._doubted(plan, text, self._verifier.judge(plan.asked, plan.passages, text))

    def _judge_extract(self, plan: Plan, extract: Extract) -> Judgement:
        whole = Statement(0, len(extract.text), {extract.citation: 1.0})
        judgement = judge_numbers(plan.asked, plan.passages, extract.text, [whole])
        judgement = replace(judgement, citations=judgement.citations or [extract.citation])
        return self._doubted(plan, extract.text, judgement)

    def _doubted(self, plan: Plan, text: str, judgement: Judgement) -> Judgement:
        return doubted(judgement, text, plan.findings.spans if plan.findings else [], self._settings.sure)

    def _nearby(self, plan: Plan) -> list[Citation]:
        """Return what the documents do say nearby, for a refusal."""
        return nearby(plan.findings, plan.passages) if plan.findings else []

    def _other_versions(self, plan: Plan, citations: Sequence[Citation]) -> list[Passage]:
        """Return passages of other versions of the cited documents, looked up where none was found beside the question."""
        if plan.aside is None:
            return []
        quotes, count = to_look_up(citations, plan.aside), self._settings.context_passages + SET_ASIDE
        found = [each for quote in quotes for each in self._retriever.retrieve(quote, count, access=plan.access)]
        return [*plan.aside, *found]

    def _build(self, plan: Plan, generated: Generated, judgement: Judgement) -> Answer:
        result, others = generated.result, self._other_versions(plan, judgement.citations)
        spent = plan.retrieve_s, plan.extract_s or generated.first_token_s, time.monotonic() - plan.started
        return Answer(
            question=plan.question,
            answer=result.text,
            mode=plan.mode,
            model=self.engine.model,
            adapter=plan.adapter.ref if plan.adapter else None,
            abstained=generated.refused,
            citations=judgement.citations,
            sentences=judgement.sentences,
            passages=plan.passages,
            usage=Usage(result.prompt_tokens, result.completion_tokens),
            timings=Timings(*(round(seconds, 4) for seconds in spent)),
            finish_reason=result.finish_reason,
            answer_id=uuid4().hex,
            support=judgement.support,
            mode_reason=plan.mode_reason,
            probability=plan.findings.probability if plan.findings else None,
            query=plan.query if plan.mode in PASSAGE_MODES and plan.reply is None else "",
            other_versions=differing(judgement.citations, others),
            profile=self.profile.version,
        )


def _may_be_replaced(plan: Plan) -> bool:
    """Whether the extract may take an answer's place."""
    return plan.mode in CHOOSING_MODES and plan.sampling.json_schema is None


def _say(plan: Plan, text: str, *, refused: bool = False) -> Generator[str, None, Generated]:
    """Yield and return a text that no model had to generate."""
    yield text
    return Generated(Generation(text, "stop", 0, 0), time.monotonic() - plan.started, refused)


def _silently(pieces: Generator[str, None, Generated]) -> Generator[str, None, Generated]:
    """Yield an empty text for each piece, so that closing the iterator stops the generation, and return what it returns."""
    with closing(pieces):
        while True:
            try:
                next(pieces)
            except StopIteration as end:
                made: Generated = end.value
                return made
            yield ""


class LazyRetriever:
    """Opens the index with the first question that needs it, so that the other modes work without one."""

    def __init__(self, open_it: Callable[[], Retriever]) -> None:
        self._open = open_it
        self._opened: Retriever | None = None
        self._lock = threading.Lock()

    def retrieve(self, query: str, k: int, *, exclude_documents: Sequence[str] = (), access: Access = OWNER) -> list[Passage]:
        """See `Retriever.retrieve`; also raises IndexMissing. A failed opening is tried again by the next call."""
        with self._lock:
            self._opened = self._opened or self._open()
        return self._opened.retrieve(query, k, exclude_documents=exclude_documents, access=access)


def open_assistant(
    workspace: Workspace, store: Store, *, open_index: Callable[[], Retriever] | None = None, keeps_found: bool = False
) -> Assistant:
    """Return the workspace's assistant. Index and weights are loaded by the first question that needs them.

    Args:
        open_index: opens the retriever, for callers that share one; default: a retriever of its own.
        keeps_found: as in `Assistant`.

    Raises:
        ModelMissing: the base model is not on this machine.
        SettingsError: the engine's settings are incomplete.
    """

    def open_own() -> Retriever:
        from doyen.retrieval.chosen import open_retriever

        return open_retriever(workspace, store)

    registry = Registry(workspace, store)
    retriever = LazyRetriever(open_index or open_own)
    return Assistant(
        retriever,
        open_engine(workspace),
        registry,
        store,
        workspace.settings,
        open_reader=reader_opener(registry, workspace.settings, workspace.index_folder),
        state=workspace.state,
        keeps_found=keeps_found,
        profile=load_profile(workspace.root),
    )
