"""Pages of PDFs as pictures: the quoted words marked where they stand, and never on another page or another file."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from support.fake_assistant import FakeAssistant

from doyen.core.answers import Answer
from doyen.core.modes import Mode
from doyen.ingestion.ingest import ingest
from doyen.ingestion.readers.page_image import LONGEST_SIDE, MARKER
from doyen.retrieval.citations import citation_at
from tests.support.scans import written

FIRST = [(60.0, 700.0, "The pump is started once a week."), (60.0, 640.0, "The relief valve opens at 7.5 bar.")]
SECOND = [(60.0, 400.0, "The seal is replaced every 26 weeks.")]
QUOTE = "opens at 7.5 bar"


@pytest.fixture
def pdf() -> bytes:
    return written(FIRST, SECOND)


def upload(client: TestClient, name: str, data: bytes) -> str:
    sent = client.post("/v1/documents", files={"file": (name, data)})
    assert sent.status_code == 201, sent.text
    return str(sent.json()["id"])


def place(client: TestClient, document: str, words: str) -> tuple[int, int]:
    text = client.get(f"/v1/documents/{document}/text").json()["text"]
    return text.index(words), text.index(words) + len(words)


def marked(picture: bytes) -> tuple[int, int, int, int] | None:
    """Return the edges of the marked area in points, as (left, bottom, right, top)."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    mask = Image.new("1", image.size)
    mask.putdata([pixel == MARKER for pixel in image.getdata()])
    box = mask.getbbox()
    scale = image.height / 842
    return box and (round(box[0] / scale), round(842 - box[3] / scale), round(box[2] / scale), round(842 - box[1] / scale))


def test_the_quoted_words_are_marked_where_they_stand(client: TestClient, pdf: bytes) -> None:
    document = upload(client, "pump.pdf", pdf)
    start, end = place(client, document, QUOTE)
    shown = client.get(f"/v1/documents/{document}/pages/1.png", params={"highlight": f"{start}-{end}"})
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/png")
    image = Image.open(io.BytesIO(shown.content))
    assert max(image.size) <= LONGEST_SIDE
    left, bottom, right, top = marked(shown.content) or (0, 0, 0, 0)
    assert 140 < left < 150  # behind "The relief valve"
    assert 230 < right < 245
    assert 633 < bottom < 640 < 648 < top < 656
    plain = client.get(f"/v1/documents/{document}/pages/2.png")
    assert plain.status_code == 200
    assert marked(plain.content) is None


def test_the_browser_keeps_a_page_until_it_changes(client: TestClient, pdf: bytes) -> None:
    document = upload(client, "pump.pdf", pdf)
    address = f"/v1/documents/{document}/pages/1.png"
    first = client.get(address)
    again = client.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["cache-control"] == "private, no-cache"
    assert client.get(f"{address}?highlight=0-3").headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize(
    ("path", "status", "remedy"),
    [
        ("3.png", 422, "its pages are 1 to 2"),
        ("1.png?highlight=5-5", 422, "start-end"),
        ("1.png?highlight=9-3", 422, "start-end"),
        ("1.png?highlight=0-999999", 422, "start-end"),
        ("1.png?highlight=abc", 422, "start-end"),
        ("2.png?highlight=0-3", 422, "see page 1"),
        ("1.png?version=abc", 409, "ask again"),
        ("0.png", 400, ""),
    ],
)
def test_wrong_places_are_refused_with_the_remedy(client: TestClient, pdf: bytes, path: str, status: int, remedy: str) -> None:
    document = upload(client, "pump.pdf", pdf)
    refused = client.get(f"/v1/documents/{document}/pages/{path}")
    assert refused.status_code == status
    assert remedy in refused.json()["error"]["message"]


def test_other_formats_have_no_pages(client: TestClient) -> None:
    document = upload(client, "pump.md", b"# Pump\n\nThe relief valve opens at 7.5 bar.\n")
    refused = client.get(f"/v1/documents/{document}/pages/1.png")
    assert refused.status_code == 404
    assert f"GET /v1/documents/{document}/text" in refused.json()["error"]["message"]
    assert client.get("/v1/documents/unknown/pages/1.png").status_code == 404


def test_pages_need_the_key(open_gateway: Callable[..., TestClient], pdf: bytes) -> None:
    client = open_gateway(api_key="secret")
    key = {"Authorization": "Bearer secret"}
    document = client.post("/v1/documents", files={"file": ("pump.pdf", pdf)}, headers=key).json()["id"]
    address = f"/v1/documents/{document}/pages/1.png"
    assert client.get(address).status_code == 401
    assert client.get(address, headers=key).status_code == 200


def test_a_file_that_changed_or_went_is_not_shown(client: TestClient, pdf: bytes, tmp_path: Path) -> None:
    path = tmp_path / "manuals" / "pump.pdf"
    path.parent.mkdir()
    path.write_bytes(pdf)
    services = client.app.state.services
    ingest(services.workspace, services.store, [path.parent])
    document = client.get("/v1/documents").json()["data"][0]["id"]
    address = f"/v1/documents/{document}/pages/1.png?highlight=0-3"
    assert client.get(address).status_code == 200
    status = path.stat()
    path.write_bytes(written(SECOND, FIRST))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    changed = client.get(address)
    assert changed.status_code == 409
    assert "has changed since it was read: run `doyen ingest`" in changed.json()["error"]["message"]
    path.unlink()
    gone = client.get(address)
    assert gone.status_code == 409
    assert "put it back" in gone.json()["error"]["message"]


def test_uploads_are_kept_until_they_are_replaced_or_removed(client: TestClient, pdf: bytes) -> None:
    folder = client.app.state.services.workspace.originals_folder
    document = upload(client, "pump.pdf", pdf)
    assert [path.read_bytes() for path in folder.iterdir()] == [pdf]
    other = written(SECOND, FIRST)
    assert upload(client, "pump.pdf", other) == document
    assert [path.read_bytes() for path in folder.iterdir()] == [other]
    assert client.delete(f"/v1/documents/{document}", params={"purge": True}).status_code == 200
    assert list(folder.iterdir()) == []


def test_citations_of_pdfs_name_the_picture_of_their_page(
    client: TestClient, assistant: FakeAssistant, pdf: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = upload(client, "pump.pdf", pdf)
    described = client.get(f"/v1/documents/{document}").json()
    text = client.get(f"/v1/documents/{document}/text").json()["text"]
    start = text.index("every 26 weeks")
    passage = client.app.state.services.retriever().retrieve("How often is the seal replaced?", 1)[0]
    assert (passage.version, passage.page, passage.text) == (described["version"], 1, text)
    citation = citation_at([passage], 1, start, start + 14)
    answer = Answer("How often?", "Every 26 weeks.", Mode.RAG, citations=[citation], passages=[passage])
    monkeypatch.setattr(assistant, "stream", lambda *_, **__: iter([answer]))
    body = {"model": "rag", "messages": [{"role": "user", "content": "How often?"}]}
    cited = client.post("/v1/chat/completions", json=body).json()["citations"][0]
    # The passage begins on page 1, the quote stands on page 2.
    assert cited["page"] == 2
    assert cited["page_image"].startswith(f"/v1/documents/{document}/pages/2.png?version=")
    shown = client.get(cited["page_image"])
    assert shown.status_code == 200
    assert marked(shown.content) is not None
