"""The gateway's application: routers, guards and the life of what they share."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from doyen.core.network import is_loopback
from doyen.core.store import open_store
from doyen.core.workspace import Workspace
from doyen.ingestion.access_rules import apply_rules
from doyen.platform.serving.assistant import open_assistant
from doyen.platform.serving.gateway import (
    adapters_routes,
    annotation_routes,
    answers_routes,
    chat_routes,
    completions_routes,
    datasets_routes,
    document_details_routes,
    documents_routes,
    embeddings_routes,
    evals_routes,
    feedback_routes,
    heads_routes,
    health_routes,
    jobs_routes,
    key_routes,
    models_routes,
    pages_routes,
    projects_routes,
    questions_routes,
    search_routes,
    settings_routes,
    trace_routes,
)
from doyen.platform.serving.gateway.guard import Guard, RequestRecord
from doyen.platform.serving.gateway.http_errors import documented, install_error_handlers
from doyen.platform.serving.gateway.services import OpenAssistant, Services
from doyen.platform.serving.keys import KeyRing

logger = logging.getLogger("doyen.gateway")

DESCRIPTION = """An assistant over your documents, behind OpenAI's API. `model` names how it answers: `base` (the model
alone), `rag` (with passages of the documents), `finetune` (with an adapter), `hybrid` (both), and, for the last two, which
adapter: `hybrid@name` or `hybrid@name:version`."""
DOCS_ASSETS = Path(fastapi_offline.__file__).parent / "static"
DOCS_PATH = "/docs"
# The page's own script is inline; nothing may come from, or go to, anywhere else.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"
)


def create_app(workspace: Workspace, *, host: str | None = None, open_model: OpenAssistant = open_assistant) -> FastAPI:
    """Return the gateway for a workspace. The model is loaded in the background once the application starts.

    Args:
        host: the address that it will be bound to, default serving.host; on loopback, only names of this machine are
            answered.
        open_model: opens the assistant.
    """
    settings = workspace.settings.serving
    local_only = is_loopback(host or settings.host)
    metrics = health_routes.Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        store = open_store(workspace)
        for source, reason in apply_rules(workspace, store).failed:
            logger.warning("%s keeps its groups: %s", source, reason)
        services = Services(workspace, store, metrics, open_model)
        app.state.services = services
        services.start_warm_up()
        services.jobs.start()
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
    for keyed in (
        chat_routes,
        answers_routes,
        completions_routes,
        models_routes,
        embeddings_routes,
        search_routes,
        documents_routes,
        document_details_routes,
        pages_routes,
        feedback_routes,
        adapters_routes,
        evals_routes,
        heads_routes,
        jobs_routes,
        key_routes,
        projects_routes,
        datasets_routes,
        questions_routes,
        settings_routes,
        trace_routes,
    ):
        app.include_router(keyed.router, responses=documented(400, 401, 403, 405, 413))
    for other in (annotation_routes, health_routes):
        app.include_router(other.router, responses=documented(400, 403, 405, 413))
    app.openapi = partial(_describe_api, app)  # type: ignore[method-assign]  # as FastAPI's documentation does
    _install_docs(app)
    install_error_handlers(app)
    # The last one added is the outermost.
    app.add_middleware(
        Guard,
        keys=KeyRing(workspace, required=not local_only),
        local_only=local_only,
        upload_bytes=settings.max_upload_mb * 1_000_000,
    )
    app.add_middleware(RequestRecord, metrics=metrics)
    return app


def _install_docs(app: FastAPI) -> None:
    """Serve the interactive documentation at /docs with the assets of a package: FastAPI's own page loads them from a CDN."""

    async def show_docs() -> HTMLResponse:
        page = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=f"{app.title}: API",
            swagger_js_url=f"{DOCS_PATH}/assets/swagger-ui-bundle.js",
            swagger_css_url=f"{DOCS_PATH}/assets/swagger-ui.css",
            swagger_favicon_url=f"{DOCS_PATH}/assets/favicon.png",
            swagger_ui_parameters={"validatorUrl": None},
        )
        page.headers["Content-Security-Policy"] = DOCS_POLICY
        return page

    app.add_api_route(DOCS_PATH, show_docs, include_in_schema=False, methods=["GET"])
    app.mount(f"{DOCS_PATH}/assets", StaticFiles(directory=DOCS_ASSETS), name="docs-assets")


def _describe_api(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document; invalid requests are 400 here, not the framework's 422."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            separate_input_output_schemas=False,
        )
        for operation in (operation for path in schema["paths"].values() for operation in path.values()):
            unused = operation["responses"].get("422", {}).get("description") == "Validation Error"
            if unused:
                del operation["responses"]["422"]
        for name in ("HTTPValidationError", "ValidationError"):
            schema["components"]["schemas"].pop(name, None)
        app.openapi_schema = schema
    return app.openapi_schema
