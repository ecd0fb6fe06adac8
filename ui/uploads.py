"""Documents on their way from the browser through these pages to the gateway, with the key of who is signed in.

The pages keep nothing of a file: it is passed on as it comes in, and the gateway's limit on its size counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from doyen.ui.gateway_client import BUSY, KEY_REFUSED, GatewayBusy, GatewayError, KeyRefused

if TYPE_CHECKING:
    from doyen.ui.sign_in import Gateway

LENGTH_REQUIRED, REFUSED = 411, 422
SHOWN_FAILURES = 5
UNCACHED = {"Cache-Control": "no-store"}


def uploads(gateway: Gateway, path: str) -> APIRouter:
    """Return the route at a path that takes a document: its bytes as the body, its name and readers in the query."""
    router = APIRouter()

    @router.post(path)
    async def send(request: Request, source: str, groups: str | None = None) -> Response:
        length = request.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            return _said("The browser did not say how large the file is: try another one.", LENGTH_REQUIRED)
        fields = {"source": source, **({} if groups is None else {"groups": groups})}
        try:
            client = gateway.client_of(request.cookies)
            uploaded = await client.upload(request.stream(), int(length), fields)
        except KeyRefused as error:
            return _said(str(error), KEY_REFUSED)
        except GatewayBusy as error:
            return _said(str(error), BUSY)
        except GatewayError as error:
            return _said(str(error), REFUSED)
        except ClientDisconnect:
            return _said("The browser went away.", REFUSED)
        return _said(outcome(uploaded))

    return router


def outcome(uploaded: dict[str, Any]) -> str:
    """Return what became of an upload, as a sentence: of a document or of an archive, as the gateway describes them."""
    if uploaded["object"] == "document.archive":
        failed = uploaded["failed"]
        reasons = "".join(f" {each['source']}: {each['reason']}." for each in failed[:SHOWN_FAILURES])
        more = f" And {len(failed) - SHOWN_FAILURES} more." if len(failed) > SHOWN_FAILURES else ""
        unread = f"; {len(failed)} could not be read.{reasons}{more}" if failed else "."
        return f"{len(uploaded['data'])} documents{unread}"
    if uploaded["duplicate_of"]:
        return "The same text is there already: it is found under its first name."
    empty = len(uploaded["pages_without_text"])
    unread = f"; {empty} pages have no text" if empty else ""
    return f"Read: {uploaded['chunks']} chunks{unread}."


def _said(sentence: str, status: int = 200) -> Response:
    return JSONResponse({"said": sentence}, status, UNCACHED)
