"""``/v1/questions``: sets of evaluation questions that are registered, so that no dataset holds one; for administrators."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from doyen.core.frozen_questions import QuestionSet, question_sets
from doyen.platform.jobs.work import confined
from doyen.platform.serving.gateway.http_errors import documented
from doyen.platform.serving.gateway.services import AdminOf, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute

router = APIRouter(prefix="/v1", tags=["evals"], route_class=StrictRoute)


class QuestionsSummary(BaseModel):
    """A registered set.

    Attributes:
        id: its name and the hash of its content; an evaluation can be asked for by it.
        tags: tag → questions that carry it.
    """

    object: Literal["questions"] = "questions"
    id: str
    name: str
    questions: int
    unanswerable: int
    tags: dict[str, int]


class QuestionsList(BaseModel):
    """All registered sets, by name."""

    object: Literal["list"] = "list"
    data: list[QuestionsSummary]


class RegisterRequest(BaseModel):
    """What is to be registered.

    Attributes:
        file: questions.jsonl below the workspace's folder.
    """

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100)]
    file: Annotated[str, Field(min_length=1, max_length=500)]


@router.get("/questions")
def list_questions(services: ServicesOf, _: AdminOf) -> QuestionsList:
    """List the registered sets."""
    return QuestionsList(data=[_summary(each) for each in question_sets(services.workspace)])


@router.post("/questions", status_code=201, responses=documented(507))
def register(body: RegisterRequest, services: ServicesOf, _: AdminOf) -> QuestionsSummary:
    """Freeze the questions of a file: no dataset that is built from now on holds one. Again changes nothing."""
    from doyen.eval.questions import load_questions

    loaded = load_questions(confined(services.workspace, body.file))
    return _summary(services.doyen.register_questions(loaded, body.name))


def _summary(found: QuestionSet) -> QuestionsSummary:
    return QuestionsSummary(
        id=found.path.stem,
        name=found.name,
        questions=len(found.questions),
        unanswerable=sum(not question.answerable for question in found.questions),
        tags=dict(sorted(Counter(tag for question in found.questions for tag in question.tags).items())),
    )
