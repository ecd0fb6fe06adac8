"""``GET /v1/answers/{id}``: why an answer is what it is."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from doyen.core.answers import Passage
from doyen.platform.serving.explanation import Explanation, signals_of
from doyen.platform.serving.gateway.http_errors import documented
from doyen.platform.serving.gateway.services import AccessOf, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute

router = APIRouter(prefix="/v1", tags=["chat"], route_class=StrictRoute)


class PromptMessage(BaseModel):
    """A message that a model answers."""

    role: str
    content: str


class ShownPassage(BaseModel):
    """A passage that the model was shown.

    Attributes:
        signals: the scores behind its place by name: "dense" (cosine), "lexical" (BM25), …
    """

    passage: Passage
    signals: dict[str, float]


class AnswerExplained(BaseModel):
    """What led to an answer.

    Attributes:
        query: what was searched for; empty where nothing was.
        passages: what was shown to the model, best first.
        prompt: the messages that a model answers, made again by the same rules; empty where no model is asked. A refusal may
            have come before the model was asked.
    """

    object: Literal["answer.explained"] = "answer.explained"
    id: str
    created_at: str
    question: str
    answer: str
    mode: str
    model: str
    adapter: str | None
    query: str
    passages: list[ShownPassage]
    prompt: list[PromptMessage]


@router.get("/answers/{answer_id}", responses=documented(404, 507))
def explain(answer_id: str, services: ServicesOf, access: AccessOf) -> AnswerExplained:
    """Say what was searched for, what was found with which scores, and what the model was shown.

    A key with groups sees the answers that it was given, as long as it may read their passages.
    """
    found: Explanation = services.doyen.explain(answer_id, access=access)
    return AnswerExplained(
        id=found.answer_id,
        created_at=found.created_at,
        question=found.question,
        answer=found.answer,
        mode=found.mode,
        model=found.model,
        adapter=found.adapter,
        query=found.query,
        passages=[ShownPassage(passage=each, signals=signals_of(each)) for each in found.passages],
        prompt=[PromptMessage(**each) for each in found.prompt],
    )
