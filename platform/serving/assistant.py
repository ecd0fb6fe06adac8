"""The assistant: a question in, an answer with its evidence out, in one of the modes."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from doyen.core.errors import MissingPart, PromptTooLong
from doyen.core.modes import BEST, PASSAGE_MODES, SHORT_MODES
from doyen.core.prompts import build_messages
from doyen.core.records import REFUSAL, Turn
from doyen.core.refusals import is_refusal
from doyen.core.settings import Settings
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.finetune.registry import Adapter, Registry
from doyen.platform.serving.answer import Answer, Timings, Usage, new_answer_id, record_answer
from doyen.platform.serving.best import Best, find_best
from doyen.platform.serving.certainty import certainty
from doyen.platform.serving.engines import AdapterFiles, Engine, Generation, GenerationRequest, complete, open_engine
from doyen.platform.serving.lazy_retriever import LazyRetriever
from doyen.platform.serving.number_guard import Judgement, judge_numbers
from doyen.platform.serving.plan import Plan, check_mode, check_question, choose_adapter, fits
from doyen.platform.serving.refusal import AbstentionModel, load_abstention
from doyen.platform.serving.signals import Observation, after_features, before_features
from doyen.platform.serving.small_talk import small_talk
from doyen.platform.serving.speech import Speech
from doyen.retrieval.citations import cite
from doyen.retrieval.passage import Retriever
from doyen.retrieval.query import standalone_query

__all__ = ["Answer", "Assistant", "Observation", "open_assistant"]


REFUSAL_OPENING = " ".join(REFUSAL.split()[:2])
"""Scored before generating: hardly any answer begins so, and two tokens cost a third of the whole refusal's time."""


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
        state: Path | None = None,
    ) -> None:
        """Put the parts together; the assistant owns the engine from now on.

        Args:
            state: the workspace's state folder, where the abstention model of mode rag lies; None goes without one.
        """
        self.engine = engine
        self.registry = registry
        self._retriever = retriever
        self.store = store
        self._settings = settings.serving
        self._state = state

    def ask(
        self,
        question: str,
        mode: str,
        *,
        history: Sequence[Turn] = (),
        adapter: str | None = None,
        max_tokens: int | None = None,
        record: bool = True,
    ) -> Answer:
        """Answer a question.

        Args:
            question: as the person worded it.
            mode: one of `doyen.core.modes.MODES`, or "best" (see ``best``).
            history: earlier turns, oldest first.
            adapter: "name" or "name:version"; None takes the promoted adapter, else the newest, and for "best" the one
                that the report measured.
            max_tokens: longest answer; None takes it from the settings.
            record: whether to store the answer, so that feedback can point to it; one that is not stored does not depend
                on what was asked before.

        Raises:
            InputError: the question is empty or too long.
            NotFoundError: there is no such mode or adapter.
            IndexMissing: the mode needs passages and nothing is indexed.
            IncompatibleError: the adapter belongs to another base model.
            ServiceError: the model server failed.
        """
        pieces = self.stream(question, mode, history=history, adapter=adapter, max_tokens=max_tokens, record=record)
        return next(piece for piece in pieces if isinstance(piece, Answer))

    def stream(
        self,
        question: str,
        mode: str,
        *,
        history: Sequence[Turn] = (),
        adapter: str | None = None,
        max_tokens: int | None = None,
        record: bool = True,
    ) -> Iterator[str | Answer]:
        """Yield the answer's text as it comes, and at the end the `Answer`, which holds the whole.

        Arguments and errors are those of ``ask``; errors come with the first piece. Closing the iterator stops the
        generation. Where the abstention model is in doubt the text comes in one piece, after it was judged.
        """
        # What is not recorded is measured: it must not depend on what was asked before.
        plan = replace(self._plan(question, mode, history, adapter, max_tokens), reuse_prompt=record)
        while True:
            try:
                answer = yield from self._answer(plan)
                break
            except PromptTooLong:
                # As in training: passages are dropped from the end until the prompt fits.
                if len(plan.passages) <= 1:
                    raise
                plan = replace(plan, passages=plan.passages[:-1])
        if record:
            record_answer(self.store, answer, history)
        yield answer

    def observe(
        self,
        question: str,
        mode: str,
        *,
        history: Sequence[Turn] = (),
        adapter: str | None = None,
        exclude_documents: Sequence[str] = (),
    ) -> Observation | None:
        """Generate without judging, for fitting the abstention model; None when nothing was retrieved.

        Args:
            exclude_documents: ids of documents to pretend away.

        Raises:
            as ``ask``.
        """
        plan = self._plan(question, mode, history, adapter, None, exclude_documents)
        if not plan.passages:
            return None
        request = self._request(plan, want_logprobs=True)
        before = before_features(plan.query, plan.passages, self._refusal_logprob(request))
        result = complete(self.engine, request)
        after = after_features(before, plan.question, result.text, result.logprobs, plan.passages)
        return Observation(plan.passages, result.text, is_refusal(result.text), before, after)

    def certainty(self, answer: Answer) -> float:
        """Return from 0 to 1 how far an answer can be trusted, by the mode's fitted rule where there is one."""
        path = self.abstention_path(answer.mode, answer.adapter) if answer.mode in PASSAGE_MODES else None
        return certainty(answer, load_abstention(path, self.model) if path else None)

    def best(self) -> Best:
        """Return the mode that the newest report measured best, of those that can be served now; else rag."""
        reports = self._state / "reports" if self._state else Path()
        return find_best(reports, self.registry, lambda adapter: fits(self.engine, adapter))

    @property
    def model(self) -> str:
        """The base model's name."""
        return self.engine.model

    def abstention_path(self, mode: str, adapter: str | None = None) -> Path | None:
        """Return where the abstention model of a mode lies: with the adapter, or in the workspace for rag.

        Raises:
            NotFoundError: there is no such mode or adapter.
        """
        return self._abstention_path(mode, choose_adapter(self.registry, self.engine, check_mode(mode), adapter))

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
        exclude_documents: Sequence[str] = (),
    ) -> Plan:
        """Check the request and retrieve."""
        started = time.monotonic()
        best = self.best() if mode == BEST else None
        if best:
            # Who names an adapter wants it used; its own best mode is the one with passages.
            mode, adapter = ("hybrid", adapter) if adapter else (best.mode, best.adapter)
        checked = check_mode(mode)
        question = check_question(question, self._settings.max_question_chars)
        chosen = choose_adapter(self.registry, self.engine, checked, adapter)
        query, passages = question, []
        reply = small_talk(question)
        retrieval_started = time.monotonic()
        if checked in PASSAGE_MODES and reply is None:
            query = standalone_query(question, history)
            k = self._settings.context_passages
            passages = self._retriever.retrieve(query, k, exclude_documents=exclude_documents)
        retrieve_s = time.monotonic() - retrieval_started
        tokens = max_tokens or self._settings.max_tokens
        return Plan(
            question,
            checked,
            history,
            chosen,
            tokens,
            query,
            passages,
            started,
            retrieve_s,
            reply,
            best.reason if best else None,
        )

    def _request(self, plan: Plan, *, want_logprobs: bool = False) -> GenerationRequest:
        adapter = plan.adapter
        return GenerationRequest(
            build_messages(plan.question, plan.passages, plan.history, short=plan.mode in SHORT_MODES),
            AdapterFiles(adapter.ref, adapter.folder, adapter.base_sha256) if adapter else None,
            max_tokens=plan.max_tokens,
            temperature=self._settings.temperature,
            want_logprobs=want_logprobs,
            reuse_prompt=plan.reuse_prompt,
        )

    def _answer(self, plan: Plan) -> Generator[str, None, Answer]:
        """Yield the text of an answer and return the Answer."""
        if plan.reply is not None:
            yield plan.reply
            return self._build(plan, Generation(plan.reply, "stop", 0, 0), time.monotonic() - plan.started)
        if plan.mode in PASSAGE_MODES and not plan.passages:
            return (yield from self._refuse(plan))
        judge = self._judge(plan)
        if judge is None:
            return (yield from self._streamed(plan, self._request(plan)))
        request = self._request(plan, want_logprobs=True)
        before = before_features(plan.query, plan.passages, self._refusal_logprob(request))
        verdict = judge.first_look(before)
        if verdict == "refuse":
            return (yield from self._refuse(plan))
        if verdict == "answer":
            return (yield from self._streamed(plan, replace(request, avoid=[REFUSAL])))
        result = complete(self.engine, request)
        if not judge.accepts(after_features(before, plan.question, result.text, result.logprobs, plan.passages)):
            return (yield from self._refuse(plan, result))
        if is_refusal(result.text):
            # The fitted rule knows better than the model, which was never told how often it may refuse.
            result = complete(self.engine, replace(request, avoid=[REFUSAL]))
        if is_refusal(result.text):
            return (yield from self._refuse(plan, result))
        yield result.text.strip()
        return self._build(plan, result, time.monotonic() - plan.started)

    def _streamed(self, plan: Plan, request: GenerationRequest) -> Generator[str, None, Answer]:
        """Yield the text as it comes and return the Answer."""
        first_token_s: float | None = None
        speech = Speech()
        with closing(self.engine.stream(request)) as pieces:
            for piece in pieces:
                shown = speech.finish() if isinstance(piece, Generation) else speech.push(piece)
                if shown:
                    first_token_s = first_token_s or time.monotonic() - plan.started
                    yield shown
                if isinstance(piece, Generation):
                    result = replace(piece, text=speech.text)
                    return self._build(plan, result, first_token_s or 0.0, abstained=speech.refused)
        raise AssertionError("an engine's stream must end with a Generation")

    def _abstention_path(self, mode: str, adapter: Adapter | None) -> Path | None:
        if adapter is not None:
            return adapter.folder / f"abstention-{mode}.json"
        return self._state / "abstention" / f"{mode}.json" if self._state else None

    def _judge(self, plan: Plan) -> AbstentionModel | None:
        path = self._abstention_path(plan.mode, plan.adapter) if plan.mode in PASSAGE_MODES else None
        return load_abstention(path, self.model) if path else None

    def _refusal_logprob(self, request: GenerationRequest) -> float | None:
        try:
            return self.engine.score(request, [REFUSAL_OPENING])[0]
        except MissingPart:
            return None

    def _refuse(self, plan: Plan, result: Generation | None = None) -> Generator[str, None, Answer]:
        """Yield and return the refusal; ``result`` is what had been generated for nothing."""
        prompt_tokens, completion_tokens = (result.prompt_tokens, result.completion_tokens) if result else (0, 0)
        yield REFUSAL
        shown = time.monotonic() - plan.started
        return self._build(plan, Generation(REFUSAL, "stop", prompt_tokens, completion_tokens), shown, abstained=True)

    def _build(self, plan: Plan, result: Generation, first_token_s: float, *, abstained: bool = False) -> Answer:
        text = result.text.strip()
        checked = Judgement("not_checked", [])
        if not abstained and plan.reply is None:
            checked = judge_numbers(plan.query, plan.passages, text, cite(text, plan.passages))
        return Answer(
            question=plan.question,
            answer=text,
            mode=plan.mode,
            model=self.engine.model,
            adapter=plan.adapter.ref if plan.adapter else None,
            abstained=abstained,
            citations=checked.citations,
            passages=plan.passages,
            usage=Usage(result.prompt_tokens, result.completion_tokens),
            timings=Timings(plan.retrieve_s, first_token_s, time.monotonic() - plan.started),
            finish_reason=result.finish_reason,
            answer_id=new_answer_id(),
            support=checked.support,
            mode_reason=plan.mode_reason,
        )


def open_assistant(workspace: Workspace, store: Store, *, open_index: Callable[[], Retriever] | None = None) -> Assistant:
    """Return the workspace's assistant. Index and weights are loaded by the first question that needs them.

    Args:
        open_index: opens the retriever, for callers that share one; default: a retriever of its own.

    Raises:
        ModelMissing: the base model is not on this machine.
        SettingsError: the engine's settings are incomplete.
    """

    def open_own() -> Retriever:
        from doyen.retrieval.pipeline import open_retriever

        return open_retriever(workspace, store)

    registry = Registry(workspace, store)
    retriever = LazyRetriever(open_index or open_own)
    return Assistant(retriever, open_engine(workspace), registry, store, workspace.settings, state=workspace.state)
