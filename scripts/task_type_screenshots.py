"""Take the pictures of docs/task-types.md: the screen of each task type on a real Label Studio server.

Usage: python scripts/task_type_screenshots.py [--out docs/screenshots]
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from annotation_screenshots import OPTIONS, ROOT, label_next, make_workspace, save, sign_in
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(ROOT / "tests"))

from support.label_studio import running_server

from doyen.annotation import create_project, push, read_description, text_tasks
from doyen.annotation.texts import PlainText
from doyen.annotation.types.descriptions import default_description
from doyen.core.store import open_store

EXAMPLES = ROOT / "examples" / "annotation"
PUMP = "The sample pump PN 410-778 is replaced every 4,000 operating hours. It is inspected twice a year, at 180 °C at most."
CLAUSE = (
    "Quillane Ltd. delivers the device. It shall not be liable for indirect damage. The Customer may terminate this agreement "
    "if Quillane Ltd. has not repaired the device within a month."
)
NEWS = "Orders fell, but profit rose and the company raised its forecast for the year."
SHOWN = {
    "prompt-response": ("equipment-questions", PUMP),
    "classification": ("law-clauses", CLAUSE),
    "entities": ("equipment-entities", PUMP),
    "sentiment": ("finance-sentiment", NEWS),
    "coreference": ("law-parties", CLAUSE),
    "pos": (None, PUMP),
}
VIEW = {"width": 1280, "height": 620}


def main() -> None:
    """Start the server, make a project of each type with one drafted task, and take a picture of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
    out: Path = parser.parse_args().out
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("Chromium is not installed: run scripts/install_system_packages.sh")
    out.mkdir(parents=True, exist_ok=True)
    with running_server() as server, tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        workspace = make_workspace(Path(folder), server)
        store = open_store(workspace)
        browser = playwright.chromium.launch(executable_path=chromium, args=OPTIONS)
        page = sign_in(browser, server, "ada@example.com")
        page.set_viewport_size(VIEW)
        for name, (example, text) in SHOWN.items():
            description = read_description(EXAMPLES / f"{example}.toml") if example else default_description(name)
            create_project(workspace, store, name, description=description)
            text_tasks(store, name, [PlainText(text, "1", "texts.jsonl")])
            push(workspace, store, name)
            label_next(page, server, store, name)
            save(page, out / f"type-{name}.png")
        browser.close()
        store.close()


if __name__ == "__main__":
    main()
