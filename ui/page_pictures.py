"""Pages of cited documents as pictures, which the browser asks these pages for and these ask the gateway for.

A picture is fetched with the key of who is signed in, so that nobody sees a page that the gateway would not show them, and no
browser or proxy may keep it: the next person at it may be another one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.responses import PlainTextResponse

from doyen.ui.gateway_client import GatewayError, KeyRefused

if TYPE_CHECKING:
    from doyen.ui.sign_in import Gateway

PREFIX = "page-pictures"
UNCACHED = {"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin"}
_PATH = re.compile(r"/v1/documents/(\w{1,64})/pages/(\d{1,7})\.png\?version=(\w{1,128})&highlight=(\d{1,12}-\d{1,12})")


def picture_of(page_image: str | None) -> tuple[str, int] | None:
    """Return where these pages have the picture of a citation, and its page; None where there is none.

    Args:
        page_image: its path at the gateway.
    """
    found = _PATH.fullmatch(page_image or "")
    if found is None:
        return None
    document, page, version, highlight = found.groups()
    return f"{PREFIX}/{document}/{page}.png?version={version}&highlight={highlight}", int(page)


def page_pictures(gateway: Gateway) -> APIRouter:
    """Return the route of the pictures."""
    router = APIRouter()

    @router.get(f"/{PREFIX}/{{document}}/{{page}}.png")
    def show(
        request: Request,
        document: Annotated[str, Path(pattern=r"^\w{1,64}$")],
        page: Annotated[int, Path(ge=1)],
        version: Annotated[str, Query(pattern=r"^\w{1,128}$")],
        highlight: Annotated[str, Query(pattern=r"^\d{1,12}-\d{1,12}$")],
    ) -> Response:
        client = gateway.client_of(request.cookies)
        try:
            picture = client.page_picture(document, page, version, highlight)
        except KeyRefused as error:
            return PlainTextResponse(str(error), 401, UNCACHED)
        except GatewayError as error:
            return PlainTextResponse(str(error), 404, UNCACHED)
        return Response(picture, media_type="image/png", headers=UNCACHED)

    return router
