"""The settings tab: where settings come from, health, keys that are shown once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from support.fake_assistant import FakeAssistant
from support.serving import served

from doyen.core.workspace import FILE_NAME, Workspace
from doyen.platform.serving.gateway.api import create_app
from doyen.platform.serving.keys import add_key
from doyen.ui.gateway_client import GatewayClient
from doyen.ui.pages import create_ui_app
from doyen.ui.settings_tab import show


@pytest.fixture
def gateway(workspace: Workspace) -> Iterator[str]:
    (workspace.root / FILE_NAME).write_text('name = "<b>plant</b>"\n[serving]\nmax_tokens = 99\n')
    with served(create_app(Workspace(workspace.root), open_model=FakeAssistant)) as url:
        yield url


@pytest.mark.browser
def test_settings_are_shown_with_their_origin_and_keys_once(chromium: Any, gateway: str) -> None:
    with served(create_ui_app(gateway)) as url:
        page = chromium.new_page()
        page.goto(f"{url}/#settings")
        page.wait_for_selector("#settings table")
        assert "doyen.toml" in page.inner_text("#settings tr:has-text('serving.max_tokens')")
        assert "<b>plant</b>" in page.inner_text("#settings")
        assert "ingestion.max_pages" not in page.inner_text("#settings")
        page.get_by_label("Only what is set").uncheck()
        page.wait_for_selector("#settings tr:has-text('ingestion.max_pages')")
        page.click("#check")
        page.wait_for_selector("#health tr:has-text('database') .doyen-green")

        page.fill("#key-name textarea, #key-name input", "bob")
        page.click("#make-key")
        page.get_by_text("make one with `admin` first").wait_for()
        page.fill("#key-name textarea, #key-name input", "ann")
        page.get_by_label("Administrator").check()
        page.click("#make-key")
        page.wait_for_selector("#key-said .doyen-secret")
        with closing(GatewayClient(gateway, page.inner_text(".doyen-secret"))) as client:
            assert [key["name"] for key in client.keys()["data"]] == ["ann"]
        page.close()


def test_others_than_administrators_see_what_their_key_may_do(workspace: Workspace, gateway: str) -> None:
    key = add_key(Workspace(workspace.root), "bob", ["hr"])
    with closing(GatewayClient(gateway, key)) as client:
        said, administration, *rest = show(client)
    assert "Your key &#x27;bob&#x27; reads hr and open documents." in said
    assert (administration["visible"], rest) == (False, ["", "", ""])
