"""A person's work in Label Studio's own screen, in a real browser, comes back as exact labels."""

from __future__ import annotations

import pytest
from support.required import require_chromium

from doyen.annotation import create_project, labelled_pairs, prompt_tasks, pull, push
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow
from doyen.core.workspace import Workspace

pytestmark = [pytest.mark.label_studio, pytest.mark.browser]
NAME = "screen"
PASSWORD = "a-test-password-1"

# Selects from one text to another as the mouse would: Label Studio listens for the button going up.
SELECT = """([first, last]) => {
  const root = document.querySelector('.lsf-htx-richtext');
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  let node, begun = false;
  while ((node = walker.nextNode())) {
    const at = node.textContent.indexOf(first);
    if (!begun && at >= 0) { range.setStart(node, at); begun = true; }
    const end = node.textContent.indexOf(last);
    if (begun && end >= 0) { range.setEnd(node, end + last.length); break; }
  }
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  root.dispatchEvent(new MouseEvent('mouseup', {bubbles: true}));
}"""


def test_what_an_expert_marks_and_types(remote: Workspace, remote_store: Store, label_studio: object) -> None:
    chromium = require_chromium()
    from playwright.sync_api import sync_playwright

    create_project(remote, remote_store, NAME)
    prompt_tasks(remote_store, NAME, [("How often is the sample pump replaced?", "manual.md")])
    push(remote, remote_store, NAME)
    with remote_store.session() as session:
        project = session.get_one(AnnotationProjectRow, NAME).external_id
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1200})
        page.goto(f"{label_studio.url}/user/login/")
        page.fill("input[name=email]", "ben@example.com")
        page.fill("input[name=password]", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_url(lambda url: "login" not in url)
        page.goto(f"{label_studio.url}/projects/{project}/data?labeling=1")
        page.wait_for_selector(".lsf-htx-richtext", timeout=60_000)
        page.wait_for_selector("text=How often is the sample pump replaced?")
        # The second mark runs over a line break (CR LF), the third lies behind an emoji and a combining accent.
        for first, last in (("4,000", "hours"), ("operating", "The flow"), ("code", "E-41")):
            page.keyboard.press("e")
            page.evaluate(SELECT, [first, last])
            page.keyboard.press("Escape")
        page.fill("textarea[name=response]", "Every 4,000 h 😀\nof operation")
        with page.expect_response(lambda answer: answer.request.method == "POST" and "/annotations" in answer.url) as sent:
            page.click("button:has-text('Submit')")
        assert sent.value.status == 201
        browser.close()
    assert pull(remote, remote_store, NAME).problems == []
    (pair,) = labelled_pairs(remote_store, NAME)
    assert pair.evidence == ["4,000 operating hours", "operating hours.\r\nThe flow", "code E-41"]
    assert (pair.prompt, pair.response) == ("How often is the sample pump replaced?", "Every 4,000 h 😀\nof operation")
    assert pair.annotator == "ben@example.com"
