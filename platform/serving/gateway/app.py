"""The gateway's application: routers, guards and the life of what they share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

from fastapi import FastAPI

from doyen.core.network import is_loopback
from doyen.core.store import open_store
from doyen.core.workspace import Workspace
from doyen.platform.serving.assistant import open_assistant
from doyen.platform.serving.gateway import adapters, annotation, chat, documents, evals, feedback, health, models, search
from doyen.platform.serving.gateway.docs import describe_api, install_docs
from doyen.platform.serving.gateway.errors import documented, install_error_handlers
from doyen.platform.serving.gateway.guard import Guard, RequestRecord
from doyen.platform.serving.gateway.metrics import Metrics
from doyen.platform.serving.gateway.services import OpenAssistant, Services

DESCRIPTION = """An assistant over your documents, behind OpenAI's API. `model` names how it answers: `base` (the model
alone), `rag` (with passages of the documents), `finetune` (with an adapter), `hybrid` (both), and, for the last two, which
adapter: `hybrid@name` or `hybrid@name:version`."""


def create_app(workspace: Workspace, *, host: str | None = None, open_model: OpenAssistant = open_assistant) -> FastAPI:
    """Return the gateway for a workspace. The model is loaded in the background once the application starts.

    Args:
        host: the address that it will be bound to, default serving.host; on loopback, only names of this machine are
            answered.
        open_model: opens the assistant.
    """
    settings = workspace.settings.serving
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = Services(workspace, open_store(workspace), metrics, open_model)
        app.state.services = services
        services.start_warm_up()
        try:
            yield
        finally:
            services.close()

    app = FastAPI(
        title="Doyen",
        description=DESCRIPTION,
        version=version("doyen"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    for keyed in (chat, models, search, documents, feedback, adapters, evals):
        app.include_router(keyed.router, responses=documented(400, 401, 403, 405, 413))
    for other in (annotation, health):
        app.include_router(other.router, responses=documented(400, 403, 405, 413))
    app.openapi = partial(describe_api, app)  # type: ignore[method-assign]  # as FastAPI's documentation does
    install_docs(app)
    install_error_handlers(app)
    # The last one added is the outermost.
    app.add_middleware(
        Guard,
        api_key=settings.api_key.get_secret_value(),
        local_only=is_loopback(host or settings.host),
        upload_bytes=settings.max_upload_mb * 1_000_000,
    )
    app.add_middleware(RequestRecord, metrics=metrics)
    return app
