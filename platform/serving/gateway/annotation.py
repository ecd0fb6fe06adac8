"""``/v1/annotation``: what Label Studio calls. A webhook is a hint that labels changed; the pull finds out what did.

These paths check a secret of their own instead of the API key, because Label Studio can send no bearer token.
"""

from __future__ import annotations

import hmac
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query
from pydantic import BaseModel

from doyen.ingestion.annotation import get_project
from doyen.ingestion.annotation.webhooks import HOOK_HEADER
from doyen.platform.core.errors import NotFoundError
from doyen.platform.serving.gateway.errors import Forbidden
from doyen.platform.serving.gateway.services import Services, ServicesOf

router = APIRouter(prefix="/v1/annotation", tags=["annotation"])


class Hint(BaseModel):
    """The hint was taken.

    Attributes:
        scheduled: False when a pull of the project was waiting already.
    """

    object: Literal["annotation.hint"] = "annotation.hint"
    project: str
    scheduled: bool


def check_secret(services: Services, given: str) -> None:
    """Compare in constant time.

    Raises:
        NotFoundError: no secret is set, so nobody may call.
        Forbidden: it is another one.
    """
    secret = services.settings.annotation.webhook_secret.get_secret_value()
    if not secret:
        raise NotFoundError("nothing listens here: set annotation.webhook_secret to let Label Studio call the gateway")
    if not hmac.compare_digest(given.encode(), secret.encode()):
        raise Forbidden("the secret is missing or wrong: register the webhook again with `doyen annotate create --webhook`")


def _header_secret(services: ServicesOf, given: Annotated[str, Header(alias=HOOK_HEADER)] = "") -> None:
    check_secret(services, given)


@router.post("/webhook", status_code=202, dependencies=[Depends(_header_secret)])
def take_hint(services: ServicesOf, project: Annotated[str, Query(min_length=1, max_length=50)]) -> Hint:
    """Schedule a pull of the project and answer at once.

    The body is not read: whatever it says, lost, repeated, reordered or forged, only the server's own state counts.
    """
    name = get_project(services.store, project).name
    return Hint(project=name, scheduled=services.pulls.hint(name))
