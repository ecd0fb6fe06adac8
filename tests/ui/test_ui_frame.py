"""What all tabs share, in a real browser: links to them, the Back button, reloads, light and dark, the width of a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.browser


def wait_for_tab(page: Any, key: str) -> None:
    page.wait_for_selector(f"#tab-{key}-button[aria-selected=true]")


@pytest.mark.parametrize("link", ["#jobs", "?tab=jobs"])
def test_a_link_opens_a_tab_and_back_leads_to_the_one_before(visit: Callable[..., Any], link: str) -> None:
    page = visit(link).page
    wait_for_tab(page, "jobs")
    page.wait_for_selector("#jobs .doyen-banner")
    page.get_by_role("tab", name="Adapters").click()
    page.wait_for_url("**/*#adapters")
    page.reload()
    wait_for_tab(page, "adapters")
    page.wait_for_selector("#adapters .doyen-note")
    page.go_back()
    wait_for_tab(page, "jobs")


def test_a_phone_reaches_all_tabs_and_keeps_the_chosen_look(visit: Callable[..., Any]) -> None:
    page = visit("#no-such-tab", width=390).page
    wait_for_tab(page, "chat")
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for tab in page.get_by_role("tab").all():
        tab.click()
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert not page.evaluate("document.body.classList.contains('dark')")
    page.get_by_role("button", name="Dark look").click()
    page.reload()
    page.wait_for_function("document.body.classList.contains('dark')")
