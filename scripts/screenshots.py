"""Take the pictures in docs/screenshots of a chat that is being served (``doyen serve``).

Usage: python scripts/screenshots.py [--chat http://127.0.0.1:7860] [--question "…"] [--mode hybrid]
"""

import argparse
import shutil
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from doyen.ui.markup import MODE_LABELS

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "screenshots"
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]


def main() -> None:
    """Read the arguments and visit the tabs."""
    parser = argparse.ArgumentParser(description="Take the pictures in docs/screenshots.")
    parser.add_argument("--chat", default="http://127.0.0.1:7860")
    parser.add_argument("--question", action="append", help="may be given several times")
    parser.add_argument("--mode", default="rag", choices=MODE_LABELS)
    arguments = parser.parse_args()
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        raise SystemExit("Chromium is not installed: run scripts/install_system_packages.sh")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1360, "height": 860})
        page.goto(arguments.chat)
        page.wait_for_selector("#question textarea")
        page.get_by_label(MODE_LABELS[arguments.mode], exact=True).check()
        for number, question in enumerate(arguments.question or ["What can you help me with?"], start=1):
            ask(page, question, number)
        save(page, "chat")
        page.get_by_role("tab", name="Evaluation").click()
        page.wait_for_selector("#comparison table, #comparison .doyen-banner")
        save(page, "evaluation")
        page.get_by_role("tab", name="Adapters").click()
        page.wait_for_selector("#adapters table, #adapters .doyen-note")
        save(page, "adapters")
        browser.close()


def ask(page: Any, question: str, number: int) -> None:
    """Ask a question and wait for the whole answer, the ``number``-th of the conversation."""
    page.fill("#question textarea", question)
    page.click("#ask")
    replies = "document.querySelectorAll('#chat .doyen-reply:not(.doyen-coming)')"
    page.wait_for_function(f"{replies}.length === {number}", timeout=120_000)


def save(page: Any, name: str) -> None:
    """Write a picture once the page has settled."""
    page.wait_for_timeout(800)
    page.screenshot(path=FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
