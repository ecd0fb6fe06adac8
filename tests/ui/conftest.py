"""A gateway over a fake assistant and the pages before it, both on real ports, and a browser."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.fake_assistant import FakeAssistant
from support.required import require_chromium
from support.serving import served

from doyen.core.store import Store
from doyen.core.workspace import Workspace, create_workspace
from doyen.platform.serving.gateway.api import create_app
from doyen.ui.pages import create_ui_app

CHROMIUM_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Site:
    """What a browser test needs: where the pages are, and what lies behind them."""

    url: str
    gateway: str
    workspace: Workspace
    store: Store
    assistant: FakeAssistant


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    workspace = create_workspace(tmp_path_factory.mktemp("ui") / "space", "test")
    app = create_app(workspace, open_model=FakeAssistant)
    with ExitStack() as stack:
        gateway = stack.enter_context(served(app))
        services = app.state.services
        assistant = services.assistant()
        assistant.pause = 0.05
        url = stack.enter_context(served(create_ui_app(gateway, title="Quillane")))
        yield Site(url, gateway, workspace, services.store, assistant)


@dataclass
class Visit:
    """A page, with what it asked of the network and what went wrong in it."""

    page: Any
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    path = require_chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_OPTIONS))
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any, site: Site) -> Iterator[Callable[..., Visit]]:
    """Open the pages, by a link to them, in a fresh browser profile."""
    contexts = []

    def open_page(link: str = "", width: int = 1360) -> Visit:
        context = chromium.new_context(viewport={"width": width, "height": 860})
        contexts.append(context)
        seen = Visit(context.new_page())
        seen.page.set_default_timeout(20_000)
        seen.page.on("request", lambda request: seen.requests.append(request.url))
        seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
        seen.page.on("console", lambda line: seen.errors.append(line.text) if line.type == "error" else None)
        seen.page.goto(f"{site.url}/{link}")
        seen.page.wait_for_selector("#question textarea", state="attached")
        return seen

    yield open_page
    for context in contexts:
        context.close()
