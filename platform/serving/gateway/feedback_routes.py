"""``POST /v1/feedback``: what a person says about an answer."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from doyen.platform.serving.gateway.http_errors import documented
from doyen.platform.serving.gateway.services import AccessOf, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute

router = APIRouter(prefix="/v1", tags=["feedback"], route_class=StrictRoute)
MAX_TEXT_CHARS = 20_000


class FeedbackRequest(BaseModel):
    """A thumb, a better answer, a remark, or several of these.

    Attributes:
        answer_id: from the answer that it is about.
        rating: 1 thumb up, -1 thumb down, 0 none.
        correction: what the answer should have been.
    """

    model_config = ConfigDict(extra="forbid")

    answer_id: str = Field(min_length=1, max_length=100)
    rating: Literal[-1, 0, 1] | None = 0
    correction: str | None = Field(None, max_length=MAX_TEXT_CHARS)
    comment: str | None = Field(None, max_length=MAX_TEXT_CHARS)


class FeedbackSaved(BaseModel):
    """What was stored."""

    object: Literal["feedback"] = "feedback"
    feedback_id: str
    answer_id: str
    rating: int
    correction: str | None
    comment: str | None
    created_at: str


@router.post("/feedback", status_code=201, responses=documented(404, 507))
def give_feedback(body: FeedbackRequest, services: ServicesOf, access: AccessOf) -> FeedbackSaved:
    """Store feedback on an answer. Each call adds an entry; none is ever changed."""
    row = services.doyen.give_feedback(
        body.answer_id, rating=body.rating or 0, correction=body.correction, comment=body.comment, access=access
    )
    services.metrics.feedback.labels(str(row.rating)).inc()
    return FeedbackSaved.model_validate(row, from_attributes=True)
