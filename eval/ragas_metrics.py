"""The one module that knows RAGAS: its metrics that need no judge, and its metrics with one.

RAGAS: Es et al. 2023, arXiv 2309.15217. It is imported late (seconds), never sends usage data (see ``_ragas_quietly``) and
is run as RAGAS itself runs it, but in one event loop for all answers instead of one loop an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from doyen.core.errors import ServiceError, Unauthorized
from doyen.core.evidence import Evidence
from doyen.core.text import words
from doyen.eval.metrics import squad_normalise

logger = logging.getLogger("doyen.eval")

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts in, (n, dim) out."""
Result = TypeVar("Result")

TEXT_METRICS = ("rouge_l", "string_presence")
CONTEXT_METRICS = ("context_precision", "context_recall")
JUDGED_METRICS = ("judge_faithfulness", "judge_answer_relevancy", "judge_context_precision", "judge_context_recall")
JUDGED_ON_PASSAGES = frozenset(JUDGED_METRICS) - {"judge_answer_relevancy"}
JUDGED_AT_ONCE = 4


@dataclass(frozen=True)
class Sample:
    """One answer as RAGAS sees it.

    Attributes:
        references: acceptable answers; a metric takes the best.
        contexts: passages that the model was shown.
        evidence: quotes that hold the answer.
    """

    question: str
    response: str
    references: Sequence[str]
    contexts: Sequence[str] = ()
    evidence: Sequence[str] = ()


def text_scores(samples: Sequence[Sample]) -> dict[str, list[float]]:
    """Return RAGAS' RougeScore (ROUGE-L, F measure) and StringPresence, the best over the references.

    StringPresence compares characters; both sides are given in SQuAD's normal form and between spaces, so that a final
    full stop or "45" in "145" does not decide.
    """
    _ragas_quietly()
    from ragas.metrics.collections import RougeScore, StringPresence

    rouge, presence = RougeScore(rouge_type="rougeL", mode="fmeasure"), StringPresence()

    async def score(sample: Sample) -> tuple[float, float]:
        response = f" {squad_normalise(sample.response)} "
        given = _in_ascii(sample.response)
        rouges = [await rouge.ascore(reference=_in_ascii(text), response=given) for text in sample.references]
        present = [
            await presence.ascore(reference=f" {squad_normalise(text)} ", response=response) for text in sample.references
        ]
        return max(item.value for item in rouges), max(item.value for item in present)

    return _columns(TEXT_METRICS, _run(_in_order(score, samples)))


def _in_ascii(text: str) -> str:
    """Return the text with a number for each word that is not ASCII: RAGAS' ROUGE drops all other letters."""
    if text.isascii():
        return text
    return " ".join(word if word.isascii() else str(int.from_bytes(word.encode())) for word in words(text))


def context_scores(samples: Sequence[Sample]) -> dict[str, list[float]]:
    """Return RAGAS' NonLLMContextPrecisionWithReference and NonLLMContextRecall; NaN where no passage was shown.

    RAGAS compares each passage with each reference context by edit distance, which a one-line quote in a passage of
    140 words can never pass. Through RAGAS' own ``distance_measure`` a passage counts instead when it holds the quote.
    """
    _ragas_quietly()
    from ragas.dataset_schema import SingleTurnSample
    from ragas.metrics import NonLLMContextPrecisionWithReference, NonLLMContextRecall

    held = _quote_held()
    precision = NonLLMContextPrecisionWithReference(distance_measure=held, threshold=0.5)
    recall = NonLLMContextRecall(_distance_measure=held, threshold=0.5)

    async def score(sample: Sample) -> tuple[float, float]:
        if not sample.contexts or not sample.evidence:
            return math.nan, math.nan
        row = SingleTurnSample(retrieved_contexts=list(sample.contexts), reference_contexts=list(sample.evidence))
        return float(await precision.single_turn_ascore(row)), float(await recall.single_turn_ascore(row))

    return _columns(CONTEXT_METRICS, _run(_in_order(score, samples)))


def semantic_similarity(samples: Sequence[Sample], embed: Embed) -> list[float]:
    """Return RAGAS' SemanticSimilarity: the cosine of answer and best reference (-1 to 1).

    RAGAS embeds one text at a time; this is its formula over one batch, and a test holds the two together.
    """
    texts = sorted({text or " " for sample in samples for text in (sample.response, *sample.references)})
    if not texts:
        return []
    vectors = np.asarray(embed(texts), dtype=np.float64)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    of = dict(zip(texts, vectors, strict=True))
    return [
        max(float(of[sample.response or " "] @ of[reference or " "]) for reference in sample.references) for sample in samples
    ]


@dataclass
class TokenCount:
    """What a judge has read and written, as far as its server says.

    Attributes:
        judged: answers that it was given.
    """

    prompt: int = 0
    completion: int = 0
    judged: int = 0

    def add(self, usage: Any) -> None:
        """Add what a reply says of itself."""
        if isinstance(usage, dict):
            self.prompt += usage.get("prompt_tokens") or 0
            self.completion += usage.get("completion_tokens") or 0


class RagasJudge:
    """RAGAS' judged metrics through any server that speaks OpenAI's chat protocol."""

    def __init__(self, url: str, model: str, api_key: str, embed: Embed) -> None:
        """Name the judge.

        Args:
            url: base URL, ending in /v1.
            embed: for answer relevancy, which compares questions.
        """
        self._url, self._model, self._key, self._embed = url, model, api_key, embed
        self.usage = TokenCount()

    def score(self, samples: Sequence[Sample], done: Callable[[int, dict[str, float]], None]) -> None:
        """Score each sample and hand over the index and its scores as they come.

        A metric is NaN where the judge's reply was not in the form that RAGAS asks for, or no passage was shown.

        Raises:
            ServiceError: the judge cannot be reached or fails.
            Unauthorized: it refused the key.
        """
        _ragas_quietly()
        _run(self._score_all(samples, done))

    async def _score_all(self, samples: Sequence[Sample], done: Callable[[int, dict[str, float]], None]) -> None:
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        places = asyncio.Semaphore(JUDGED_AT_ONCE)
        counted = DefaultAsyncHttpxClient(event_hooks={"response": [self._count]})
        given = {"base_url": self._url, "api_key": self._key or "none", "timeout": 120, "max_retries": 1}
        async with AsyncOpenAI(**given, http_client=counted) as client:
            metrics = _judged_metrics(client, self._model, self._embed)

            async def one(index: int, sample: Sample) -> None:
                async with places:
                    scores = {name: await self._one(metric, sample) for name, metric in metrics.items()}
                    done(index, scores)

            await asyncio.gather(*(one(index, sample) for index, sample in enumerate(samples)))

    async def _count(self, response: Any) -> None:
        """Add the tokens of a reply; RAGAS hands over the scores alone."""
        await response.aread()
        with contextlib.suppress(ValueError):
            body = response.json()
            self.usage.add(body.get("usage") if isinstance(body, dict) else None)

    async def _one(self, metric: Callable[[Sample], Awaitable[Any]], sample: Sample) -> float:
        """Return one score; a reply in the wrong form is NaN, a judge that fails is an error."""
        from instructor.core.exceptions import InstructorError
        from openai import APIError, AuthenticationError, BadRequestError, PermissionDeniedError, UnprocessableEntityError

        try:
            return float((await metric(sample)).value)
        except (InstructorError, APIError) as error:
            cause = _cause(error)
            if isinstance(cause, AuthenticationError | PermissionDeniedError):
                raise Unauthorized(f"the judge at {self._url} refused the key: set DOYEN_EVAL__JUDGE_API_KEY") from error
            # A request that the judge rejects (this question is too long for it) says nothing about the next one.
            if isinstance(cause, APIError) and not isinstance(cause, BadRequestError | UnprocessableEntityError):
                raise ServiceError(
                    f"the judge at {self._url} failed ({cause}): check eval.judge_url and eval.judge_model; what it has "
                    "judged is kept, run the same command again to go on"
                ) from error
            logger.warning("no judgement of %r: %s", sample.question[:80], str(cause)[:200])
            return math.nan


def _judged_metrics(client: Any, model: str, embed: Embed) -> dict[str, Callable[[Sample], Awaitable[Any]]]:
    """Return RAGAS' judged metrics by our names."""
    from ragas.llms import llm_factory
    from ragas.metrics.collections import AnswerRelevancy, ContextPrecisionWithReference, ContextRecall, Faithfulness

    llm = llm_factory(model, client=client, max_retries=1)
    faithfulness, relevancy = Faithfulness(llm=llm), AnswerRelevancy(llm=llm, embeddings=_embeddings(embed))
    precision, recall = ContextPrecisionWithReference(llm=llm), ContextRecall(llm=llm)

    def contexts_needed(metric: Callable[[Sample], Awaitable[Any]]) -> Callable[[Sample], Awaitable[Any]]:
        async def call(sample: Sample) -> Any:
            return await metric(sample) if sample.contexts else _Nothing()

        return call

    return {
        "judge_faithfulness": contexts_needed(
            lambda s: faithfulness.ascore(user_input=s.question, response=s.response, retrieved_contexts=list(s.contexts))
        ),
        "judge_answer_relevancy": lambda s: relevancy.ascore(user_input=s.question, response=s.response or " "),
        "judge_context_precision": contexts_needed(
            lambda s: precision.ascore(user_input=s.question, reference=s.references[0], retrieved_contexts=list(s.contexts))
        ),
        "judge_context_recall": contexts_needed(
            lambda s: recall.ascore(user_input=s.question, reference=s.references[0], retrieved_contexts=list(s.contexts))
        ),
    }


@dataclass(frozen=True)
class _Nothing:
    """A score that cannot be given."""

    value: float = math.nan


def _quote_held() -> Any:
    """Return RAGAS' kind of distance measure: 1 when the passage (``reference``) holds the quote (``response``), else 0."""
    from dataclasses import dataclass as ragas_dataclass

    from ragas.dataset_schema import SingleTurnSample
    from ragas.metrics.base import SingleTurnMetric

    @ragas_dataclass
    class QuoteHeld(SingleTurnMetric):
        name: str = "quote_held"

        def init(self, *_: Any) -> None:
            """Nothing to prepare."""

        async def _single_turn_ascore(self, sample: SingleTurnSample, **_: Any) -> float:
            return float(Evidence(sample.response or "").held_by(sample.reference or ""))

    return QuoteHeld()


def _embeddings(embed: Embed) -> Any:
    """Return our embedder as RAGAS wants it."""
    from ragas.embeddings.base import BaseRagasEmbedding

    class OurEmbeddings(BaseRagasEmbedding):
        def embed_text(self, text: str, **_: Any) -> list[float]:
            return [float(value) for value in np.asarray(embed([text]))[0]]

        async def aembed_text(self, text: str, **_: Any) -> list[float]:
            return self.embed_text(text)

    return OurEmbeddings()


def _ragas_quietly() -> None:
    """Switch off RAGAS' usage reports. It reads the variable once, so this comes before every first import."""
    os.environ["RAGAS_DO_NOT_TRACK"] = "true"
    # instructor logs each unusable reply as an error; the report counts them.
    logging.getLogger("instructor").setLevel(logging.CRITICAL)


def _cause(error: BaseException) -> BaseException:
    """Return the API's error behind what instructor and RAGAS made of it, or the first cause of another kind."""
    from openai import APIError

    while not isinstance(error, APIError) and error.__cause__ is not None:
        error = error.__cause__
    return error


async def _in_order(score: Callable[[Sample], Awaitable[Result]], samples: Sequence[Sample]) -> list[Result]:
    return [await score(sample) for sample in samples]


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end in a thread of its own, because the caller may be inside an event loop (a notebook, a server)."""
    with ThreadPoolExecutor(1, thread_name_prefix="ragas") as thread:
        return thread.submit(asyncio.run, work).result()


def _columns(names: Sequence[str], rows: Sequence[Sequence[float]]) -> dict[str, list[float]]:
    return {name: [float(row[number]) for row in rows] for number, name in enumerate(names)}
