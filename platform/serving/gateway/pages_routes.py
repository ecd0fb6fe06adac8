"""``/v1/documents/{id}/pages/{n}.png``: a page as it is printed, with the stretch that a citation quotes marked."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from doyen.core.answers import Answer
from doyen.core.store.document_access import readable_document
from doyen.core.store.schema import DocumentRow
from doyen.ingestion.originals import PAGED
from doyen.platform.serving.gateway.http_errors import documented
from doyen.platform.serving.gateway.services import AccessOf, Services, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute
from doyen.platform.serving.page_images import find_page

router = APIRouter(prefix="/v1", tags=["documents"], route_class=StrictRoute)
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The page.", "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
    304: {"description": "It is the one that If-None-Match names."},
}
LAST_PAGE = 1_000_000


@router.get(
    "/documents/{document_id}/pages/{page}.png", response_class=Response, responses={**PICTURE, **documented(404, 409, 422)}
)
def show_page(
    document_id: str,
    page: Annotated[int, Path(ge=1, le=LAST_PAGE)],
    request: Request,
    services: ServicesOf,
    access: AccessOf,
    highlight: Annotated[str | None, Query(description="start-end, as in a citation.", max_length=40)] = None,
    version: Annotated[str | None, Query(description="As in a citation; another than the current one is refused.")] = None,
) -> Response:
    """Show a page of a PDF or picture, at most 2,000 pixels high and wide; ``page_image`` of a citation is the path of its own.

    The file that was ingested is read again. Where it has changed or is gone, nothing is shown (409).
    """
    with services.store.session() as session:
        row = readable_document(session, document_id, access)
        shown = find_page(session, row, page, highlight=highlight, version=version)
    picture = services.page_images.render(row, shown)
    headers = {"ETag": f'"{shown.tag}"', "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(picture, media_type="image/png", headers=headers)


def page_images(services: Services, answer: Answer) -> list[str | None]:
    """Return for each citation of an answer the path of the picture of its page; None where there is none."""
    paths: list[str | None] = []
    with services.store.session() as session:
        for citation in answer.citations:
            passage = answer.passages[citation.marker - 1] if citation.marker <= len(answer.passages) else None
            row = session.get(DocumentRow, passage.document_id) if passage and passage.page else None
            if passage is None or row is None or row.media_type not in PAGED or row.version != passage.version:
                paths.append(None)
                continue
            query = f"version={row.version}&highlight={citation.start}-{citation.end}"
            paths.append(f"/v1/documents/{row.document_id}/pages/{citation.page}.png?{query}")
    return paths
