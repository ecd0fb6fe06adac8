"""``POST /v1/classify`` and ``/v1/extract``: what trained heads say of texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from doyen.core.access import Access
from doyen.finetune.registry import CLASSIFIER, TOKEN_CLASSIFIER, Adapter
from doyen.platform.serving.gateway.chat_run import RequestTime
from doyen.platform.serving.gateway.http_errors import documented
from doyen.platform.serving.gateway.services import AccessOf, Services, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute
from doyen.platform.serving.served_heads import MOST_CHARACTERS, MOST_TEXTS, check_texts, no_head

router = APIRouter(prefix="/v1", tags=["heads"], route_class=StrictRoute)
T = TypeVar("T")
Text = Annotated[str, Field(max_length=MOST_CHARACTERS)]


class HeadRequest(BaseModel):
    """What a head is asked about.

    Attributes:
        input: a text, or several.
        model: "name" (what is in production, else its newest) or "name:version"; default: the only head of the kind.
    """

    model_config = ConfigDict(extra="forbid")

    input: Text | Annotated[list[Text], Field(min_length=1, max_length=MOST_TEXTS)]
    model: str | None = None

    @property
    def texts(self) -> list[str]:
        """The texts."""
        return [self.input] if isinstance(self.input, str) else self.input


class ScoredClass(BaseModel):
    """A class with its probability."""

    label: str
    score: float


class Classification(BaseModel):
    """The classes of one text.

    Attributes:
        index: place of the text in the request.
        labels: those that it has: one, or, of a head with several classes, each that is more probable than not.
        scores: the probability of each class, the most probable first.
        truncated: whether the text is longer than the head reads, so that its end was not looked at.
    """

    index: int
    labels: list[str]
    scores: list[ScoredClass]
    truncated: bool


class ClassificationList(BaseModel):
    """The classes of each text; `model` is the version that was asked."""

    object: Literal["list"] = "list"
    model: str
    data: list[Classification]


class FoundEntity(BaseModel):
    """An entity, or a token with its tag: characters `start` to `end` of the text.

    Attributes:
        score: the least probability of its words' tags.
    """

    start: int
    end: int
    label: str
    text: str
    score: float


class Extraction(BaseModel):
    """The entities of one text in their order; `index` is its place in the request."""

    index: int
    entities: list[FoundEntity]


class ExtractionList(BaseModel):
    """The entities of each text; `model` is the version that was asked."""

    object: Literal["list"] = "list"
    model: str
    data: list[Extraction]


@router.post("/classify", responses=documented(404, 409, 429, 503, 504))
async def classify(request: Request, body: HeadRequest, services: ServicesOf, access: AccessOf) -> ClassificationList:
    """Give texts their classes, by a head that was trained on labels (`doyen train --head`)."""
    adapter = _checked(services, body, access, CLASSIFIER)
    _, found = await _in_turn(request, services, lambda: services.doyen.heads.classify(body.texts, adapter.ref))
    data = [
        Classification(
            index=index,
            labels=each.labels,
            scores=[ScoredClass(label=one.label, score=one.score) for one in each.scores],
            truncated=each.truncated,
        )
        for index, each in enumerate(found)
    ]
    return ClassificationList(model=adapter.ref, data=data)


@router.post("/extract", responses=documented(404, 409, 429, 503, 504))
async def extract(request: Request, body: HeadRequest, services: ServicesOf, access: AccessOf) -> ExtractionList:
    """Mark the entities of texts, or give their tokens their tags, by a head that was trained on labels."""
    adapter = _checked(services, body, access, TOKEN_CLASSIFIER)
    _, found = await _in_turn(request, services, lambda: services.doyen.heads.extract(body.texts, adapter.ref))
    data = [
        Extraction(
            index=index,
            entities=[
                FoundEntity(start=one.start, end=one.end, label=one.label, text=one.text, score=one.score)
                for one in each.entities
            ],
        )
        for index, each in enumerate(found)
    ]
    return ExtractionList(model=adapter.ref, data=data)


def _checked(services: Services, body: HeadRequest, access: Access, kind: str) -> Adapter:
    """Return the head that is asked; a key that may not ask adapters is told of none."""
    check_texts(body.texts)
    if not access.adapters:
        raise no_head(kind, body.model or "", [])
    return services.doyen.heads.find(kind, body.model)


async def _in_turn(request: Request, services: Services, ask: Callable[[], T]) -> T:
    """Ask a head when it is this request's turn, as questions wait for theirs."""
    spent = RequestTime(request, services.settings.serving.request_timeout_s)
    place = services.limiter.place()
    try:
        await spent.wait(place.enter())
        return await spent.wait(run_sync(ask, abandon_on_cancel=True))
    finally:
        place.leave()
