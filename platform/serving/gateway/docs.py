"""``/docs`` with the assets of a package, because FastAPI's own page loads them from a CDN."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

ASSETS = Path(fastapi_offline.__file__).parent / "static"
PATH = "/docs"
# The page's own script is inline; nothing may come from, or go to, anywhere else.
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"
)


def install_docs(app: FastAPI) -> None:
    """Serve the interactive documentation at /docs."""

    async def show_docs() -> HTMLResponse:
        page = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=f"{app.title}: API",
            swagger_js_url=f"{PATH}/assets/swagger-ui-bundle.js",
            swagger_css_url=f"{PATH}/assets/swagger-ui.css",
            swagger_favicon_url=f"{PATH}/assets/favicon.png",
            swagger_ui_parameters={"validatorUrl": None},
        )
        page.headers["Content-Security-Policy"] = POLICY
        return page

    app.add_api_route(PATH, show_docs, include_in_schema=False, methods=["GET"])
    app.mount(f"{PATH}/assets", StaticFiles(directory=ASSETS), name="docs-assets")


def describe_api(app: FastAPI) -> dict[str, Any]:
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
