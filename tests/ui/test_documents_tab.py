"""The documents tab: files come in through it, are looked at and deleted, with the key of who is signed in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from support.fake_assistant import FakeAssistant
from support.serving import served

from doyen.core.workspace import Workspace
from doyen.platform.serving.gateway.api import create_app
from doyen.platform.serving.keys import add_key
from doyen.ui.documents_tab import _frame
from doyen.ui.gateway_client import GatewayClient
from doyen.ui.pages import create_ui_app

NAME = "<img src=x onerror=alert(1)>.md"
TEXT = (
    "# Pump <script>alert('x')</script>\n\n\u202eThe pump runs.\n\n" + "W" * 10_000 + "\n\nIt is oiled after <b>7</b> hours.\n"
)
DROP = """([name, text]) => {
  const dropped = new DataTransfer();
  dropped.items.add(new File([text], name));
  const zone = document.querySelector('.doyen-drop');
  zone.dispatchEvent(new DragEvent('drop', { dataTransfer: dropped, bubbles: true, cancelable: true }));
}"""


def uploaded(page: Any, count: int) -> list[str]:
    """Wait until so many files have ended; return what was said of them."""
    page.wait_for_function(
        f"document.querySelectorAll('.doyen-uploads :is(.doyen-done, .doyen-failed)').length === {count}", timeout=60_000
    )
    return [item.inner_text() for item in page.query_selector_all(".doyen-uploads small")]


@pytest.mark.browser
def test_a_document_is_dropped_looked_at_and_deleted(visit: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "empty.md").write_text("")
    (tmp_path / "plan.xyz").write_text("nothing that is read")
    seen = visit("#documents")
    page = seen.page
    page.wait_for_selector("#documents .doyen-banner")
    page.fill("[name=folder]", "/manuals/../new")
    page.set_input_files("[data-for=files]", [tmp_path / "empty.md", tmp_path / "plan.xyz"])
    empty, unknown = uploaded(page, 2)
    assert "empty" in empty
    assert "'manuals/new/plan.xyz'" in unknown
    page.evaluate(DROP, [NAME, "not this one"])
    assert f"{NAME}' cannot name a document" in uploaded(page, 3)[2]
    assert page.query_selector("#drop-zone img") is None
    page.fill("[name=folder]", "")
    page.evaluate(DROP, ["pump.md", TEXT])
    assert uploaded(page, 4)[3].startswith("Read: ")

    page.get_by_role("button", name="pump.md").click()
    page.wait_for_selector("#chunks article")
    assert "#documents/" in page.url
    page.reload()
    page.wait_for_selector("#chunks article")
    assert page.query_selector("#chunks script, #chunks b b") is None
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    page.click("#delete-document")
    page.get_by_text("Nothing rests on it.").wait_for()
    page.click("#keep-document")
    page.wait_for_selector("#confirm-delete", state="hidden")
    page.click("#delete-document")
    page.click("#confirm-delete")
    page.get_by_text("The document is deleted.").wait_for()
    page.wait_for_function("!document.querySelector('#documents').innerText.includes('pump.md')")
    assert page.query_selector("#document h3") is None


def test_documents_come_in_with_the_key_of_who_is_signed_in(workspace: Workspace) -> None:
    keys = {"ann": add_key(workspace, "ann", admin=True), "bob": add_key(Workspace(workspace.root), "bob", ["hr"])}
    with served(create_app(Workspace(workspace.root), open_model=FakeAssistant)) as url:
        pages = create_ui_app(url, needs_key=True)

        def send(name: str, content: bytes = b"# Pump\n\nIt runs.") -> tuple[int, str]:
            with TestClient(pages, base_url="http://127.0.0.1") as client:
                if name in keys:
                    client.post("/login", data={"username": name, "password": keys[name]})
                answer = client.post("/send-document", params={"source": "a.md", "groups": "hr"}, content=content)
                return answer.status_code, answer.json()["said"]

        assert send("nobody")[0] == 401
        assert "for administrators" in send("bob")[1]
        assert send("ann") == (200, "Read: 1 chunks.")
        status, said = send("ann", b" " * 60_000_000)
        assert (status, "max_upload_mb" in said) == (422, True)
        for name, admin in (("ann", True), ("bob", False)):
            with closing(GatewayClient(url, keys[name])) as client:
                assert [item["groups"] for item in client.documents()["data"]] == [["hr"] if admin else None]
                assert _frame(client, "")[1]["visible"] is admin


def test_only_the_pages_themselves_send_documents() -> None:
    with TestClient(create_ui_app("http://127.0.0.1:9"), base_url="http://127.0.0.1") as client:
        send = {"params": {"source": "a.md"}, "content": b"text"}
        assert client.post("/send-document", **send, headers={"Origin": "https://evil.example"}).status_code == 403
        unreachable = client.post("/send-document", **send)
        assert (unreachable.status_code, "cannot be reached" in unreachable.json()["said"]) == (422, True)
