"""``/v1/annotation``: what Label Studio calls. A webhook is a hint that labels changed; the pull finds out what did.

Under ``ml/PROJECT`` lies its ML backend protocol: drafts are made anew when a task is opened.

These paths check a secret of their own instead of the API key, because Label Studio can send no bearer token.
"""

from __future__ import annotations

import hmac
import time
from typing import Annotated, Any, Literal

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel, ConfigDict, Field

from doyen.annotation import TaskType
from doyen.annotation.create import HOOK_HEADER
from doyen.core.deadline import until
from doyen.core.errors import NotFoundError
from doyen.platform.serving.gateway.chat_run import ClientGone, RequestTime
from doyen.platform.serving.gateway.drafts import draft_prediction, open_drafter
from doyen.platform.serving.gateway.http_errors import Forbidden, documented
from doyen.platform.serving.gateway.services import Services, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute

router = APIRouter(prefix="/v1/annotation", tags=["annotation"], route_class=StrictRoute)


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


@router.post("/webhook", status_code=202, dependencies=[Depends(_header_secret)], responses=documented(404))
def take_hint(services: ServicesOf, project: Annotated[str, Query(min_length=1, max_length=50)]) -> Hint:
    """Schedule a pull of the project and answer at once.

    The body is not read: whatever it says, lost, repeated, reordered or forged, only the server's own state counts.
    """
    services.doyen.annotate.task_type(project)  # an unknown project is refused now, not by the pull
    return Hint(project=project, scheduled=services.pulls.hint(project))


DRAFT_LIMIT_S = 60.0
"""How long drafts may take: Label Studio gives up after 100 s. Tasks that are left then get none this time."""
MAX_TASKS = 500
_basic = HTTPBasic(auto_error=False)


class BackendHealth(BaseModel):
    """The backend is up."""

    status: Literal["UP"] = "UP"
    model_class: Literal["Doyen"] = "Doyen"


class BackendSetup(BaseModel):
    """Which version drafts now."""

    model_version: str


class DraftRequest(BaseModel):
    """Tasks as Label Studio sends them; what else it sends is ignored."""

    model_config = ConfigDict(extra="ignore")

    tasks: list[dict[str, Any]] = Field(max_length=MAX_TASKS)


class Drafts(BaseModel):
    """One prediction for each task, in the same order."""

    results: list[dict[str, Any]]


def _basic_secret(services: ServicesOf, given: Annotated[HTTPBasicCredentials | None, Depends(_basic)]) -> None:
    check_secret(services, given.password if given is not None else "")


def _task_type(services: ServicesOf, project: str) -> TaskType:
    return services.doyen.annotate.task_type(project)


TypeOf = Annotated[TaskType, Depends(_task_type)]
backend = APIRouter(prefix="/ml/{project}", dependencies=[Depends(_basic_secret)], route_class=StrictRoute)


@backend.get("/health", responses=documented(401, 404))
def show_backend(_: TypeOf) -> BackendHealth:
    """Say that drafts of the project can be asked for."""
    return BackendHealth()


@backend.post("/setup", responses=documented(401, 404))
def set_up_backend(project: str, services: ServicesOf, task_type: TypeOf) -> BackendSetup:
    """Say which version drafts; nothing is loaded for it, and the token that Label Studio sends is not read."""
    return BackendSetup(model_version=open_drafter(project, task_type, services.loaded_assistant, services.doyen.heads).version)


@backend.post("/predict", responses=documented(401, 404, 429, 502, 503, 504))
async def predict(request: Request, project: str, body: DraftRequest, services: ServicesOf, task_type: TypeOf) -> Drafts:
    """Draft labels for tasks. Each draft waits for its turn before the model, as questions do."""
    drafter = open_drafter(project, task_type, services.loaded_assistant, services.doyen.heads)
    spent = RequestTime(request, DRAFT_LIMIT_S)

    def draft(data: object) -> dict[str, Any]:
        with until(spent.deadline):
            return draft_prediction(drafter, task_type, data if isinstance(data, dict) else {})

    results: list[dict[str, Any]] = []
    for task in body.tasks:
        if time.monotonic() >= spent.deadline:
            results.append(draft_prediction(drafter, task_type, {}))
            continue
        place = services.limiter.place()
        try:
            await spent.wait(place.enter())
            results.append(await run_sync(draft, task.get("data")))
        except ClientGone:
            break
        finally:
            place.leave()
    return Drafts(results=results)


router.include_router(backend)
